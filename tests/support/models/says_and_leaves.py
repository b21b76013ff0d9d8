"""A program with a service of its own that writes down that it leaves, and exits when it is let: `python FILE HOME`.

Like hermes-agent it says "stopped" long before it has exited, and in the same file that it was asked to restart.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

from hermes_cli.system import process_table

LEAVE = "leave"  # a file in its home: it may exit


def main(home: Path) -> None:
    """Run until SIGUSR1, then until it may exit; with 75, as who is to be started again."""
    state, pid = home / "state.json", home / "pid"

    def say(word: str, *, asked: bool = False) -> None:
        ours = os.getpid()
        said = {"pid": ours, "start": process_table.start_ticks(ours), "state": word, "restart_requested": asked}
        fresh = home / "state.json.new"
        fresh.write_text(json.dumps(said))
        fresh.replace(state)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    say("running")
    pid.write_text(str(os.getpid()))
    signal.sigwait({signal.SIGUSR1})
    say("draining", asked=True)
    say("stopped", asked=True)
    pid.unlink()
    while not (home / LEAVE).exists():
        time.sleep(0.02)  # the stand-in for work that holds an exit up
    sys.exit(75)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
