"""What was acknowledged is answered once: stored messages, turns, notices of outcomes, output of updates."""
