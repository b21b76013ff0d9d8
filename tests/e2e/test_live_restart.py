"""What `restart` and `status --watch` draw while a turn is waited for, on a terminal of 60 columns."""

import re
from collections.abc import Callable, Iterator

import pexpect
import pytest
from support.machines.installation import SHORT_CLOCKS, Installation

pytestmark = pytest.mark.e2e
_ESCAPES = re.compile(r"\x1b\[[0-9?]*[A-Za-z]")


@pytest.fixture
def waiting(make_installation: Callable[..., Installation]) -> Iterator[Installation]:
    """A gateway with a turn that does not end by itself."""
    hermes = make_installation(config=SHORT_CLOCKS.replace("drain_timeout = 20", "drain_timeout = 600"))
    hermes.install()
    finish = hermes.busy()
    yield hermes
    finish()


def spawn(hermes: Installation, *words: str, **variables: str) -> pexpect.spawn:
    return pexpect.spawn(
        hermes.python,
        ["-m", "hermes_cli", "gateway", *words],
        env={**hermes.environment(), "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **variables},
        dimensions=(24, 60),
        encoding="utf-8",
    )


def test_a_restart_is_drawn_phase_by_phase_and_an_interrupt_leaves_nothing(waiting: Installation) -> None:
    drawn = spawn(waiting, "restart")
    said = ""
    for pattern in (r"draining, 1 turn .*\.\d{3} s  +█", "drain: 1 turn, [1-9][0-9]* s of 600 s"):
        drawn.expect(pattern)
        said += drawn.before + drawn.after
    drawn.sendintr()
    drawn.expect("no longer waiting; intent")
    said += drawn.before
    drawn.expect(pexpect.EOF)
    drawn.close()
    assert drawn.exitstatus == 5
    lines = [_ESCAPES.sub("", line) for line in said.replace("\r", "\n").split("\n")]
    assert max(map(len, lines)) <= 60, lines
    assert said.rstrip().rpartition("\x1b[J")[2].removeprefix("\x1b[?25h").strip() in {"", "hermes:"}, said[-200:]

    watched = spawn(waiting, "status", "--watch")
    watched.expect(r"draining, 1 turn ")
    watched.sendintr()
    watched.expect(pexpect.EOF)
    assert watched.before.rstrip().endswith("\x1b[?25h")

    plain = spawn(waiting, "restart", TERM="dumb")
    plain.expect("restarting: waiting for drain: 1 turn")
    plain.sendintr()
    plain.expect(pexpect.EOF)
    assert "\x1b" not in plain.before
