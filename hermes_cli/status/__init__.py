"""What is known of one profile, gathered once, and how it is shown."""
