"""The local channel: a Unix socket, its protocol, and the client that the command line uses."""
