"""`hermes completion`: what makes a shell complete commands, options, profiles, ids and settings.

The shell asks by a variable (click's protocol); the answer imports as little as it can: a person waits for it.
"""

import os
import sys

import click
from click import shell_completion

from hermes_cli.paths import Paths

_SHELLS = ("bash", "zsh", "fish")
_IDS = 50  # the newest


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_obj
def completion(_: Paths, shell: str) -> None:
    """Print the script that makes a shell complete hermes and hermesctl: eval "$(hermes completion bash)"."""
    for program in ("hermes", "hermesctl"):
        click.echo(_class(shell)(None, {}, program, "_HERMES_COMPLETE").source())  # type: ignore[arg-type]  # it asks for a command and uses none


def answer(instruction: str) -> int:
    """Print the completions of the command line in the environment, for `bash_complete` and its like."""
    from hermes_cli.cli.line import profile_of
    from hermes_cli.cli.main import hermes

    shell, _, what = instruction.partition("_")
    if shell not in _SHELLS or what != "complete":
        return 1
    asked = _class(shell)(hermes, {}, "hermes", "_HERMES_COMPLETE")
    words, begun = asked.get_completion_args()
    if words and words[-1] in {"-p", "--profile"}:
        found = [shell_completion.CompletionItem(name) for name in _profiles() if name.startswith(begun)]
    else:
        profile, words = profile_of(words)
        if profile is not None:
            os.environ["HERMES_PROFILE"] = profile
        found = asked.get_completions(words, begun)
    sys.stdout.write("".join(f"{asked.format_completion(item)}\n" for item in found))
    return 0


def complete_dismissable(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the ids of pending intents, then of what was rejected."""
    return [one for one in (*_names("pending"), *_names("rejected")) if one.startswith(begun)]


def complete_settled(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the ids of settled intents, the newest first."""
    return [one for one in _names("settled") if one.startswith(begun)]


def complete_any(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the ids of intents, pending ones first."""
    return [one for one in (*_names("pending"), *_names("settled")) if one.startswith(begun)]


def complete_people(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the ids of those who were let in by a code, or wait for it."""
    import sqlite3
    from urllib.parse import quote

    paths = _paths()
    if paths is None or not os.path.exists(paths.messages):
        return []
    try:
        found = sqlite3.connect(f"file:{quote(paths.messages)}?mode=ro", uri=True, timeout=0.5)
        rows = found.execute("SELECT user FROM people UNION SELECT user FROM pairing ORDER BY user LIMIT ?", (_IDS,))
        return [str(row[0]) for row in rows if str(row[0]).startswith(begun)]
    except sqlite3.Error:
        return []


def complete_settings(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Return the names of settings."""
    from hermes_cli.config import Config

    names = [f"{section}.{name}" for section, values in Config()._asdict().items() for name in values._fields]
    return [name for name in names if name.startswith(begun)]


def _names(directory: str) -> list[str]:
    paths = _paths()
    try:
        found = os.listdir(f"{paths.intents}/{directory}") if paths is not None else []
    except OSError:
        return []
    return sorted((name.removesuffix(".json") for name in found if name.endswith(".json")), reverse=True)[:_IDS]


def _profiles() -> list[str]:
    from hermes_cli.paths import profiles

    paths = _paths()
    return profiles(paths) if paths is not None else []


def _paths() -> Paths | None:
    """Return the profile's directories; what is wrong with them is for a command to say."""
    from hermes_cli.errors import HermesError
    from hermes_cli.paths import resolve

    try:
        return resolve()
    except (HermesError, OSError):
        return None


class _Bash(shell_completion.BashComplete):
    """click's, for the bash of a Mac as well, which is of 2007 and knows no `nosort`."""

    def source(self) -> str:
        """Return the script."""
        line = "complete -o nosort -F %(complete_func)s %(prog_name)s"
        old = line.replace("-o nosort ", "")
        return self.source_template.replace(line, f"{line} 2>/dev/null || {old}") % self.source_vars()


def _class(shell: str) -> type[shell_completion.ShellComplete]:
    return {"bash": _Bash, "zsh": shell_completion.ZshComplete, "fish": shell_completion.FishComplete}[shell]
