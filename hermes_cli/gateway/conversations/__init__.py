"""What was acknowledged is answered once: stored messages, turns, notices of outcomes, updates asked for in a chat."""
