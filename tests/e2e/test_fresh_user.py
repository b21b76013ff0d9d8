"""README and how-to, typed by an unprivileged user with a new home: `python tests/fresh_user.py` runs it by hand."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.machines import user_manager

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS))

import fresh_user  # noqa: E402


@pytest.mark.nightly
@pytest.mark.needs_root
@pytest.mark.needs_systemd
def test_what_is_shown_can_be_typed() -> None:
    with user_manager.needed():
        user_manager.UserManager().close()
    done = subprocess.run(
        [sys.executable, str(TESTS / "fresh_user.py")], capture_output=True, text=True, timeout=1800, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_line_of_the_documents_is_typed_or_says_why_not() -> None:
    sections = {section for section, command in fresh_user.typed(fresh_user.HOW_TO) if "hermes" in command}
    typed = {"Install, start, stop", "As a systemd service", "Talk to it", "Restart", "Update", "Uninstall"}
    assert sections - typed <= fresh_user.NOT_HERE.keys()
    assert [fresh_user.install_line(way) for way in fresh_user.WAYS]
    assert "hermes gateway status" in fresh_user.start_line()
