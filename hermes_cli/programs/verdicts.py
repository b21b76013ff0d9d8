"""Decide what becomes of an adopted program whose process is gone: the first rule that applies, over one look. Pure.

Upstream's own helper and its service manager come first, with patience. What a person stopped, disabled, booted out or
removed stays so. A verdict is only read off: the intent that is made of `Ask` settles like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Word = Literal["restart", "stopped", "crashed", "refused", "unknown"]
_INSTALLED_AGAIN = 120.0  # seconds; an environment that is made anew tells nobody
REINSTALL = "install it again with its own command, or hermes gateway release"
LOOK_AGAIN = 1.0  # seconds; a label that goes away, or an updater that ends, tells nobody


@dataclass(frozen=True, slots=True)
class ManagerView:
    """What the program's own service manager says. None: it does not say."""

    loaded: bool | None = None
    running: int | None = None  # the pid of what it runs under that name
    disabled: bool = False
    will_start: bool = False  # it has announced a start of its own
    exit_code: int | None = None
    ended_by_a_stop: bool | None = None  # systemd: as `systemctl stop` leaves it


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an adopted program. Epoch seconds."""

    now: float
    alive: bool  # the process that its files describe runs
    known: bool  # its files describe one at all
    gone_since: float  # when it was first seen to be gone
    last_word: Word
    wanted: bool  # it was asked for a restart
    defined: bool  # its definition is there
    rewritten: bool  # the definition was replaced since that instance was first seen
    updating: bool  # its own update is at work
    asked: str | None  # the intent that was already made of this end
    manager: ManagerView
    helper: float  # seconds that its own helper may take
    patience: float  # seconds that its manager may take
    bring_back: bool = False  # also what a person has unloaded
    missing: str | None = None  # the interpreter that its definition runs, where that is not there


@dataclass(frozen=True, slots=True)
class Leave:
    """Do nothing until something changes."""

    why: str
    mend: str | None = None  # what a person could do, where that is a problem
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """Look again at `until`, epoch seconds."""

    why: str
    until: float
    rule: str = ""
    mend: str | None = None  # what a person could do meanwhile


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for a restart: make a durable intent of it."""

    why: str
    rule: str = ""


Verdict = Leave | Later | Ask
Rule = Callable[[Look], Verdict | None]


def judge(look: Look) -> Verdict:
    """Return the verdict of the first rule that applies, with the rule's name."""
    for rule in RULES:
        found = rule(look)
        if found is not None:
            return replace(found, rule=rule.__name__)
    return Leave("it has ended, and nothing says that it should run", rule="nothing_known")


def it_runs(look: Look) -> Verdict | None:
    """Leave it: the process that its files describe lives, however "stopped" they say it is."""
    return Leave("it runs") if look.alive else None


def uninstalled(look: Look) -> Verdict | None:
    """Leave it: its definition is gone."""
    if look.defined:
        return None
    return Leave("its definition is gone: it was uninstalled", REINSTALL)


def manager_is_silent(look: Look) -> Verdict | None:
    """Look again: its service manager does not say what it has."""
    return Later("its service manager does not answer", look.now + LOOK_AGAIN) if look.manager.loaded is None else None


def manager_runs_it(look: Look) -> Verdict | None:
    """Believe the manager, not the old files: a fresh process may sleep before it writes anything."""
    if look.manager.running is None:
        return None
    return Later(f"pid {look.manager.running} runs and has not described itself yet", look.now + LOOK_AGAIN)


def update_under_way(look: Look) -> Verdict | None:
    """Look again: its own update is changing its code."""
    return Later("its own update is changing its code", look.now + LOOK_AGAIN) if look.updating else None


def program_is_gone(look: Look) -> Verdict | None:
    """Look again, seldom: what its definition runs is not there, so that no start would help."""
    if look.missing is None:
        return None
    return Later(
        f"its definition runs {look.missing}, which is not there",
        look.now + _INSTALLED_AGAIN,
        mend="install it again, or hermes gateway release",
    )


def refuses(look: Look) -> Verdict | None:
    """Leave it: its own configuration keeps it from starting."""
    if look.last_word != "refused":
        return None
    return Leave(
        "it refuses to start: its own configuration", "mend its configuration, then start it with its own command"
    )


def disabled(look: Look) -> Verdict | None:
    """Leave it: a person has switched it off in the service manager."""
    return Leave("it is disabled in its service manager", "enable it there") if look.manager.disabled else None


def asked_already(look: Look) -> Verdict | None:
    """Leave it: this end has had its intent."""
    if look.asked is None:
        return None
    return Leave(
        f"intent {look.asked} was made of this end, and no start of it came up",
        f"hermes gateway intents show {look.asked}",
    )


def restart_wanted(look: Look) -> Verdict | None:
    """Restart it: it was asked to. Where it is not loaded, its own helper comes first."""
    if not look.wanted:
        return None
    until = look.gone_since + look.helper
    if not look.manager.loaded and look.now < until:
        return Later("its own helper may load it", until)
    return Ask("it was asked to restart and did not come back")


def stopped(look: Look) -> Verdict | None:
    """Leave it: it was stopped on purpose."""
    if look.last_word != "stopped":
        return None
    return Leave("it was stopped", "start it with its own command")


def stopped_in_the_manager(look: Look) -> Verdict | None:
    """Leave it: it ended as a stop by hand in the service manager leaves it."""
    if not look.manager.ended_by_a_stop:
        return None
    return Leave("it was stopped in its service manager", "start it there")


def manager_will_start(look: Look) -> Verdict | None:
    """Wait for the start that its manager has announced, or is about to make."""
    if not look.manager.loaded:
        return None
    until = look.gone_since + look.patience
    if look.manager.will_start or look.now < until:
        return Later("its service manager comes first", max(until, look.now + LOOK_AGAIN))
    return None


def ended_by_itself(look: Look) -> Verdict | None:
    """Restart it: it ended although nobody asked, and its manager has not brought it back."""
    return (
        Ask("it ended by itself and its manager did not bring it back") if look.manager.loaded and look.known else None
    )


def reload_half_done(look: Look) -> Verdict | None:
    """Restart it: its definition was rewritten and unloaded, and nobody has loaded it again."""
    if not (look.rewritten or look.bring_back) or not look.known:
        return None
    until = look.gone_since + look.helper
    if look.now < until:
        return Later("its own helper may load it", until)
    return Ask("it was unloaded and not loaded again")


def unloaded_by_hand(look: Look) -> Verdict | None:
    """Leave it: a person has booted it out."""
    if look.manager.loaded:
        return None
    return Leave("it is not loaded: a person has booted it out", "start it with its own command")


RULES: tuple[Rule, ...] = (
    it_runs,
    uninstalled,
    manager_is_silent,
    manager_runs_it,
    update_under_way,
    program_is_gone,
    refuses,
    disabled,
    asked_already,
    restart_wanted,
    stopped,
    stopped_in_the_manager,
    manager_will_start,
    ended_by_itself,
    reload_half_done,
    unloaded_by_hand,
)
