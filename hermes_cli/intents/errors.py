"""What can foreseeably fail: one line that says what, then the mend, and the exit code of a command that reports it."""


class ReportedError(Exception):
    """Something foreseeable went wrong; the text is one line: what, then the mend."""

    exit_code = 1
    log: tuple[str, ...] = ()  # the last lines of a log that say why


class TryAgainError(ReportedError):
    """Another process holds the lock (EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75


class NotNowError(ReportedError):
    """It cannot be done now, and as soon as a person has followed the mend: whoever may wait waits."""


class QueueError(ReportedError):
    """The request could not be made durable, so it was not made at all."""
