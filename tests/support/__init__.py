"""What the tests share, a folder for each idea; nothing here is a test."""

import os
from pathlib import Path

TESTS = Path(__file__).parent.parent
# Seconds until a test gives up on whatever it waits for: one number, beyond what anything takes on the busiest machine, so
# that only a hang meets it.
PATIENCE = float(os.environ.get("HERMES_TEST_PATIENCE", "240"))
FULL = os.environ.get("HERMES_PROOF") == "full"  # nothing is passed over
