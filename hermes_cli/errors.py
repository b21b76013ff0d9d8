"""Every foreseeable failure: one line that says what and the mend, and an exit code."""

import os
import sys

from hermes_cli.intents.errors import NotNowError, QueueError, ReportedError, TryAgainError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = [
    "EX_CONFIG",
    "EX_TEMPFAIL",
    "Advice",
    "CannotTellError",
    "ConfigError",
    "HermesError",
    "Misconfigured",
    "NotInstalledError",
    "NotNowError",
    "NotRunningError",
    "Problem",
    "QueueError",
    "TryAgainError",
    "UsageError",
    "exit_code_of",
    "refusing",
]

EX_TEMPFAIL, EX_CONFIG = 75, 78  # sysexits.h
HermesError = ReportedError  # whatever the libraries below raise is reported like what hermes itself finds


class UsageError(HermesError):
    """What was typed, or where hermes was pointed at, cannot be right."""

    exit_code = 2


class NotRunningError(HermesError):
    """The gateway does not run, and the command needs it."""

    exit_code = 3


class NotInstalledError(HermesError):
    """No service of this profile is known to the service manager."""

    exit_code = 4


class CutShortError(HermesError):
    """Ctrl-C, after which something had to be tidied up; 130 is 128 and SIGINT."""

    exit_code = 130


class CannotTellError(HermesError):
    """An external call timed out or answered nonsense: unknown, which is not failed."""

    exit_code = 5


class ConfigError(HermesError):
    """The configuration is wrong; a restart would not mend it (EX_CONFIG of sysexits.h)."""

    exit_code = EX_CONFIG


class Advice(str):
    """A mend that is no command: somebody has to look, or to choose."""

    __slots__ = ()


class Misconfigured(str):
    """Why a gateway would not come up, where that is the configuration, which no other start mends."""

    __slots__ = ()


def refusing(text: str, why: str) -> HermesError:
    """Return the error that says that nothing was done, and why; its exit code tells a wrong configuration from the rest."""
    return (ConfigError if isinstance(why, Misconfigured) else HermesError)(f"{text}: {why}")


class Problem:
    """Something that prevents a restart, or that a person should know, with the command that mends it.

    Every command imports this module, so it is no dataclass: that import costs more than all of hermes_cli.errors.
    """

    __slots__ = ("code", "command", "mend", "text")

    def __init__(self, code: str, text: str, mend: str, command: "list[str] | None" = None) -> None:
        """`code` is for programs, `text` is for people; `mend` is a command, or Advice. `command`: the mend as an argv."""
        self.code = code
        self.command = command
        self.text = text
        self.mend = mend


def called() -> str:
    """Return the name that this program was called by; `hermes` unless that is another of its names."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    return name if name == "hermesctl" else "hermes"


def exit_code_of(command: "Callable[[], int]", say: "Callable[[str], str]" = str) -> int:
    """Run `command` and return its exit code; print a foreseeable failure as one line and return the code for it.

    `say` words the line for the person who reads it.
    """
    try:
        return command()
    except HermesError as error:
        from hermes_cli.system.printable import printable

        print(f"{called()}: {printable(say(str(error)))}", file=sys.stderr)
        for line in error.log:
            print(f"  {printable(line)}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # The reader has gone; Python's own flush at exit must not complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        from hermes_cli.system import refusal
        from hermes_cli.system.printable import printable

        where, how = "", refusal.shortage(error.errno) or "mend it"
        if isinstance(error.filename, str) and error.errno is not None:
            said, _ = refusal.mend(error.filename, error.errno)
            where, how = f"{printable(error.filename)}: ", printable(said)
        print(f"{called()}: {where}{error.strerror or error}: {how} and repeat", file=sys.stderr)
        try:
            sys.stdout.flush()
        except OSError:  # said; Python's own flush at exit must not say it again
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
