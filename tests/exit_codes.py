"""Write docs/evidence/exit-codes.md: each command in each state of a gateway, run: `python tests/exit_codes.py`.

It takes some minutes. Every state is made anew for each command that changes something.
"""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

from support.machines.installation import SHORT_CLOCKS, Installation, end_processes_below  # noqa: E402  after the path is set

from hermes_cli import __version__  # noqa: E402
from hermes_cli.programs import starts  # noqa: E402

PAGE = TESTS.parent / "docs" / "evidence" / "exit-codes.md"
LOOKS = (
    "gateway status",
    "gateway list",
    "gateway doctor",
    "gateway probe live",
    "gateway probe ready",
    "gateway metrics",
    "gateway logs",
    "gateway intents list",
    "gateway intents show 20990101T000000.000000Z-1-0000",
    "gateway run --check",
    "config validate",
    "config get gateway.drain_timeout",
    "update --history",
)
ACTS = (
    "gateway start",
    "gateway stop",
    "gateway restart",
    "gateway restart --no-wait",
    "gateway restart --force",
    "gateway install",
    "gateway install --print",
    "gateway uninstall",
    "gateway intents drive",
    "chat hello",
)
CLOCKS = SHORT_CLOCKS.replace("drain_timeout = 20", "drain_timeout = 4").replace(
    "start_timeout = 15", "start_timeout = 8"
)


def nothing(_: Installation) -> None:
    """Nothing is installed."""


def running(hermes: Installation) -> None:
    hermes.install()


def stopped(hermes: Installation) -> None:
    hermes.install()
    hermes.run("gateway", "stop")


def draining(hermes: Installation) -> None:
    hermes.install()
    hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")


def wrong_file(hermes: Installation) -> None:
    hermes.install()
    (hermes.home / "config.toml").write_text("[gateway]\ndrain_timout = 5\n")


def wrong_file_and_stopped(hermes: Installation) -> None:
    stopped(hermes)
    (hermes.home / "config.toml").write_text("[gateway]\ndrain_timout = 5\n")


def killed(hermes: Installation) -> None:
    hermes.install()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for one in hermes.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, number)


def suspended(hermes: Installation) -> None:
    """The supervisor is stopped by a signal, and can neither be asked nor act."""
    hermes.install()
    supervisor = hermes.supervisor()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)


def crashing(hermes: Installation) -> None:
    stopped(hermes)
    shutil.rmtree(hermes.paths.messages, ignore_errors=True)
    Path(hermes.paths.messages).unlink(missing_ok=True)
    Path(hermes.paths.messages, "in the way").mkdir(parents=True)
    hermes.run("gateway", "start")
    hermes.until(lambda: starts.last_crash(starts.read(hermes.paths)), "a start that failed")


STATES: dict[str, Callable[[Installation], None]] = {
    "nothing installed": nothing,
    "running": running,
    "stopped": stopped,
    "draining": draining,
    "config.toml wrong, running": wrong_file,
    "config.toml wrong, stopped": wrong_file_and_stopped,
    "everything killed": killed,
    "supervisor suspended": suspended,
    "crash loop": crashing,
}


@contextlib.contextmanager
def made(make: Callable[[Installation], None]) -> Iterator[Installation]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            hermes = Installation(Path(folder) / "home", config=CLOCKS)
            make(hermes)
            yield hermes
        finally:
            end_processes_below(Path(folder))


def column(make: Callable[[Installation], None]) -> dict[str, int]:
    """The exit code of each command in one state."""
    found = {}
    if make not in {draining, killed}:  # which does not stay so
        with made(make) as hermes:
            for command in LOOKS:
                found[command] = hermes.run(*command.split()).returncode
    for command in (*(one for one in LOOKS if one not in found), *ACTS):
        with made(make) as hermes:
            found[command] = hermes.run(*command.split()).returncode
    return found


def main() -> None:
    columns = {}
    for name, make in STATES.items():
        print(name, file=sys.stderr)
        columns[name] = column(make)
    write(columns)


def write(columns: dict[str, dict[str, int]]) -> None:
    """Write the page."""
    lines = [
        "# Exit codes, by command and state",
        "",
        f"Written by `python tests/exit_codes.py`, hermes {__version__}, the embedded manager, from a shell. What the codes mean is in",
        "[commands](../commands/index.md#exit-codes). In-tree `restart` and `install` are 0 as soon as the request is recorded; `update",
        "--check` is 100 where there is news. The id of `intents show` is one that is not there.",
        "",
        f"| command | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
    ]
    lines += [
        f"| `{command.replace(LOOKS[8], 'gateway intents show ID')}` | {' | '.join(str(one[command]) for one in columns.values())} |"
        for command in (*LOOKS, *ACTS)
    ]
    PAGE.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
