"""The gateway: channels, sessions, turns, the agent and its terminal, the drain and the exit."""
