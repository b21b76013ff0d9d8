"""The file of an update that a conversation asked for: for its readers, one without a lock is the end of the update."""

import os
import subprocess
import sys
import time

from hermes_cli.intents.request import new_id

# At each thing that the interpreter is about to do, it looks as a gateway does that happens to look just then.
LOOKED_AT_ALL_THE_TIME = """
import os, sys
from hermes_cli.jobs import chat_update
from hermes_cli.system import locks
job, out, told = sys.argv[1:]
is_looking = False
def look(event, _):
    global is_looking
    if not is_looking and (event in {"fcntl.flock", "os.rename"} or event == "open"):
        is_looking = True
        if os.path.exists(out) and not locks.is_held(out):
            os.write(int(told), f"{event}: there, and not locked\\n".encode())
        is_looking = False
sys.addaudithook(look)
"""
ONCE = LOOKED_AT_ALL_THE_TIME + "chat_update.main('default', job, '--history')\n"
TWICE = ONCE + "chat_update.main('default', job, '--history')\n"  # as one that executes itself anew
HISTORY = "no updates yet"


def run(script: str, home: str) -> tuple[str, str]:
    """What it was seen without, and what it said."""
    job = new_id(time.time())
    out = f"{home}/state/updates/chat/{job}.out"
    seen, told = os.pipe()
    done = subprocess.run(
        [sys.executable, "-c", script, job, out, str(told)],
        env={**os.environ, "HERMES_HOME": home},
        pass_fds=[told],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(told)
    with os.fdopen(seen) as pipe, open(out, encoding="utf-8") as file:
        return pipe.read() + done.stderr, file.read()


def test_nobody_sees_the_output_without_its_lock(home: str) -> None:
    assert run(ONCE, home) == ("", f"{HISTORY}\n")


def test_an_update_that_executes_itself_anew_keeps_the_lock_and_what_was_said(home: str) -> None:
    assert run(TWICE, home) == ("", f"{HISTORY}\n{HISTORY}\n")
