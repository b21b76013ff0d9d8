"""`adopt` and `release`: keep another program's gateway alive beside its own service, and stop doing so."""

import contextlib
import json
import os
import shlex
import shutil

import click

from hermes_cli.errors import HermesError, NotInstalledError, UsageError
from hermes_cli.installation import shared
from hermes_cli.paths import DEFAULT_PROFILE, Paths, profiles, resolve, sibling
from hermes_cli.pending import RESIDENT_LOCK
from hermes_cli.programs import adoption as adoptions
from hermes_cli.programs import declared, program_file
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.program_file import ProgramFile
from hermes_cli.restart.cancel import cancel
from hermes_cli.services import kept
from hermes_cli.services.adopted import found, hook
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.system import durable, locks, refusal

_DRIVER_ENDS = 5.0  # seconds: its intent is cancelled, and what it watches with is gone


@click.command()
@click.argument("program", metavar="NAME|FILE")
@click.option("--home", type=click.Path(file_okay=False), help="Its home.  [default: as the program file says]")
@click.option("--as", "name", metavar="PROFILE", help="Our profile for it.  [default: the program's name]")
@click.option(
    "--unloaded",
    type=click.Choice(["leave", "bring-back"]),
    default="leave",
    show_default=True,
    help="What to do when somebody has unloaded its job.",
)
@click.option("--no-hook", is_flag=True, help="Put nothing into its home.")
@click.option("--print", "only_print", is_flag=True, help="Show what would be written and change nothing.")
@click.pass_obj
def adopt(
    paths: Paths, *, program: str, home: str | None, name: str | None, unloaded: str, no_hook: bool, only_print: bool
) -> int:
    """Keep another program's gateway alive: NAME is hermes-agent or openclaw, FILE any program file.

    Its own definition stays as it is. One job of ours runs beside it and starts it again when it was asked to restart,
    or ended by itself, and did not come back. hermesctl gateway release undoes it.
    """
    shared.refuse()
    is_file = os.sep in program or program.endswith(".toml")
    if not is_file and program not in program_file.BUILT_IN:
        raise UsageError(f"{program!r} is not known: use {', '.join(program_file.BUILT_IN)}, or a program file")
    what = program_file.load(program) if is_file else program_file.built_in(program)
    if what.get("service") is None:
        raise UsageError(
            f"{what.name} names no service of its own that could be adopted: "
            f"hermes gateway install --program {shlex.quote(program)}"
        )
    paths = resolve(name or (paths.profile if paths.profile != DEFAULT_PROFILE else what.name))
    _refuse_own(paths)
    adoption = found.find(what, home)._replace(
        unloaded="bring-back" if unloaded == "bring-back" else "leave", hook=not no_hook
    )
    _refuse_second(paths, adoption)
    manager = found.manager(paths, adoption)
    if (whose := manager.stranger()) is not None:
        raise UsageError(f"{whose}; it was left as it is: hermesctl gateway release there frees it")
    if only_print:
        _print(paths, adoption, what, manager)
        return 0
    return _adopt(paths, adoption, what, manager)


@click.command()
@click.pass_obj
def release(paths: Paths) -> int:
    """Stop keeping the adopted program alive, and remove everything of ours; the program itself goes on as it is."""
    if paths.profile == DEFAULT_PROFILE and adoptions.read(paths) is None:
        paths = resolve(_only_adopted(paths))
    adoption = adoptions.read(paths)
    if adoption is None:
        instead = "hermes gateway uninstall removes what is ours" if paths.is_there else "hermes gateway list"
        raise NotInstalledError(f"profile {paths.profile} adopts nothing: {instead}")
    what = adoptions.read_program(paths)
    manager = found.manager(paths, adoption)
    for identifier in cancel(paths, "hermes gateway release: nothing of ours restarts it"):
        click.echo(f"cancelled intent {identifier}")
    if (whose := manager.stranger()) is None:
        manager.uninstall()
        hook.remove(adoption, what)
    else:
        click.echo(f"{whose}; it was left as it is")
    _forget(paths)
    click.echo(f"released {what.name}: {adoption.name} is as it was, nothing of ours watches it")
    return 0


def _forget(paths: Paths) -> None:
    """Remove what is known of the program, its restarts among it, and what of the profile is empty then. Raises OSError.

    A driver that is at work keeps its queue; the log tells what was done in either case.
    """
    if (lock := locks.take(paths.queue.driver_lock, _DRIVER_ENDS)) is not None:
        shutil.rmtree(paths.intents)
        lock.release()
    known = [paths.adopted, adoptions.program_path(paths), declared.seen_path(paths), f"{paths.state}/{RESIDENT_LOCK}"]
    for path in known:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    for place in (paths.state, os.path.dirname(paths.config)):
        for folder, _, _ in os.walk(place, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _adopt(paths: Paths, adoption: Adoption, what: ProgramFile, manager: Adopted) -> int:
    before = _adopted(paths)
    if before is not None and (before.home != adoption.home or not adoption.hook):
        hook.remove(before, what)
    try:
        for place in (paths.state, os.path.dirname(paths.config)):
            durable.make_private_directory(place)
        durable.publish_text(adoptions.program_path(paths), what.text, 0o600)
        durable.publish(paths.adopted, adoption.document())
    except OSError as error:
        raise HermesError(refusal.refused(error.filename or paths.state, "written", error)) from None
    for path in hook.install(adoption, what, manager.demand_start_of_resident()):
        click.echo(f"wrote {path}")
    wrong = [one.path for one in manager.definitions() if not one.is_there]
    manager.install()
    for path in wrong:
        click.echo(f"wrote {path}")
    running = kept.declared(paths, adoption, what).observe()
    state = f"{running.state}, pid {running.identity.pid}" if running is not None else "not running"
    click.echo(f"adopted {what.name} ({adoption.name}, {state}): its definition {adoption.definition} stays as it is")
    if running is not None and hook.is_newer(adoption, what, running.started_at):
        click.echo("its hook is loaded at its next start; until then the resident restarter alone watches it")
    return 0


def _print(paths: Paths, adoption: Adoption, what: ProgramFile, manager: Adopted) -> None:
    click.echo(f"# {paths.adopted}\n{json.dumps(adoption.document(), indent=2)}")
    for one in manager.definitions():
        click.echo(f"# {one.path}\n{one.text}", nl=False)
    for path, text in hook.files(adoption, what, manager.demand_start_of_resident()).items():
        click.echo(f"# {path}\n{text}", nl=False)


def _refuse_own(paths: Paths) -> None:
    """Refuse a profile that has a gateway of ours."""
    from hermes_cli.services import registered

    if registered.read(paths).get("manager") is not None:
        raise UsageError(f"profile {paths.profile} has a gateway of its own: use --as NAME for the adopted program")


def _refuse_second(paths: Paths, adoption: Adoption) -> None:
    """Refuse a profile that keeps something else alive, and what another profile keeps alive."""
    service = (adoption.manager, adoption.name)
    before = _adopted(paths)
    if before is not None and (before.manager, before.name) != service:
        another = f"{adoption.program}-{'2' if adoption.profile == DEFAULT_PROFILE else adoption.profile}"
        raise UsageError(
            f"profile {paths.profile} keeps {before.name} alive: use --as {another} for {adoption.name}, "
            "or hermes gateway release to let that one go"
        )
    for name in profiles(paths):
        other = _adopted(sibling(paths, name)) if name != paths.profile else None
        if other is not None and (other.manager, other.name) == service:
            raise UsageError(
                f"{adoption.name} is kept alive as profile {name}: hermesctl -p {name} gateway status shows it, "
                f"hermesctl -p {name} gateway release lets it go"
            )


def _adopted(paths: Paths) -> Adoption | None:
    """Return what a profile adopts, None where it adopts nothing or says nothing of use: it is written anew then."""
    return Adoption.parse(durable.read_json(paths.adopted))


def _only_adopted(paths: Paths) -> str:
    adopted = [name for name in profiles(paths) if adoptions.read(resolve(name)) is not None]
    if not adopted:
        raise NotInstalledError("nothing is adopted: hermes gateway adopt NAME")
    if len(adopted) > 1:
        raise NotInstalledError(f"name what to release, one of {', '.join(adopted)}: hermes -p NAME gateway release")
    return adopted[0]
