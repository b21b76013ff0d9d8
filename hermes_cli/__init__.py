"""hermes: a chat gateway as a user service, with a restart that is never lost."""

__version__ = "0.2.0"
