"""Load and unload one label, though launchd answers before it has done what it was asked.

`bootout` returns while the process still drains and its label is still taken; `bootstrap` then fails with 5, and also
for a disabled label. So each call is repeated until a look shows the wanted state, or the deadline has come (A2-A5).
"""

import contextlib
import os
import time
from collections.abc import Iterator

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.services.launchd import launchctl
from hermes_cli.services.launchd.launchctl import IN_PROGRESS, NO_DOMAIN, NO_SERVICE, Launchctl
from hermes_cli.services.launchd.printed import Job, Location
from hermes_cli.system.process import Handle, Identity

_AGAIN = 0.1  # seconds between two looks; launchd tells nobody when a label is free
_AGAIN_AT_MOST = 1.0
# Answers of a busy domain, and of a label that is being removed: the call is repeated.
_REPEATED = {launchctl.EIO, *IN_PROGRESS, None}


class Domains:
    """The domains of one user, the preferred one first."""

    def __init__(self, client: Launchctl, remembered: str | None = None) -> None:
        """Prefer the domain `remembered`, where the jobs were loaded last."""
        self._launchctl = client
        own = [f"{kind}/{os.getuid()}" for kind in ("gui", "user")]
        self.names = list(dict.fromkeys([*([remembered] if remembered in own else []), *own]))

    def find(self, label: str) -> Location:
        """Look for a loaded label: where it was last, then elsewhere. Unknown as soon as one domain does not answer."""
        home = None
        for domain in self.names:
            found = self._launchctl.look(f"{domain}/{label}")
            if isinstance(found, Job):
                return Location(label, domain, found)
            if found is None:  # the label may be in this domain
                return Location(label, home, None, known=False)
            if found == NO_SERVICE and home is None:
                home = domain
        return Location(label, home, None)

    def home(self, label: str) -> str:
        """Return the domain for `label`: the login session's, else the user's. Raises CannotTellError."""
        for domain in sorted(self.names):  # gui/ before user/
            found = self._launchctl.look(f"{domain}/{label}")
            if isinstance(found, Job) or found == NO_SERVICE:
                return domain
            if found != NO_DOMAIN:
                raise CannotTellError("launchd does not answer: repeat, or see launchctl print " + domain)
        raise CannotTellError(f"launchd has neither {' nor '.join(self.names)}: log in and repeat")

    def load(self, domain: str, label: str, path: str, deadline: float, *, enable: bool = True) -> None:
        """Enable and bootstrap a label until it is loaded or `deadline` (monotonic) has come. Raises HermesError.

        What is not ours is not enabled: somebody may have switched it off.
        """
        target = f"{domain}/{label}"
        if enable:  # an old override survives everything else, and `print` does not show it
            self._launchctl("enable", target)
        for _ in _looks(deadline):
            answer = self._launchctl("bootstrap", domain, path)
            if isinstance(self._launchctl.look(target), Job):
                return
            if not answer.ok and answer.code not in _REPEATED:
                raise HermesError(
                    f"launchd refuses {path} ({answer.last_word}): mend that, then hermes gateway install"
                )
        raise CannotTellError(f"{label} could not be loaded ({answer.last_word}): hermes gateway install tries again")

    def outlast_removal(self, domain: str, label: str, deadline: float) -> bool:
        """Wait until no stop of the label is under way. Say whether the label is loaded then.

        Raises CannotTellError at `deadline`.
        """
        for _ in _looks(deadline):
            found = self._launchctl.look(f"{domain}/{label}")
            if isinstance(found, int):  # NO_SERVICE, NO_DOMAIN
                return False
            if isinstance(found, Job) and not found.is_ending:
                return True
            if isinstance(found, Job) and found.pid is not None:
                _await_exit(found.pid, deadline)
        raise CannotTellError(f"{label} is still being stopped: see launchctl print {domain}/{label}")

    def unload(self, domain: str, label: str, deadline: float) -> None:
        """Boot a label out and wait for it and its process to go, until `deadline` (monotonic). Raises HermesError."""
        target = f"{domain}/{label}"
        asked = False
        for _ in _looks(deadline):
            found = self._launchctl.look(target)
            if isinstance(found, int):  # NO_SERVICE, NO_DOMAIN
                return
            if not asked or found is None:
                self._launchctl("bootout", target)
                asked = True
            elif isinstance(found, Job) and found.pid is not None:
                _await_exit(found.pid, deadline)
        raise CannotTellError(f"{label} is still there: see launchctl print {target}")


def _looks(deadline: float) -> Iterator[None]:
    """Look at once, then again after growing pauses, at least once, until `deadline`."""
    pause = _AGAIN
    while True:
        yield
        left = deadline - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))  # launchd has no event for it
        pause = min(2 * pause, _AGAIN_AT_MOST)


def _await_exit(pid: int, deadline: float) -> None:
    identity = Identity.of(pid)
    with contextlib.suppress(ProcessLookupError):
        if identity is not None:
            with Handle(identity) as handle:
                handle.wait(max(0.0, deadline - time.monotonic()))
