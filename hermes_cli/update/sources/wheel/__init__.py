"""An installed distribution as the source of updates: pip, pipx or uv."""
