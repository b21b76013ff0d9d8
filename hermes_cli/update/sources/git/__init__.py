"""A git checkout as the source of updates."""
