"""launchd of macOS: two jobs, plain kickstart, the domain as found."""
