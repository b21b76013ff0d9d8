"""Every foreseeable failure: one line that says what and the mend, and an exit code."""

from hermes_cli.intents.errors import QueueError, ReportedError, TryAgainError

__all__ = [
    "EX_CONFIG",
    "EX_TEMPFAIL",
    "CannotTellError",
    "ConfigError",
    "HermesError",
    "NotInstalledError",
    "NotRunningError",
    "QueueError",
    "TryAgainError",
    "UsageError",
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


class CannotTellError(HermesError):
    """An external call timed out or answered nonsense: unknown, which is not failed."""

    exit_code = 5


class ConfigError(HermesError):
    """The configuration is wrong; a restart would not mend it (EX_CONFIG of sysexits.h)."""

    exit_code = 78
