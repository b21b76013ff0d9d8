"""What goes wrong, and when: at a named function, at a call into the kernel, in a power cut, in launchd."""
