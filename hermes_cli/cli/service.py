"""`install`, `uninstall`, `start`, `stop`: the service as a whole."""

import contextlib
import errno
import os
import time
from collections.abc import Callable

import click

from hermes_cli import mends, user_environment
from hermes_cli.cli import all_profiles, what_now
from hermes_cli.errors import EX_CONFIG, HermesError, Misconfigured, NotInstalledError, UsageError, called, refusing
from hermes_cli.installation import shared
from hermes_cli.intents import desired, file_system
from hermes_cli.intents.instance import Instance
from hermes_cli.intents.record import LONGEST_DRAIN
from hermes_cli.paths import Paths
from hermes_cli.programs import description, own
from hermes_cli.restart.cancel import cancel
from hermes_cli.restart.log_lines import LogLines
from hermes_cli.restart.policy import policy_of
from hermes_cli.restart.progress_line import ProgressLine
from hermes_cli.restart.stopping import show_while
from hermes_cli.services import NAMES, ahead, choose, registered
from hermes_cli.services.base import ServiceManager
from hermes_cli.services.job import definition, edits, owner
from hermes_cli.system import refusal
from hermes_cli.system.printable import printable

Say = Callable[[str], None]


@click.command()
@click.option("--manager", type=click.Choice(NAMES), help="Which service manager.  [env: HERMES_SERVICE_MANAGER]")
@click.option("--system", is_flag=True, help="systemd: as a unit of the system, for root.")
@click.option("--linger", is_flag=True, help="systemd: let the service go on after logout.")
@click.option(
    "--keep-env", "keep_env", multiple=True, metavar="NAME[,NAME]", help="Let the service have these variables, too."
)
@click.option("--program", metavar="FILE", help="Take over a program that has no service of its own.")
@click.option("--print", "only_print", is_flag=True, help="Show the definitions and change nothing.")
@click.pass_obj
def install(
    paths: Paths,
    *,
    manager: str | None,
    system: bool,
    linger: bool,
    keep_env: tuple[str, ...],
    program: str | None,
    only_print: bool,
) -> int:
    """Install the service, start it, and wait until it is ready; repeated: bring its definitions up to date."""
    if program is not None:
        from hermes_cli.cli.take_over import take_over

        paths = take_over(paths, program, only_look=only_print)
    shared.refuse()
    _refuse_adopted(paths)
    service = choose(paths, manager or ("systemd" if system else None), system=system or None)
    if (system or linger) and service.name != "systemd":
        raise UsageError(f"--system and --linger are of systemd, and the service manager is {service.name}")
    if only_print:
        for one in service.definitions():
            click.echo(f"# {one.path}\n{one.text}", nl=False)
        return 0
    code, is_first = _install(paths, service, keep_env)
    if linger:
        from hermes_cli.services.systemd.linger import enable

        enable()
    _say_what_is_missing(paths)
    what_now.say(paths, service, is_first=is_first)
    return code


def _install(paths: Paths, service: ServiceManager, keep_env: tuple[str, ...]) -> tuple[int, bool]:
    """Look, write, load and start. Return the exit code, and whether nothing was installed before. Raises HermesError."""
    found = service.status()
    owner.refuse_problem(found.problems)  # before anything is written
    description.refuse_elsewhere(paths.instance)
    _refuse_leap(paths)
    if (why := file_system.refusal(paths.intents)) is not None:
        raise HermesError(f"nothing was installed: {why} and repeat")
    _keep_environment(paths, keep_env)
    with contextlib.suppress(OSError):  # so that an editor can write the file that `hermes config path` names
        os.makedirs(os.path.dirname(paths.config), 0o700, exist_ok=True)
    _leave_other_manager(paths, service)
    wanted = service.definitions()
    edits.say(wanted, _warn)
    before = {one.path: definition.read(one.path) for one in wanted}
    desired.write(paths.desired, "running", "hermes gateway install")
    needs_reload = service.install()
    for path, text in before.items():
        if definition.read(path) != text:
            click.echo(f"wrote {path}")
    code = _reload(paths, service) if needs_reload else _start(paths, service)
    return code, not found.installed


@click.command()
@click.pass_obj
def uninstall(paths: Paths) -> None:
    """Stop the service and remove its definitions; messages, logs and the configuration stay."""
    _refuse_adopted(paths, "uninstall it with its own command")
    service = choose(paths)
    installed = service.status().installed
    desired.write(paths.desired, "stopped", "hermes gateway uninstall")
    _cancel_pending(paths, "hermes gateway uninstall")
    service.uninstall()
    click.echo("uninstalled" if installed else "was not installed")
    kept = [place for place in (paths.state, paths.logs, paths.config) if os.path.exists(place)]
    if installed and kept:
        click.echo(f"kept  {', '.join(kept)}", err=True)


_ALL = click.option("--all", "everybody", is_flag=True, help="Every profile's service, one after the other.")
_ORDER = click.option("--order", metavar="NAME[,NAME]", help="With --all: these first, in this order.")


@click.command()
@_ALL
@_ORDER
@click.pass_obj
def start(paths: Paths, *, everybody: bool, order: str | None) -> int:
    """Start the service and wait until it is ready."""
    all_profiles.check(everybody=everybody, order=order)
    if everybody:
        return all_profiles.one_after_the_other(paths, order, lambda one: _of_all(one, start_one))
    return start_one(paths)


def start_one(paths: Paths, say: Say = click.echo) -> int:
    """Start one profile's service, and `say` what became of it. Return the exit code. Raises HermesError."""
    _refuse_adopted(paths, "start it with its own command")
    service = choose(paths)
    status = service.status()
    owner.refuse_problem(status.problems)
    if not status.installed:
        raise NotInstalledError("the service is not installed: hermes gateway install")
    description.refuse_elsewhere(paths.instance)
    desired.write(paths.desired, "running", "hermes gateway start")
    service.enable()
    return _start(paths, service, say)


@click.command()
@_ALL
@_ORDER
@click.pass_obj
def stop(paths: Paths, *, everybody: bool, order: str | None) -> int:
    """Stop the service; pending restarts are cancelled."""
    all_profiles.check(everybody=everybody, order=order)
    if everybody:
        return all_profiles.one_after_the_other(paths, order, lambda one: _of_all(one, stop_one), stays=False)
    stop_one(paths)
    return 0


def _of_all(one: Paths, act: Callable[[Paths, Say], int | None]) -> int | None:
    """Act on one of many profiles, unless there is nothing to act on."""
    say = all_profiles.of(one)
    if os.path.exists(one.adopted):
        say("adopted, left to its own service")
        return None
    if not choose(one).status().installed:
        say("not installed")
        return None
    return act(one, say) or 0


def stop_one(paths: Paths, say: Say = click.echo) -> None:
    """Stop one profile's service, and `say` what became of it. Raises HermesError."""
    _refuse_adopted(paths, "stop it with its own command")
    service = choose(paths)
    # What is desired first: whoever is about to start the gateway looks at it last (rule 7).
    unwritten: OSError | None = None
    try:
        desired.write(paths.desired, "stopped", "hermes gateway stop")
    except OSError as error:
        unwritten = error  # no reason to go on running
    else:
        _cancel_pending(paths, "hermes gateway stop", say)
    running = own.read_alive(paths) is not None or service.status().service.state != "stopped"
    show_while(paths, service.stop)
    say("stopped" if running else "was not running")
    if unwritten is not None:
        why = f"that it is to stay so could not be written to {paths.desired} ({unwritten.strerror})"
        how, _ = refusal.mend(paths.desired, unwritten.errno or errno.EIO)
        raise HermesError(f"{why}: {how}, and repeat, or the next login or pending restart starts it")


def _warn(text: str) -> None:
    click.echo(f"{called()}: {text}", err=True)


def _keep_environment(paths: Paths, given: tuple[str, ...]) -> None:
    """Keep these variables, and the user's PATH, for the service. Raises ConfigError before anything is changed."""
    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    if names:
        user_environment.keep(paths, names)
        after = "" if own.read_alive(paths) is None else "; a running gateway has them after hermes gateway restart"
        text = f"kept {', '.join(names)} in {user_environment.path_of(paths)}{after}"
        click.echo(mends.shown(text, paths.profile))
    user_environment.read(paths)
    user_environment.keep_login_path(paths)


def _say_what_is_missing(paths: Paths) -> None:
    """Say which well-known variables of this shell the service was not started with, and how it gets them."""
    running = own.read_alive(paths)
    given = user_environment.given_by_manager(running.identity.pid) if running is not None else None
    if given is None or not (names := user_environment.missing(paths, user_environment.WELL_KNOWN, given)):
        return
    mend = f"hermes gateway install --keep-env {','.join(names)}"
    click.echo(mends.shown(f"the service does not have {', '.join(names)} of this shell: {mend}", paths.profile))


def _refuse_adopted(paths: Paths, instead: str | None = None) -> None:
    if os.path.exists(paths.adopted):
        from hermes_cli.services import kept
        from hermes_cli.services.adopted import base
        from hermes_cli.status import of_adopted

        if instead is None and (program := kept.adopted(paths)) is not None:
            instead = f"{of_adopted.again(program)} brings our part up to date"
        base.refuse(paths, instead or "adopt it again to bring our part up to date")


def _refuse_leap(paths: Paths) -> None:
    """Refuse to change what keeps a gateway alive if this installation could not start another (rule 10)."""
    running = own.read_alive(paths)
    if running is None or not running.ready:
        return
    why = ahead.obstacle(paths, ahead.of_this(paths))
    if why is not None:
        raise refusing("nothing was changed, the gateway would not come up again", why)


def _renew_dead_definition(service: ServiceManager) -> bool:
    """Bring a definition up to date whose program is gone: no start that is asked of it could succeed.

    Return whether it is in force only after a reload: something runs under the one that is to go.
    """
    start = service.next_start()
    if start is None or start.is_there:
        return False
    edits.say(service.definitions(), _warn)
    needs_reload = service.install()
    click.echo(f"{start.program} is gone: installed again from here")
    return needs_reload


def _leave_other_manager(paths: Paths, service: ServiceManager) -> None:
    """Two managers of one gateway would fight over it."""
    held = registered.read(paths).get("manager")
    if held in NAMES and held != service.name:
        choose(paths, held).uninstall()
        click.echo(f"moved from {held} to {service.name}")


def _reload(paths: Paths, service: ServiceManager) -> int:
    """Have the restarter load a changed definition, after a drain; in-tree this very command would die with it."""
    from hermes_cli.restart import ask, send
    from hermes_cli.restart.wait import await_outcome

    record = ask.ask(paths, reason="definitions", command="hermes gateway install", action="reload")
    submitted = send.send(paths, record, manager=service)
    if submitted.in_tree:
        click.echo(f"reload recorded, will be completed by {service.completed_by} (intent {submitted.id})")
        send.look_after(paths, submitted)
        return 0
    return await_outcome(paths, submitted)


def _start(paths: Paths, service: ServiceManager, say: Say = click.echo) -> int:
    before = own.read_alive(paths)
    if before is not None and before.ready:
        service.demand_start()  # its manager may be gone; a running gateway is left alone
        say(printable(f"running already, pid {before.identity.pid}, revision {before.revision}"))
        return 0
    if _renew_dead_definition(service):
        return _reload(paths, service)
    log = LogLines(paths.gateway_log)
    try:
        service.demand_start()
        ready = _await_ready(paths, service, policy_of(paths).start_timeout)
    except HermesError as error:
        error.log = log.last()
        raise
    where = "" if os.path.exists(paths.program) else f", socket {paths.socket}"  # another program has its own
    say(printable(f"ready, pid {ready.identity.pid}, revision {ready.revision}{where}"))
    return 0


def _await_ready(paths: Paths, service: ServiceManager, timeout: float) -> Instance:
    from hermes_cli.system.directory_watch import DirectoryWatch

    begun = time.monotonic()
    drained = 0.0  # seconds that somebody else's drain may still take; the fresh instance has its own time after it
    teardown = policy_of(paths).teardown_timeout
    pid: int | None = None
    with ProgressLine("starting") as line, DirectoryWatch(paths.state) as watch:
        while True:
            found = own.read_alive(paths)
            if found is not None and found.ready:
                return found
            if desired.seen(paths.desired) == "stopped":
                raise HermesError("the gateway was stopped meanwhile: hermes gateway start")
            seen = service.observe()
            # launchd starts at once what took a while to crash, so that it may run at every look: as another process.
            ended = seen.state == "stopped" or (seen.state == "running" and pid not in {None, seen.pid})
            if found is None and ended and seen.exit_code not in {None, 0, own.RESTART_EXIT_CODE}:
                why = Misconfigured(seen.reason) if seen.exit_code == EX_CONFIG else seen.reason
                raise refusing("the gateway does not start", why)
            pid = seen.pid or pid
            waited, now = time.monotonic() - begun, time.time()
            drain = found.drain if found is not None and found.state == "draining" else None
            if drain is not None:
                drained = waited + min(max(0.0, drain.deadline - now), LONGEST_DRAIN) + teardown
            left = drained + timeout - waited
            if left <= 0:
                raise HermesError(f"the gateway was not ready after {waited:.0f} s: hermes gateway logs")
            line.show(drain.shown(now) if drain is not None else "")
            # A process that dies before it has said anything changes no file, so the manager is asked again.
            watch.wait(min(left, line.interval or 1.0))


def _cancel_pending(paths: Paths, by: str, say: Say = click.echo) -> None:
    for identifier in cancel(paths, f"{by}: stop wins over a restart"):
        say(f"cancelled intent {identifier}")
