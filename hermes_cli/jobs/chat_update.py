"""`hermes update` for a conversation: outside the gateway's tree, its output in a file that the gateway follows.

Run by name, see `hermes_cli.jobs`; `update/chat_job` says which files these are.
"""

import contextlib
import fcntl
import os
import sys

from hermes_cli.intents.record import is_id
from hermes_cli.paths import Paths, resolve
from hermes_cli.system.durable import make_private_directory
from hermes_cli.update.chat_job import folder


def main(profile: str, job: str, *words: str) -> int:
    """Run the update with the options that were typed, and write how it ended into the file.

    Return the exit code. Raises OSError, UsageError.
    """
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
    # Imported this late, so that the conversation shows the traceback if the installation is not whole.
    from hermes_cli import mends, user_environment
    from hermes_cli.errors import exit_code_of

    user_environment.apply_or_say(paths)
    code = exit_code_of(lambda: _update(paths, words), lambda text: mends.shown(text, paths.profile))
    sys.stdout.flush()
    return code


def _update(paths: Paths, words: tuple[str, ...]) -> int:
    from hermes_cli.installation import entry_points
    from hermes_cli.restart import wake
    from hermes_cli.update import history
    from hermes_cli.update.options import compose, parse
    from hermes_cli.update.run import Update

    wake.announce(paths)
    typed = parse(words)
    typed.pop("json", None)  # somebody reads it
    if typed.pop("help", False):
        usage = entry_points.argv(entry_points.HERMES, "-p", paths.profile, "update", "--help")
        os.execv(sys.executable, usage)  # noqa: S606  an argv list of our own
    if typed.pop("history", False):
        print(*history.lines(paths), sep="\n", flush=True)
        return 0
    return Update(paths, compose(**typed)).run()
