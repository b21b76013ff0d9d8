"""A service manager that is part of hermes: a small supervisor for machines without launchd and systemd."""
