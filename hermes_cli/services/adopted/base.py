"""What both managers of an adopted program share: what is refused on it, and the resident restarter's names."""

import sys
from abc import ABC, abstractmethod

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths
from hermes_cli.programs import adoption as adoptions
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.verdicts import ManagerView
from hermes_cli.services import base
from hermes_cli.services.adopted import code
from hermes_cli.services.ahead import NextStart
from hermes_cli.services.base import ServiceManager
from hermes_cli.services.job import definition, owner
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.owner import Said

# Neither hermes-agent's own namespace nor openclaw's: their programs count, report or remove what lies there.
NAMESPACE = "dev.hermesctl"


class Adopted(ServiceManager, ABC):
    """One adopted program under its own service manager."""

    name = ""
    completed_by = "the resident restarter"

    def __init__(self, paths: Paths, adoption: Adoption) -> None:
        """Look at nothing yet."""
        self._paths = paths
        self.adoption = adoption

    @property
    def resident(self) -> str:
        """The name of the resident restarter, without a suffix."""
        return f"{NAMESPACE}.{self._paths.profile}"

    def resident_argv(self) -> list[str]:
        """Return the resident's command line. It must not look like a gateway to the program's own search for those."""
        return [sys.executable, "-P", "-m", "hermes_cli.jobs.resident", self._paths.profile, self._paths.state]

    @abstractmethod
    def view(self) -> ManagerView:
        """Return what the manager says of the program. Raises HermesError."""

    def look(self) -> base.Look:
        """Ask one thing after the other."""
        return base.look(self)

    def next_start(self) -> NextStart | None:
        """Return None: what the program's own job starts is its owner's business."""
        return None

    def unfit(self) -> str | None:
        """Return None, as above."""
        return None

    def obstacle(self) -> str | None:
        """Return what its definition runs and is not there: what is well now would not come up again (rule 10)."""
        why = code.missing(self.adoption)
        again = f"install {self.adoption.program} again, or hermes gateway release"
        return None if why is None else f"its definition {why}: {again}"

    @abstractmethod
    def demand_start_of_resident(self) -> list[str]:
        """Return the command line by which anybody starts the resident."""

    @abstractmethod
    def definitions(self) -> tuple[Definition, ...]:
        """Return what is ours: the resident's definition."""

    @abstractmethod
    def said(self, text: str) -> Said:
        """Return what a definition says of itself."""

    def stranger(self) -> str | None:
        """Return whose the resident's name is, or None where it is free or ours."""
        path = self.definitions()[0].path
        text = definition.read(path)
        return None if text is None else owner.of_another_home(path, self.said(text), self._paths)

    @abstractmethod
    def install(self) -> bool:
        """Write and load the resident. Raises HermesError."""

    @abstractmethod
    def uninstall(self) -> None:
        """Unload the resident and remove its definition. Raises HermesError."""

    def reload(self) -> None:
        """Refuse: the definition is not ours. Raises HermesError."""
        raise self._refused("its definition is its own to load")

    def stop(self) -> None:
        """Refuse. Raises HermesError."""
        raise self._refused("stop it with its own command")

    def enable(self) -> None:
        """Refuse. Raises HermesError."""
        raise self._refused("start it with its own command")

    def complete_exit(self) -> None:
        """Refuse: no adopted program exits through us. Raises HermesError."""
        raise self._refused("it exits by itself")

    def forgive_exit(self) -> None:
        """Refuse: no adopted program exits through us. Raises HermesError."""
        raise self._refused("it exits by itself")

    def run_outside(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        """Refuse: updates of an adopted program are its own. Raises HermesError."""
        del argv, environment
        raise self._refused(f"{name} is its own affair")

    def _refused(self, instead: str) -> HermesError:
        return HermesError(refusal(self._paths, self.adoption, instead))


def refuse(paths: Paths, instead: str) -> None:
    """Refuse, of a profile that adopts, what only the program's owner does. Raises HermesError."""
    found = adoptions.read(paths)
    if found is not None:
        raise HermesError(refusal(paths, found, instead))


def refusal(paths: Paths, adoption: Adoption, instead: str) -> str:
    """Return the one line that refuses to act on what is not ours."""
    return (
        f"profile {paths.profile} keeps {adoption.program} alive ({adoption.name}), which is not ours: {instead}, "
        "or hermes gateway release to let it go"
    )
