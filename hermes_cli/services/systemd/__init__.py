"""systemd, of the user or of the machine: a service, a path unit and the restarter that it starts."""
