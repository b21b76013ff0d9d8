"""The real hermes-agent, unmodified: where it comes from, where it runs, and what happens to it."""
