"""What answers a message: one interface; the built-in agent needs no key."""
