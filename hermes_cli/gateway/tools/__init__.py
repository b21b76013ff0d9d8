"""What an agent may use: the terminal, and requests for a restart or an update."""
