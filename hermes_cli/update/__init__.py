"""Changing the installation under a running gateway."""
