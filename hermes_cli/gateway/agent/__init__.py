"""What answers a message; the built-in one needs no key."""
