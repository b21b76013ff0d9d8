"""`systemctl`, called with the right scope: the user's own manager, or for root the system's. Every call is bounded."""

import os
import pwd
from collections.abc import Iterable

from hermes_cli.environment import untranslated
from hermes_cli.errors import CannotTellError, HermesError, UsageError
from hermes_cli.services.base import LOOK
from hermes_cli.services.systemd.shown import PROPERTIES, Unit, parse
from hermes_cli.system import refusal
from hermes_cli.system.command import Ended, run

TIMEOUT = 10.0  # seconds for what systemd answers at once
_GRACE = 0.2  # seconds to end at SIGTERM; who waits for the answer has no more to spare
_BOOTED = "/run/systemd/system"  # sd_booted(3)
_SYSTEM_SOCKET = "/run/systemd/private"


def is_booted() -> bool:
    """Say whether systemd runs this machine."""
    return os.path.isdir(_BOOTED)


def has_user_manager() -> bool:
    """Say whether the caller's own manager listens."""
    return os.path.exists(f"{_runtime_directory()}/systemd/private")


def has_system_manager() -> bool:
    """Say whether the system's manager would listen to the caller."""
    return os.getuid() == 0 and os.path.exists(_SYSTEM_SOCKET)


def is_system_the_best() -> bool:
    """Say whether only the system's manager, and none of the caller's own, would listen to the caller."""
    return has_system_manager() and not has_user_manager()


def user_name() -> str:
    """Return the caller's login name, or uid."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


class Systemctl:
    """The client of one manager."""

    def __init__(self, *, system: bool) -> None:
        """Address the system's manager or the user's. Raises UsageError when only root may address it."""
        if system and os.getuid() != 0:
            raise UsageError("only root can install into the system's systemd: leave --system out, or use sudo")
        self.system = system
        self.known: dict[str, Unit] = {}  # what `show` need not ask again; see `share`
        self.switch = "--system" if system else "--user"
        # A shell that su, sudo or cron started has a manager, but not its address.
        self._variables = {} if system else {"XDG_RUNTIME_DIR": _runtime_directory()}

    @property
    def scope(self) -> str:
        """Return the scope as service.json names it."""
        return "system" if self.system else "user"

    @property
    def domain(self) -> str:
        """Return the manager as systemd names it."""
        return "system" if self.system else f"user@{os.getuid()}"

    def __call__(self, *arguments: str, timeout: float = TIMEOUT) -> Ended:
        """Call systemctl once, for `timeout` seconds at most. Raises HermesError when there is no systemctl."""
        return self.run("systemctl", self.switch, "--no-ask-password", *arguments, timeout=timeout)

    def run(self, program: str, *arguments: str, timeout: float = TIMEOUT) -> Ended:
        """Call one of systemd's own programs, bounded. Raises HermesError when there is no such program."""
        try:
            environment = untranslated() | self._variables
            return run([program, *arguments], timeout, environment=environment, grace=_GRACE)
        except OSError as error:
            mend = refusal.shortage(error.errno) or "use --manager embedded, or mend PATH"
            raise HermesError(f"{program} cannot be run ({error.strerror}): {mend}") from None

    def do(self, *arguments: str, timeout: float = TIMEOUT) -> None:
        """Call systemctl. Raises HermesError when it fails, CannotTellError when it does not end."""
        answer = self(*arguments, timeout=timeout)
        if answer.code is None:
            raise CannotTellError(f"systemctl {' '.join(arguments)} does not return: hermes gateway status")
        if not answer.ok:
            raise HermesError(f"systemctl {self.switch} {' '.join(arguments)}: {answer.last_word}: {self._mend()}")

    def show(self, *names: str, timeout: float = TIMEOUT) -> dict[str, Unit] | str:
        """Return the units, or why nothing is known of them."""
        if all(name in self.known for name in names):
            return self.known
        answer = self("show", "--property", ",".join(PROPERTIES), *names, timeout=timeout)
        found = parse(answer.out) if answer.ok else {}
        if all(name in found for name in names):
            return found
        if not is_booted():
            return "systemd does not run this machine"
        return f"systemd ({self.domain}) does not answer: {answer.last_word}"

    def reads(self, directory: str) -> bool | None:
        """Say whether the manager looks for units in `directory`, or None when that cannot be told."""
        answer = self("show", "--property", "UnitPath", "--value", timeout=LOOK)
        return f" {directory} " in f" {answer.out.strip()} " if answer.ok else None

    def directory(self) -> str:
        """Return the directory where this manager looks for the units of its owner."""
        places = self.places()
        # The manager has the environment of the login, not of this shell.
        return places[0] if self.system else next((place for place in places if self.reads(place)), places[0])

    def places(self) -> list[str]:
        """Return the directories that `directory` chooses from."""
        if self.system:
            return ["/etc/systemd/system"]
        own = [os.environ.get("XDG_CONFIG_HOME"), os.path.expanduser("~/.config")]
        return [f"{os.path.abspath(place)}/systemd/user" for place in own if place]

    def require(self) -> None:
        """Raise HermesError, in one clear line, when there is no manager to install into."""
        if not is_booted():
            raise HermesError("systemd does not run this machine: use --manager embedded")
        answer = self("show", "--property", "Version")
        if answer.code is None:
            raise CannotTellError(f"systemd ({self.domain}) does not answer in time: repeat")
        if not answer.ok:
            raise HermesError(f"no systemd manager for {user_name()} ({answer.last_word}): {self._mend()}")

    def _mend(self) -> str:
        if self.system or has_user_manager():
            return "mend that and repeat"
        return f"log in as {user_name()}, or loginctl enable-linger {user_name()}, or use --manager embedded"


def share(clients: Iterable[tuple[Systemctl, tuple[str, ...]]]) -> None:
    """Ask about the units of many profiles in one call, and have the clients remember the answer.

    Only for a look: a client that acts must have a fresh one.
    """
    asked = list(clients)
    for system in (False, True):
        of_scope = [(client, names) for client, names in asked if client.system is system]
        if len(of_scope) < 2:
            continue
        found = of_scope[0][0].show(*(name for _, names in of_scope for name in names), timeout=LOOK)
        for client, _ in of_scope:
            client.known = found if isinstance(found, dict) else {}


def _runtime_directory() -> str:
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
