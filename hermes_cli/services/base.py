"""What every service manager can do, in words that hold for all of them. Each call is bounded; a timeout is unknown."""

from dataclasses import dataclass
from typing import Literal, Protocol

from hermes_cli.errors import Problem
from hermes_cli.intents.service import Service
from hermes_cli.services.job.definition import Definition

RestarterState = Literal["loaded", "running", "missing", "disabled", "unknown"]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The service as its manager sees it. `domain` is where it is registered, as that manager names it."""

    label: str
    domain: str | None
    installed: bool
    service: Service
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class RestarterStatus:
    """The second job, which runs the driver outside the gateway's tree."""

    state: RestarterState
    detail: str = ""


class ServiceManager(Protocol):
    """One profile's two jobs. Every method raises HermesError at worst."""

    name: str
    completed_by: str  # who will complete a recorded restart, as the in-tree answer names it

    @property
    def spawn_interval(self) -> float:
        """Seconds that the manager leaves between two starts of the service."""

    def status(self) -> ServiceStatus:
        """Ask the manager; three values, never a guess."""

    def restarter(self) -> RestarterStatus:
        """Ask about the restarter."""

    def definitions(self) -> tuple[Definition, ...]:
        """What `install` would write."""

    def drifted(self) -> tuple[str, ...]:
        """Paths of installed definitions that are not what `install` would write now."""

    def install(self) -> bool:
        """Write and load both definitions, whatever was there before.

        True when the service runs under an older one that only a reload, from outside its tree, can change.
        """

    def uninstall(self) -> None:
        """Stop both jobs and leave nothing behind."""

    def observe(self) -> Service:
        """Say whether the service runs: the driver's part of `status`."""

    def enable(self) -> None:
        """Have the service started at the next login again, after a `stop`."""

    def demand_start(self) -> None:
        """Start the service if it does not run, in every mode of the manager; a running one is left alone."""

    def stop(self) -> None:
        """Stop the service, also for the next login, and see that it is gone."""

    def reload(self) -> None:
        """Load a changed definition and start it, from outside the gateway's tree."""

    def poke(self, trigger: str) -> bool | None:
        """Demand-start the restarter; False when there is none, None when that cannot be told. Never raises."""

    def complete_exit(self) -> None:
        """From the exiting gateway, without a restarter: have the manager itself start the service again."""

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Start a program of ours outside the gateway's tree, and do not wait for it. Raises HermesError.

        `name` says what it is for; `environment` are the session variables that it needs besides a scrubbed one.
        """
