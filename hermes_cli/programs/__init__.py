"""What is kept alive: how its instance is observed, asked to restart, and what its exit codes mean."""
