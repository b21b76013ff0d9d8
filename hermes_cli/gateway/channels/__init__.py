"""Where messages come from and go to; the local socket is the one that needs no account."""
