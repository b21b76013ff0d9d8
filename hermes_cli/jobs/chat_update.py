"""`hermes update` for a conversation: outside the gateway's tree, its output in a file that the gateway follows.

Run by name, see `hermes_cli.jobs`; `update/chat_job` says which files these are.
"""

import fcntl
import os
import sys

from hermes_cli.intents.record import is_id
from hermes_cli.paths import Paths, resolve
from hermes_cli.system import locks
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
    _say_into(f"{folder(paths)}/{job}.out")
    # Imported this late, so that the conversation shows the traceback if the installation is not whole.
    from hermes_cli import mends, user_environment
    from hermes_cli.errors import exit_code_of

    user_environment.apply_or_say(paths)
    code = exit_code_of(lambda: _update(paths, words), lambda text: mends.shown(text, paths.profile))
    sys.stdout.flush()
    return code


def _say_into(out: str) -> None:
    """Have both streams write into a file that nobody ever sees without its lock: for its readers that is the end.

    The lock goes with the last descriptor of this opening. An updater that executes itself anew has it already.
    """
    if locks.is_at(1, out):
        return
    staged = f"{out}.{os.getpid()}"
    file = os.open(staged, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.rename(staged, out)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


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
