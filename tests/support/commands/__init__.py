"""What the tests of single commands share."""
