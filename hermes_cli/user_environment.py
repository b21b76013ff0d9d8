"""What the service has of its user's environment, under every manager the same: read by each process when it starts.

    <config>/environment   NAME=value lines of the user's, 0600; a value may be in quotes, nothing in it is replaced
    <state>/login-path     the PATH of a login shell, as it was when the service was installed

Values are secrets: no text and no log shows one.
"""

import errno
import os
import re
import stat
import sys

from hermes_cli.errors import Advice, ConfigError, Problem
from hermes_cli.system import durable, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from hermes_cli.paths import Paths

# What a service needs to reach what the shell reaches; each name also in capitals where both are in use.
REACH = (
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX"),
    *("SSH_AUTH_SOCK", "GIT_SSH_COMMAND", "GIT_ASKPASS"),
)
WELL_KNOWN = (*REACH, "TZ", "LANG", "LC_ALL")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DECIDED_BEFORE = ("HERMES_", "PYTHON")  # which home, and which code: the process that reads the file runs already
_LARGEST = 1 << 20  # bytes
_ASKING = 5.0  # seconds for a login shell


class EnvironmentFileError(ConfigError):
    """The user's file does not serve; `problem` says so with its mend."""

    def __init__(self, text: str, mend: str) -> None:
        """`mend` is a command, or Advice."""
        super().__init__(f"{text}: {mend}")
        self.problem = Problem("config", text, mend)


def path_of(paths: "Paths") -> str:
    """Return the path of the user's file."""
    return f"{os.path.dirname(paths.config)}/environment"


def read(paths: "Paths") -> dict[str, str]:
    """Return the variables of the user's file; none without one. Raises EnvironmentFileError, which shows no value."""
    path = path_of(paths)
    try:
        with open(path, "rb", opener=durable.prompt_opener) as file:
            found = os.fstat(file.fileno())
            data = file.read(_LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        mend, is_command = refusal.mend(path, error.errno or errno.EIO)
        text = f"{path} cannot be read ({error.strerror})"
        raise EnvironmentFileError(text, mend if is_command else Advice(mend)) from error
    if found.st_uid not in {os.geteuid(), 0} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        import shlex

        raise EnvironmentFileError(f"{path} can be written by somebody else", f"chmod 600 {shlex.quote(path)}")
    if len(data) > _LARGEST:
        raise EnvironmentFileError(f"{path} has more than {_LARGEST} bytes", Advice("mend it"))
    return _parsed(path, data)


def apply(paths: "Paths") -> None:
    """Give this process the variables and the PATH of the service. Raises ConfigError."""
    given = read(paths)
    os.environ.update(given)
    if "PATH" not in given:
        os.environ["PATH"] = search_path(paths, os.environ.get("PATH", os.defpath))
    if "TZ" in given:
        import time

        time.tzset()


def apply_or_say(paths: "Paths") -> None:
    """Do the same for a process that has to go on: a broken file must not hold up a restart or its undoing."""
    try:
        apply(paths)
    except ConfigError as error:
        print(f"hermes: {error}", file=sys.stderr)


def of_service(paths: "Paths", base: "Mapping[str, str]") -> dict[str, str]:
    """Return what a process of the service has that its manager gives `base`. Raises ConfigError."""
    given = read(paths)
    return {**base, "PATH": search_path(paths, base.get("PATH", os.defpath)), **given}


def search_path(paths: "Paths", inherited: str) -> str:
    """Return the PATH of the service: the installation's own, the user's, what the manager gives; no entry twice."""
    try:
        with open(
            f"{paths.state}/login-path", encoding="utf-8", errors="surrogateescape", opener=durable.prompt_opener
        ) as file:
            login = file.read().strip()
    except OSError:
        login = ""
    own = os.path.dirname(sys.executable)
    places = (place for text in (own, login, inherited) for place in text.split(os.pathsep))
    return os.pathsep.join(dict.fromkeys(os.path.normpath(place) for place in places if os.path.isabs(place)))


def keep_login_path(paths: "Paths") -> None:
    """Ask a login shell for its PATH and keep that. What does not answer in time, or nonsense, changes nothing."""
    import pwd

    from hermes_cli.system import durable
    from hermes_cli.system.command import run

    try:
        user = pwd.getpwuid(os.geteuid())
    except KeyError:
        return
    shell = os.environ.get("SHELL") or user.pw_shell or "/bin/sh"
    # A shell of the user's, not of the one that asks: a virtual environment that is active there is not the service's.
    bare = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": shell, "PATH": os.defpath}
    try:
        asked = run([shell, "-lc", "printf '\n%s\n' \"$PATH\""], _ASKING, environment=bare, grace=0.5)
        lines = asked.out.strip().splitlines()
        if asked.ok and lines and "/" in lines[-1]:
            durable.publish_text(f"{paths.state}/login-path", f"{lines[-1]}\n", mode=0o600)
    except OSError:
        return


def keep(paths: "Paths", names: "Collection[str]") -> None:
    """Write the values that this shell has of these variables into the user's file. Raises ConfigError, OSError."""
    from hermes_cli.system import durable

    path = path_of(paths)
    read(paths)  # a file that is not understood is not written
    for name in names:
        _refuse(path, name)
        if "\n" in os.environ.get(name, "") or "\r" in os.environ.get(name, ""):
            raise ConfigError(f"{name} has more than one line, which {path} cannot hold: leave it out")
        if name not in os.environ:
            raise ConfigError(f"{name} is not set in this shell: export it first")
    lines = []
    if os.path.exists(path):
        with open(path, encoding="utf-8", errors="surrogateescape", opener=durable.prompt_opener) as file:
            lines = [line for line in file.read().splitlines() if line.partition("=")[0].strip() not in names]
    lines += [f"{name}={_quoted(os.environ[name])}" for name in dict.fromkeys(names)]
    durable.make_private_directory(os.path.dirname(path))
    durable.publish_text(path, "".join(f"{line}\n" for line in lines), mode=0o600)


def missing(paths: "Paths", names: "Collection[str]", service: "Mapping[str, str]") -> list[str]:
    """Return which of these variables this shell has and the service has not. Raises ConfigError."""
    given = read(paths)
    return [name for name in names if os.environ.get(name) and name not in given and not service.get(name)]


def given_by_manager(pid: int) -> dict[str, str] | None:
    """Return what a running process was started with, or None if that cannot be told."""
    import psutil

    try:
        return dict(psutil.Process(pid).environ())
    except (psutil.Error, OSError):
        return None


def _parsed(path: str, data: bytes) -> dict[str, str]:
    found = {}
    for number, line in enumerate(os.fsdecode(data).splitlines(), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        if not equals or not _NAME.fullmatch(name.strip()) or "\0" in value:
            raise EnvironmentFileError(f"{path}, line {number} is not NAME=value", Advice("mend it"))
        _refuse(path, name.strip())
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def _refuse(path: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise EnvironmentFileError(f"{name!a} is no name of a variable", Advice("use letters, digits and '_'"))
    if name.startswith(_DECIDED_BEFORE):
        text = f"{name} has no place in {path}, for it is decided before that file is read"
        raise EnvironmentFileError(text, Advice("take it out"))


def _quoted(value: str) -> str:
    return f'"{value}"' if value != value.strip() or value[:1] in ("'", '"') else value
