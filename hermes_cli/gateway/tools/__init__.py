"""What an agent may use: the terminal, the status of the gateway, and requests for a restart or an update."""
