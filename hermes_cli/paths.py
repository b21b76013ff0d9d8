"""Where everything lies: one profile's directories and the files in them (docs/operations.md).

Paths are `str`: a requester imports this module, and pathlib alone would double what it costs.
"""

import os
import re

from hermes_cli.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.intents.queue import Queue

DEFAULT_PROFILE = "default"
_NO_HOME = (
    "there is no home directory (HOME is not set, and this user is not in passwd): set HERMES_HOME to a directory"
)
_PROFILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Paths:
    """One profile's state, config and log directories. Raises UsageError for a bad profile name."""

    __slots__ = ("_of_default", "config", "home", "logs", "profile", "root", "state")

    def __init__(self, profile: str, root: str, config: str, logs: str, home: str | None = None) -> None:
        """`root` is the state directory of the default profile; the others live below it.

        `home`: HERMES_HOME, None where it is not set.
        """
        if not _PROFILE.fullmatch(profile) or ".." in profile:
            raise UsageError(f"profile {profile!r} is not a name: use letters, digits, '.', '_' and '-'")
        self.profile = profile
        self.root = root
        self.home = home
        self._of_default = (root, config, logs, home)
        named = profile != DEFAULT_PROFILE
        self.state = f"{root}/profiles/{profile}" if named else root
        self.config = f"{config}/profiles/{profile}/config.toml" if named else f"{config}/config.toml"
        self.logs = f"{logs}/profiles/{profile}" if named else logs

    def of(self, profile: str) -> "Paths":
        """Return the directories of another profile beside this one. Raises UsageError for a bad name."""
        return Paths(profile, *self._of_default)

    @property
    def is_there(self) -> bool:
        """Whether anybody has made this profile. The default one is always there."""
        return self.profile == DEFAULT_PROFILE or os.path.lexists(self.state) or os.path.lexists(self.config)

    @property
    def instance(self) -> str:
        """The running gateway's description of itself."""
        return f"{self.state}/gateway.json"

    @property
    def gateway_lock(self) -> str:
        """Held by the running gateway to its last instruction."""
        return f"{self.state}/gateway.lock"

    @property
    def socket(self) -> str:
        """The local channel."""
        return f"{self.state}/gateway.sock"

    @property
    def telegram(self) -> str:
        """How the running gateway stands with Telegram, if it has a bot."""
        return f"{self.state}/telegram.json"

    @property
    def adopted(self) -> str:
        """That this profile keeps another program's gateway alive; not there when it keeps our own."""
        return f"{self.state}/adopted.json"

    @property
    def program(self) -> str:
        """What another program is that is kept running here; not there for our own gateway."""
        return f"{os.path.dirname(self.config)}/program.toml"

    @property
    def desired(self) -> str:
        """Whether the user wants the gateway running."""
        return f"{self.state}/desired.json"

    @property
    def messages(self) -> str:
        """Sessions and messages."""
        return f"{self.state}/messages.sqlite"

    @property
    def supervisor(self) -> str:
        """The embedded supervisor's own directory."""
        return f"{self.state}/supervisor"

    @property
    def restarter(self) -> str:
        """The restarter's program, outside the code that updates replace."""
        return f"{self.state}/restarter"

    @property
    def updates(self) -> str:
        """Receipts of updates; see `hermes_cli.update.journal`."""
        return f"{self.state}/updates"

    @property
    def updates_under_way(self) -> str:
        """Journals of updates that have no end yet."""
        return f"{self.state}/updates/under-way"

    @property
    def update_lock(self) -> str:
        """One update of the installation at a time, whatever the profile."""
        return f"{self.root}/update.lock"

    @property
    def intents(self) -> str:
        """The queue's directory; see `hermes_cli.intents.queue` for what is in it."""
        return f"{self.state}/restart-intents"

    @property
    def queue(self) -> "Queue":
        """The queue of this profile's restart intents."""
        from hermes_cli.intents.queue import Queue

        return Queue(self.intents, self.profile)

    @property
    def pending(self) -> str:
        """THE watched directory: nothing but unsettled records ever appears in it."""
        return f"{self.state}/restart-intents/pending"

    @property
    def gateway_log(self) -> str:
        """What the gateway prints."""
        return f"{self.logs}/gateway.log"

    @property
    def restarter_log(self) -> str:
        """What drivers print."""
        return f"{self.logs}/restarter.log"

    @property
    def update_log(self) -> str:
        """What updates say."""
        return f"{self.logs}/update.log"


def resolve(profile: str | None = None) -> Paths:
    """Directories from HERMES_HOME, or the platform's own.

    Raises UsageError for a bad profile name, and for a home that is no directory, of another user, or writable by others.
    """
    from hermes_cli import home as homes

    name = profile if profile is not None else os.environ.get("HERMES_PROFILE") or DEFAULT_PROFILE
    home = own_home()
    if home:
        home = _absolute("HERMES_HOME")
        found = Paths(name, f"{home}/state", home, f"{home}/logs", home)
        homes.check(found, home)
        homes.check_name(found, DEFAULT_PROFILE)
        return found
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        if os.environ.get(variable):
            _absolute(variable)
    from platformdirs import user_config_path, user_log_path, user_state_path

    try:
        root = str(user_state_path("hermes"))
        found = Paths(name, root, str(user_config_path("hermes")), str(user_log_path("hermes")))
    except RuntimeError:  # platformdirs: neither HOME nor an entry in passwd, as in many containers
        raise UsageError(_NO_HOME) from None
    if root.startswith("~"):
        raise UsageError(_NO_HOME)
    homes.check(found, root)
    homes.check_name(found, DEFAULT_PROFILE)
    return found


def _absolute(variable: str) -> str:
    """Make a directory of the environment absolute, for this process and for all that it starts: they run elsewhere."""
    try:
        place = os.path.abspath(os.path.expanduser(os.environ[variable]))
    except FileNotFoundError:
        text = f"{variable}={os.environ[variable]} is relative, and the directory that this shell is in is gone"
        raise UsageError(f"{text}: cd somewhere else") from None
    os.environ[variable] = place
    return place


def own_home() -> str | None:
    """Return HERMES_HOME, unless it is hermes-agent's home: its terminal sets the same variable for its own."""
    home = os.environ.get("HERMES_HOME")
    return None if home and is_foreign(home) else home


def is_foreign(home: str) -> bool:
    """Say whether a home is hermes-agent's and has nothing of ours in it."""
    if not any(os.path.exists(f"{home}/{name}") for name in ("gateway_state.json", "SOUL.md", "config.yaml")):
        return False
    return not any(os.path.exists(f"{home}/state/{name}") for name in ("service.json", "restart-intents"))


def profiles(paths: Paths) -> list[str]:
    """Names of every profile that has a state directory, the default one first."""
    try:
        named = sorted(entry.name for entry in os.scandir(f"{paths.root}/profiles") if entry.is_dir())
    except OSError:
        named = []
    return [DEFAULT_PROFILE, *(name for name in named if _PROFILE.fullmatch(name))]


def sibling(paths: Paths, profile: str) -> Paths:
    """Return the directories of another one of `profiles`. Raises UsageError where others could write in them."""
    if profile == paths.profile:
        return paths
    from hermes_cli import home

    found = paths.of(profile)
    home.check(found, paths.home or paths.root)
    return found
