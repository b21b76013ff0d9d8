"""A program with a service of its own that writes down that it leaves, and exits when it is let: `python FILE HOME`.

Like hermes-agent it says "stopped" long before it has exited.
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
    state, pid, wanted = home / "state.json", home / "pid", home / "wanted"

    def say(word: str) -> None:
        ours = os.getpid()
        fresh = home / "state.json.new"
        fresh.write_text(json.dumps({"pid": ours, "start": process_table.start_ticks(ours), "state": word}))
        fresh.replace(state)

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    wanted.unlink(missing_ok=True)
    say("running")
    pid.write_text(str(os.getpid()))
    signal.sigwait({signal.SIGUSR1})
    say("draining")
    say("stopped")
    wanted.touch()
    pid.unlink()
    while not (home / LEAVE).exists():
        time.sleep(0.02)
    sys.exit(75)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
