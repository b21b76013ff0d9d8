"""What the tests share, a folder for each idea; nothing here is a test."""

from pathlib import Path

TESTS = Path(__file__).parent.parent
