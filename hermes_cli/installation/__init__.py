"""Which code is installed, which code runs, and the copy of it that can run a driver meanwhile."""
