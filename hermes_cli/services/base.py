"""What every service manager can do, in words that hold for all of them. Each call is bounded; a timeout is unknown."""

from dataclasses import dataclass
from typing import Literal, Protocol

from hermes_cli.service import Service

RestarterState = Literal["loaded", "running", "missing", "disabled", "unknown"]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The service as its manager sees it. `domain` is where it is registered, as that manager names it."""

    label: str
    domain: str | None
    installed: bool
    service: Service


@dataclass(frozen=True, slots=True)
class RestarterStatus:
    """The second job, which runs the driver outside the gateway's tree."""

    state: RestarterState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """One file that tells the manager about a job."""

    path: str
    text: str


class ServiceManager(Protocol):
    """One profile's two jobs. Every method raises HermesError at worst."""

    name: str
    completed_by: str  # who will complete a recorded restart, as the in-tree answer names it

    def status(self) -> ServiceStatus:
        """Ask the manager; three values, never a guess."""

    def restarter(self) -> RestarterStatus:
        """Ask about the restarter."""

    def definitions(self) -> tuple[Definition, ...]:
        """What `install` would write."""

    def drifted(self) -> tuple[str, ...]:
        """Paths of installed definitions that are not what `install` would write now."""

    def install(self) -> None:
        """Write and load both definitions, whatever was there before; starts nothing."""

    def uninstall(self) -> None:
        """Stop both jobs and leave nothing behind."""

    def observe(self) -> Service:
        """Say whether the service runs: the driver's part of `status`."""

    def demand_start(self) -> None:
        """Start the service if it does not run, in every mode of the manager; a running one is left alone."""

    def stop(self) -> None:
        """Stop the service and see that it is gone."""

    def reload(self) -> None:
        """Load a changed definition and start it, from outside the gateway's tree."""

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Start a program of ours outside the gateway's tree, and do not wait for it. Raises HermesError.

        `name` says what it is for; `environment` are the session variables that it needs besides a scrubbed one.
        """

    def poke(self, trigger: str) -> bool:
        """Demand-start the restarter; False when there is none. Never raises."""


def read_definition(path: str) -> str | None:
    """A definition as it lies there; None when absent or unreadable."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None
