"""Which code is installed, which code runs, and the copy that runs a driver while the code changes."""
