"""Every foreseeable failure: one line that says what and the mend, and an exit code."""

EX_TEMPFAIL, EX_CONFIG = 75, 78  # sysexits.h


class HermesError(Exception):
    """Something foreseeable went wrong; the text is one line: what, then the mend."""

    exit_code = 1


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


class TryAgainError(HermesError):
    """Another process holds the lock (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class ConfigError(HermesError):
    """The configuration is wrong; a restart would not mend it (EX_CONFIG of sysexits.h)."""

    exit_code = 78


class QueueError(HermesError):
    """The request could not be made durable, so it was not made at all."""
