"""The third service manager, part of hermes: a small supervisor for containers and machines without the others."""
