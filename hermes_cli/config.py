"""config.toml: the few numbers a person may want to change, with the defaults here.

Sections are named tuples: every process makes these classes when it starts, and a data class costs it six times as much.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeVar

from hermes_cli.config_values import checked
from hermes_cli.errors import ConfigError
from hermes_cli.intents.clocks import Clocks
from hermes_cli.intents.request import DRAIN_TIMEOUT, EXPIRY, STORM_LIMIT, STORM_WINDOW
from hermes_cli.system import durable, trust
from hermes_cli.system.log_file import FILES, SIZE, Bounds


class GatewayConfig(NamedTuple):
    """Section [gateway]; seconds."""

    drain_timeout: float = DRAIN_TIMEOUT
    stop_timeout: float = 10.0
    teardown_timeout: float = 10.0
    start_timeout: float = 60.0
    heartbeat_interval: float = 15.0

    @property
    def restart_clocks(self) -> Clocks:
        """After SIGUSR1."""
        return Clocks(self.drain_timeout, self.teardown_timeout)

    @property
    def stop_clocks(self) -> Clocks:
        """After SIGTERM."""
        return Clocks(self.stop_timeout, self.teardown_timeout)


class RestartConfig(NamedTuple):
    """Section [restart]: attempts, and the breaker against restart storms. Seconds."""

    max_attempts: int = 5
    backoff: float = 0.5
    storm_limit: int = STORM_LIMIT
    storm_window: float = STORM_WINDOW
    expiry: float = EXPIRY


class UpdateConfig(NamedTuple):
    """Section [update]. `stay_ready`: seconds that a fresh gateway must stay ready before an update has succeeded.

    `probation`: seconds after it in which a gateway that ends by itself again and again takes the update back; 0: never.
    `command`, with `revision` and `rollback`, is an argv that updates what hermes cannot: see update/sources/command.
    Wheels come from `index` (a URL), or from the directory `find_links` alone; empty: the installer's own index.
    """

    stay_ready: float = 3.0
    probation: float = 600.0
    restart_on_skew: bool = False
    index: str = ""  # type: ignore[assignment]  # nobody asks a section where in it something is
    find_links: str = ""
    command: tuple[str, ...] = ()
    revision: tuple[str, ...] = ()
    rollback: tuple[str, ...] = ()


class TerminalConfig(NamedTuple):
    """Section [terminal]; seconds.

    `approval`: which commands that an agent thought of a person has to approve within `approval_timeout`.
    """

    timeout: float = 1800.0
    shell: str = "/bin/sh"
    approval: str = "dangerous"
    approval_timeout: float = 300.0


class LogConfig(NamedTuple):
    """Section [log], for each log: `files` files of `size` bytes at the most."""

    size: int = SIZE
    files: int = FILES

    @property
    def bounds(self) -> Bounds:
        """Return both."""
        return Bounds(self.size, self.files)


class NotifyConfig(NamedTuple):
    """Section [notify]: `command` gets each event of `events` (none named: all) on stdin, within `timeout` seconds."""

    command: tuple[str, ...] = ()
    timeout: float = 30.0
    events: tuple[str, ...] = ()


class HooksConfig(NamedTuple):
    """Section [hooks]: argv that run before and after a restart, each within `timeout` seconds."""

    before_restart: tuple[str, ...] = ()
    after_restart: tuple[str, ...] = ()
    timeout: float = 30.0


EVENTS = ("restarted", "failed", "crashed", "crash-loop", "rolled-back", "update-available")


class LimitsConfig(NamedTuple):
    """Section [limits]: what clients, commands and messages may take of a gateway."""

    clients: int = 100  # connections to the local socket
    line_timeout: float = (
        30.0  # seconds for a client's line from its first byte to its end, or to read what it asked for
    )
    idle_timeout: float = 600.0  # seconds without a word from a client that follows no session
    turns: int = 32  # at once; one in each session at the most
    queued: int = 1000  # messages that wait for their turn
    output: int = 64 * 1024 * 1024  # characters of one command that are shown while it runs
    store: int = 256 * 1024 * 1024  # bytes of messages.sqlite; the oldest messages make room


class TelegramConfig(NamedTuple):
    """Section [telegram]: a bot, whose token is in a file or in a variable; with neither there is no Telegram here.

    `allow`: ids of users who may write to it; `terminal`: those who may have commands run, restart and approve as well.
    `groups`: ids of groups in which it answers who is allowed and mentions it. `api`: a Bot API server of one's own.
    `pairing`: a stranger who writes in private is told a code, with which `hermes pairing approve` lets them in.
    """

    token_file: str = ""
    token_env: str = ""
    api: str = "https://api.telegram.org"
    allow: tuple[int, ...] = ()
    terminal: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    pairing: bool = False

    @property
    def is_on(self) -> bool:
        """Whether there is a bot."""
        return bool(self.token_file or self.token_env)


class ModelConfig(NamedTuple):
    """Section [model]: an endpoint for chat completions; without `base_url` the built-in agent answers.

    `context`: tokens. `timeout`: seconds without a word from it. `stream_tools`: false where streaming breaks calls.
    `system`: added to the prompt. A turn takes at most `turn_timeout` seconds and `calls` commands, of whose results so
    many characters (`result`) are sent.
    """

    base_url: str = ""
    model: str = ""
    key_file: str = ""
    key_env: str = ""
    context: int = 32768
    timeout: float = 300.0
    stream_tools: bool = True
    system: str = ""
    turn_timeout: float = 3600.0
    calls: int = 50
    result: int = 16000

    @property
    def is_on(self) -> bool:
        """Whether a model answers."""
        return bool(self.base_url)


class Config(NamedTuple):
    """All of config.toml."""

    gateway: GatewayConfig = GatewayConfig()
    restart: RestartConfig = RestartConfig()
    terminal: TerminalConfig = TerminalConfig()
    update: UpdateConfig = UpdateConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    telegram: TelegramConfig = TelegramConfig()
    notify: NotifyConfig = NotifyConfig()
    hooks: HooksConfig = HooksConfig()
    model: ModelConfig = ModelConfig()


_LONGEST = 1024 * 1024  # bytes
Section = TypeVar(
    "Section",
    GatewayConfig,
    RestartConfig,
    TerminalConfig,
    UpdateConfig,
    LogConfig,
    LimitsConfig,
    NotifyConfig,
    HooksConfig,
    TelegramConfig,
    ModelConfig,
)


def load(path: str) -> Config:
    """Read config.toml; without one, the defaults. Raises ConfigError with the file, the key and what is wrong."""
    try:
        with open(path, "rb", opener=durable.prompt_opener) as file:
            _check_owner(path, os.fstat(file.fileno()))
            text = file.read(_LONGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return Config()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): mend or remove it") from error
    return parse(path, text)


def parse(path: str, text: bytes) -> Config:
    """Read what the file at `path` has, or would have. Raises ConfigError."""
    import tomllib

    if len(text) > _LONGEST:
        raise ConfigError(f"{path} is longer than {_LONGEST:,} bytes: mend or remove it")
    try:
        document = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): mend or remove it") from None
    _check_names(path, document)
    notify = _section(path, "notify", NotifyConfig, document)
    for name in notify.events:
        if name not in EVENTS:
            raise ConfigError(
                f"{path}: notify.events: {name} is no event{_meant(name, EVENTS)}; known are {', '.join(EVENTS)}"
            )
    return Config(
        gateway=_section(path, "gateway", GatewayConfig, document),
        restart=_section(path, "restart", RestartConfig, document),
        terminal=_section(path, "terminal", TerminalConfig, document),
        update=_section(path, "update", UpdateConfig, document),
        log=_section(path, "log", LogConfig, document),
        limits=_section(path, "limits", LimitsConfig, document),
        telegram=_section(path, "telegram", TelegramConfig, document),
        notify=notify,
        hooks=_section(path, "hooks", HooksConfig, document),
        model=_model(path, _section(path, "model", ModelConfig, document)),
    )


def _model(path: str, found: ModelConfig) -> ModelConfig:
    if found.base_url and not found.base_url.startswith(("http://", "https://")):
        raise ConfigError(f"{path}: model.base_url must begin with http:// or https://, not {found.base_url!r}")
    if found.base_url and not found.model:
        raise ConfigError(
            f"{path}: model.model is not set: name the model that {found.base_url} is to answer with, first: "
            "hermes config set model.model NAME"
        )
    return found


def _check_names(path: str, document: dict[str, Any]) -> None:
    """Refuse what no release reads: most often a typo, whose setting would silently stay at its default."""
    sections = Config._fields
    for name, value in document.items():
        if name in sections:
            continue
        owners = [section for section in sections if name in _known(section)]
        if owners and not isinstance(value, dict):
            raise ConfigError(f"{path}: {name} belongs below [{owners[0]}]: move it there")
        what = f"[{name}] is no section" if isinstance(value, dict) else f"{name} is not a setting"
        raise ConfigError(f"{path}: {what}{_meant(name, sections)}; known are {', '.join(sections)}: mend or remove it")


def _known(section: str) -> list[str]:
    return list(getattr(Config(), section)._fields)


def _meant(typed: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(typed, list(known), n=1)
    return f", did you mean {close[0]}?" if close else ""


def _check_owner(path: str, found: os.stat_result) -> None:
    """Raise ConfigError for a file that others can change: it names programs that are run."""
    if trust.is_foreign(found):
        who = trust.name_of(found.st_uid) or f"uid {found.st_uid}"
        raise ConfigError(f"{path} belongs to {who}, so it is not believed: put a file of your own there")
    others = trust.writers(path, found)
    if others is not None:
        raise ConfigError(f"{path} is writable by {others}, so it is not believed: chmod go-w {path!r}")


def load_or_defaults(path: str) -> Config:
    """Load the file, or use the defaults if it is broken: a broken file must not block a stop, a restart or its undoing."""
    try:
        return load(path)
    except ConfigError:
        return Config()


def _section(path: str, name: str, kind: type[Section], document: dict[str, Any]) -> Section:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: [{name}] must be a table")
    defaults = kind()
    known: dict[str, Any] = defaults._asdict()
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in known:
            meant = _meant(key, known)
            raise ConfigError(f"{path}: {name}.{key} is not a setting{meant}; known are {', '.join(known)}")
        values[key] = checked(f"{path}: {name}.{key}", key, value, known[key])
    return kind(**values)
