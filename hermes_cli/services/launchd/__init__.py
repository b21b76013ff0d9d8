"""launchd of macOS: two jobs, started by a plain kickstart in the domain where they are found."""
