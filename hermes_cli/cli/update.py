"""`hermes update`: the options that may be typed; the rest is hermes_cli.update."""

import contextlib
import json
import sys
from typing import Any

import click

from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths

NEWS = 100  # as dnf's check-update


@click.command()
@click.option("--check", is_flag=True, help="Say what is new and change nothing; exit code 100 if something is.")
@click.option("--to", metavar="REF", help="To this branch, tag, commit or version, also backwards.")
@click.option("--rollback", is_flag=True, help="Back to what the newest update began at.")
@click.option("--pre", is_flag=True, help="Take pre-releases, too.")
@click.option("--stash", is_flag=True, help="Take local changes of a checkout along.")
@click.option("--rewritten", is_flag=True, help="Take a branch whose history was rewritten upstream.")
@click.option("--no-restart", is_flag=True, help="Leave the running gateway on the old code.")
@click.option("--all-profiles", is_flag=True, help="Restart the running gateways of all profiles, one after the other.")
@click.option("--order", metavar="NAME[,NAME]", help="With --all-profiles: after this one, these first.")
@click.option("--history", is_flag=True, help="Show past updates and change nothing.")
@click.option("--json", is_flag=True, help="With --check or --history, for scripts.")
@click.pass_obj
def update(paths: Paths, /, *, history: bool, **typed: Any) -> int:
    """Update the installation, prove that the new code starts, and restart the gateway; also from inside it.

    If the new gateway does not come or does not stay, the old code is put back and started.
    """
    as_json = typed.pop("json")
    if as_json and not (history or typed["check"]):
        raise UsageError("--json is of --check and --history: add one of them, or leave --json out")
    if history:
        from hermes_cli.update.history import document, lines

        if as_json:
            click.echo(json.dumps(document(paths), indent=2))
            return 0
        for line in lines(paths):
            click.echo(line)
        return 0
    _refuse_adopted(paths)
    from hermes_cli.update.options import compose
    from hermes_cli.update.run import Update

    asked = Update(paths, compose(**typed))
    if not typed["check"]:
        return asked.run()
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        code = asked.run()
    if as_json:
        click.echo(json.dumps(asked.document(), indent=2))
    if code == 0 and asked.has_news and asked.found is not None:
        from hermes_cli.notify.deliver import note_update

        note_update(paths, asked.found.new_shown, asked.found.headline)
        return NEWS
    return code


def _refuse_adopted(paths: Paths) -> None:
    """Refuse on a profile that stands for another program, whose code is not ours to change. Raises UsageError."""
    import os

    if not os.path.exists(paths.adopted):
        return
    import shlex

    from hermes_cli.errors import UsageError
    from hermes_cli.services import kept

    program = kept.adopted(paths)
    if program is None:
        return
    words = [program.adoption.fill(word) for word in program.file.get("update", "command") or ()]
    how = shlex.join(words) if words and not any("{" in word for word in words) else "with its own command"
    raise UsageError(
        f"profile {paths.profile} keeps {program.adoption.program} alive, whose code is its own: update it there, {how}; "
        "hermesctl itself is updated without -p"
    )
