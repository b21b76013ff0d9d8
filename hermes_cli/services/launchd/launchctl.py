"""`launchctl`, called strictly: every call is bounded, and its exit status is the error's number."""

import signal
from typing import NoReturn

from hermes_cli.environment import untranslated
from hermes_cli.errors import HermesError
from hermes_cli.services.base import LOOK
from hermes_cli.services.launchd.printed import Job, parse_disabled, parse_print
from hermes_cli.system import refusal
from hermes_cli.system.command import Ended, run

TIMEOUT = 10.0  # seconds for a call that changes something; `kickstart` was seen to block for minutes
_GRACE = 0.2  # seconds to end at SIGTERM; who waits for the answer has no more to spare

# launchctl's exit status is the error's number (xpc/launchd's errors, `launchctl error N`).
NO_SUCH_PROCESS = 3
EIO = 5
IN_PROGRESS = (36, 37)
NO_DOMAIN = 112
NO_SERVICE = 113
NO_SUCH_ACTION = 125  # a missing domain's answer to bootstrap and kickstart
ABSENT = {NO_SERVICE, NO_DOMAIN, NO_SUCH_ACTION, NO_SUCH_PROCESS}  # answers of a call that found no such job


class Launchctl:
    """The client of launchd. Its calls raise HermesError when there is no `launchctl`."""

    def __init__(self, program: str) -> None:
        """Take the name or path of `launchctl`."""
        self._program = program

    def __call__(self, *arguments: str, timeout: float = TIMEOUT) -> Ended:
        """Make one bounded call."""
        try:
            return run([self._program, *arguments], timeout, environment=untranslated(), grace=_GRACE)
        except FileNotFoundError:
            raise HermesError(
                f"{self._program} is not on PATH: use --manager embedded, or mend PATH and repeat"
            ) from None
        except OSError as error:
            mend = refusal.shortage(error.errno) or "mend PATH"
            raise HermesError(f"{self._program} cannot be run ({error.strerror}): {mend} and repeat") from None

    def look(self, target: str) -> Job | int | None:
        """Return the job at DOMAIN/LABEL, else NO_SERVICE or NO_DOMAIN, or None when that cannot be told."""
        answer = self("print", target, timeout=LOOK)
        if answer.ok:
            return parse_print(answer.out)
        return answer.code if answer.code in {NO_SERVICE, NO_DOMAIN} else None

    def disabled(self, domain: str) -> frozenset[str]:
        """Return the labels that a person, or Login Items, has switched off in `domain`.

        `print` of a label does not show it.
        """
        answer = self("print-disabled", domain, timeout=LOOK)
        return parse_disabled(answer.out) if answer.ok else frozenset()

    def restart_caller(self, target: str, timeout: float) -> None:
        """Let launchd kill and restart the calling job (`kickstart -k`).

        launchd has taken the request when it sends SIGTERM, which only ends the wait here.
        """
        before = signal.signal(signal.SIGTERM, _accepted)
        try:
            self("kickstart", "-k", target, timeout=timeout)
        except _AcceptedError:
            return
        finally:
            signal.signal(signal.SIGTERM, before)


class _AcceptedError(BaseException):
    """launchd has sent SIGTERM: it has taken the request, and need not be waited for."""


def _accepted(_number: int, _frame: object) -> NoReturn:
    raise _AcceptedError
