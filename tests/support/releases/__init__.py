"""What hermes is installed from and updated to: checkouts, wheels, the releases of the past."""
