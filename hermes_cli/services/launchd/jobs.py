"""What launchd has loaded under hermes's labels, and how a definition gets loaded.

launchd copies a definition when it loads it. So service.json has, under the label, a digest of the text that was loaded
last: a definition that was changed since is not in force.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable

from hermes_cli.errors import CannotTellError, NotInstalledError
from hermes_cli.services.job import definition
from hermes_cli.services.job.definition import Definition
from hermes_cli.services.job.edits import Edits
from hermes_cli.services.launchd.domain import Domains
from hermes_cli.services.launchd.plists import label_of, path_of
from hermes_cli.services.registered import Registration

LOAD = 20.0  # seconds for a label to be loaded by a domain that answers EIO at first


class Jobs:
    """One profile's jobs. `stop_clock`: seconds an old process may take to stop; until then its label is taken."""

    def __init__(
        self, domains: Domains, registration: Registration, edits: Edits, stop_clock: Callable[[], float]
    ) -> None:
        self._domains = domains
        self._registration = registration
        self._edits = edits
        self._stop_clock = stop_clock

    def is_stale(self, wanted: Definition) -> bool:
        """Say whether launchd has loaded another text under this label."""
        return bool(self._registration.get(label_of(wanted)) != _digest(wanted))

    def write(self, wanted: Definition) -> None:
        """Write the definition unless it is already there and launchd would load it. Raises HermesError."""
        self._edits.note(wanted)
        if wanted.is_there and not is_refused(wanted.path):
            return
        # The text that is overwritten may be the one that is loaded: unknown from now on, even if this process dies.
        self._registration.keep(**{label_of(wanted): None})
        definition.write(wanted)

    def load(self, domain: str, wanted: Definition, *, only_if_stale: bool = False) -> None:
        """Load this text in place of the one that is loaded. Raises HermesError."""
        deadline = self._deadline()
        is_loaded = self._domains.find(label_of(wanted)).job is not None
        if is_loaded and only_if_stale and not self.is_stale(wanted):
            return
        if is_loaded:
            self._domains.unload(domain, label_of(wanted), deadline)
        self._load(domain, wanted, deadline)

    def reload(self, label: str) -> None:
        """Load the installed definition, whatever is loaded. Raises HermesError."""
        place = self._domains.find(label)
        if place.domain is None:
            raise CannotTellError("launchd does not answer: hermes gateway status")
        self.load(place.domain, _written(label))

    def load_again(self, label: str, domain: str | None) -> str:
        """Load the label again unless it is loaded and not being removed. Return its domain."""
        wanted = _written(label)
        domain = domain or self._domains.home(label)
        deadline = self._deadline()
        if not self._domains.outlast_removal(domain, label, deadline):
            self._load(domain, wanted, deadline)
        return domain

    def unload(self, label: str, *, but_in: str | None = None) -> None:
        """Unload the label from every domain except `but_in`. Raises HermesError."""
        deadline = self._deadline()
        for domain in self._domains.names:
            if domain != but_in:
                self._domains.unload(domain, label, deadline)

    def _load(self, domain: str, wanted: Definition, deadline: float) -> None:
        label = label_of(wanted)
        self._domains.load(domain, label, wanted.path, deadline)
        self._registration.keep(domain=domain, **{label: _digest(wanted)})

    def _deadline(self) -> float:
        return time.monotonic() + self._stop_clock() + LOAD


def is_refused(path: str) -> bool:
    """Say whether launchd refuses the file (launchctl(1), error 122).

    It loads only what its user or root owns and nobody else can write to.
    """
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        return found.st_uid not in {0, os.getuid()} or bool(found.st_mode & 0o022) or not stat.S_ISREG(found.st_mode)
    return False


def _written(label: str) -> Definition:
    path = path_of(label)
    text = definition.read(path)
    if text is None:
        raise NotInstalledError(f"{path} is not there: hermes gateway install")
    return Definition(path, text)


def _digest(wanted: Definition) -> str:
    import hashlib

    return hashlib.sha256(wanted.text.encode()).hexdigest()[:16]
