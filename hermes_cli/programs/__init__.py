"""What is kept alive: how its instance is observed, how it is asked to restart, and what its exit codes mean."""
