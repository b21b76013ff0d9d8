"""The interface of every service manager. Each call is bounded; a timeout means unknown (B8)."""

from typing import Literal, NamedTuple, Protocol

from hermes_cli.errors import Problem
from hermes_cli.intents.service import Service
from hermes_cli.services.ahead import NextStart
from hermes_cli.services.job.definition import Definition

LOOK = 4.0  # seconds for one question of somebody who only looks; after that the answer is "unknown" (B8)
RestarterState = Literal["loaded", "running", "missing", "disabled", "unknown"]


class ServiceStatus(NamedTuple):
    """The service as its manager sees it. `domain` is where it is registered, as that manager names it."""

    label: str
    domain: str | None
    installed: bool
    service: Service
    problems: tuple[Problem, ...] = ()
    answers: bool = True  # False: the manager said nothing, so that whoever only looks need not ask it again


class RestarterStatus(NamedTuple):
    """The second job, which runs the driver outside the gateway's tree."""

    state: RestarterState
    detail: str = ""


class Look(NamedTuple):
    """All that a manager says to whoever only looks, each thing asked once."""

    service: ServiceStatus
    restarter: RestarterStatus
    definitions: tuple[Definition, ...] = ()
    drifted: tuple[str, ...] = ()
    start: NextStart | None = None


class Looking(Protocol):
    """What is asked of one profile's two jobs. Every method raises HermesError at worst."""

    def status(self) -> ServiceStatus:
        """Ask the manager about the service. What it does not answer is unknown, never a guess."""

    def restarter(self) -> RestarterStatus:
        """Ask about the restarter."""

    def definitions(self) -> tuple[Definition, ...]:
        """Return the definitions that `install` would write."""

    def drifted(self) -> tuple[str, ...]:
        """Return the paths of installed definitions that are not what `install` would write now."""

    def next_start(self) -> NextStart | None:
        """Return what the installed definition starts, or None when none is there that says it."""


class ServiceManager(Looking, Protocol):
    """One profile's two jobs. Every method raises HermesError at worst."""

    name: str
    completed_by: str  # who will complete a recorded restart, as the in-tree answer names it

    @property
    def spawn_interval(self) -> float:
        """Return the seconds that the manager leaves between two starts of the service."""

    def look(self) -> Look:
        """Ask what `status`, `restarter`, `definitions`, `drifted` and `next_start` return: nothing more of a silent one."""

    def install(self) -> bool:
        """Write and load both definitions, whatever was there before.

        True when the service runs under an older one that only a reload, from outside its tree, can change.
        """

    def uninstall(self) -> None:
        """Stop both jobs and leave nothing behind."""

    def observe(self) -> Service:
        """Say whether the service runs: the driver's part of `status`."""

    def unfit(self) -> str | None:
        """Return why what is installed can start nothing, with the mend, or None: missing, somebody else's, program gone.

        Starts no process of hermes. Raises HermesError when the manager cannot be asked.
        """

    def obstacle(self) -> str | None:
        """Return why another instance would not come up, with the mend; None if it would, or if that cannot be told."""

    def enable(self) -> None:
        """Let the next login start the service again, after a `stop`."""

    def demand_start(self) -> None:
        """Start the service if it does not run, in every mode of the manager. Leave a running one alone."""

    def stop(self) -> None:
        """Stop the service, also for the next login, and wait until it is gone."""

    def reload(self) -> None:
        """Load a changed definition and start it, from outside the gateway's tree."""

    def poke(self, trigger: str) -> bool | None:
        """Start the restarter. Return False when there is none, None when that cannot be told. Never raises."""

    def complete_exit(self) -> None:
        """Let the manager itself start the service again when the calling gateway has exited.

        For an exiting gateway that has no restarter, or no answer when it pokes one.
        """

    def forgive_exit(self) -> None:
        """Have the end of the calling gateway, which it was asked for, not count among those after which to give up."""

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Start a program of hermes outside the gateway's tree, without waiting for it. Raises HermesError.

        `name` says what it is for; `environment` has the session variables that it needs, which no job has by itself.
        """


def look(manager: Looking) -> Look:
    """Ask a manager one thing after the other."""
    service = manager.status()
    if not service.answers:
        return Look(service, RestarterStatus("unknown", service.service.detail))
    return Look(service, manager.restarter(), manager.definitions(), manager.drifted(), manager.next_start())
