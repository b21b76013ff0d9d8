"""What end-to-end tests of updates install from."""

from pathlib import Path

import pytest
from support.releases.checkout import Checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A clone that hermes can run from, with a remote that can get new releases."""
    return Checkout(tmp_path / "git")
