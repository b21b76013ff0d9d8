"""The embedded supervisor's policy: what to do when the gateway has exited. Pure."""

from dataclasses import dataclass

from hermes_cli.intents.desired import Desired
from hermes_cli.programs.own import REFUSAL_EXIT_CODE, RESTART_EXIT_CODE
from hermes_cli.system.process import describe_exit

CRASH_LIMIT = 5
CRASH_WINDOW = 60.0  # seconds; a gateway that ran longer did not crash at its start
LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Start the gateway after `pause` seconds, unless the user says stop meanwhile."""

    pause: float
    why: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Leave the gateway stopped until somebody demands a start.

    `gives_up`: what a supervisor ends with that somebody else keeps alive, a container's runtime for example.
    """

    why: str
    gives_up: int | None = None


def after_exit(code: int, uptime: float, crashes: int, desired: Desired | None) -> StartAgain | Rest:
    """Return the next move. `crashes` counts those in a row before this one, each sooner than CRASH_WINDOW seconds."""
    what = f"{describe_exit(code)} after {uptime:.1f} s"
    if desired == "stopped":
        return Rest(what)
    if code == RESTART_EXIT_CODE:
        return StartAgain(0.0, what)
    if code == REFUSAL_EXIT_CODE:
        return Rest(f"configuration error: {what}; see hermes gateway logs", REFUSAL_EXIT_CODE)
    if uptime >= CRASH_WINDOW:
        return StartAgain(0.0, what)
    if crashes + 1 >= CRASH_LIMIT:
        return Rest(f"crash loop: {what}; see hermes gateway logs", 1)
    # The first crash is most often an accident; only a repeated one earns a pause.
    return StartAgain(min(LONGEST_PAUSE, float(2 ** (crashes - 1))) if crashes else 0.0, what)


def counts_as_crash(code: int, uptime: float) -> bool:
    """Say whether an exit brings the crash-loop limit nearer."""
    return code not in {0, RESTART_EXIT_CODE, REFUSAL_EXIT_CODE} and uptime < CRASH_WINDOW
