"""`hermes update` for a conversation: outside the gateway's tree, its output in a file that the gateway follows.

Run by name, see `hermes_cli.jobs`; `update/chat_job` says which files these are.
"""

import contextlib
import fcntl
import os
import sys

from hermes_cli.intents.record import is_id
from hermes_cli.paths import resolve
from hermes_cli.system.durable import make_private_directory
from hermes_cli.update.chat_job import folder


def main(profile: str, job: str, *options: str) -> int:
    """Run the update, and say into the file how it ended. Raises OSError, UsageError."""
    paths = resolve(profile)
    if not is_id(job):
        return 2
    make_private_directory(folder(paths))
    out = os.open(f"{folder(paths)}/{job}.out", os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    # The lock goes with the last descriptor of this opening. An updater that executes itself anew comes by twice.
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.dup2(out, 1)
    os.dup2(out, 2)
    from hermes_cli.cli.main import run

    code = run(["-p", profile, "update", *options])
    sys.stdout.flush()
    return code
