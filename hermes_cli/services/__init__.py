"""Service managers behind one interface."""
