"""Ask for a restart, and have somebody carry it out."""
