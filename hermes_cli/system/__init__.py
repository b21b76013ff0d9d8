"""What is asked of the operating system. A library: it knows nothing of hermes."""
