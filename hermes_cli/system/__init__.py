"""What is asked of the operating system. A library: it imports nothing else of the package."""
