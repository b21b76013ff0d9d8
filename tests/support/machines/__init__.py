"""Where hermes runs in a test: an installation, its interpreter, and the service manager that keeps it."""
