"""The phases of a restart as lines for a person: the time and length of each, and a bar where there is room. Pure."""

import time

from hermes_cli.intents.trace import Phase, Trace

_LEAST_BAR, _MOST_BAR = 10, 50  # columns
_NAMES = {"demanded": "demand start"}
_EIGHTHS = " ▏▎▍▌▋▊▉"


def lines(trace: Trace, now: float, columns: int | None = None, *, plain: bool = False) -> list[str]:
    """Return a line for each phase, in so many columns; None: no bars. `plain`: in letters of ASCII."""
    lasted = [_lasted(one, now) for one in trace.phases]
    whole = sum(lasted)
    named = [_name(one, trace) for one in trace.phases]
    wide = max(map(len, named))
    lengths = [
        f"{seconds:.3f} s" if one.name != "settled" else "" for one, seconds in zip(trace.phases, lasted, strict=True)
    ]
    long = max(9, *map(len, lengths))
    room = min(_MOST_BAR, (columns or 0) - wide - len("  00:00:00.000  ") - long - 2)
    found = []
    before = 0.0
    for one, name, seconds, length in zip(trace.phases, named, lasted, lengths, strict=True):
        text = f"{name:<{wide}}  {_clock(one.at)}  {length:>{long}}"
        if room >= _LEAST_BAR and whole > 0 and one.name != "settled":
            text += "  " + _bar(before / whole, seconds / whole, room, plain=plain)
        found.append(text.rstrip())
        before += seconds
    return found


def _lasted(one: Phase, now: float) -> float:
    if one.name == "settled":
        return 0.0
    return max(0.0, now - one.at) if one.lasted is None else one.lasted


def _name(one: Phase, trace: Trace) -> str:
    if one.name == "draining" and trace.turns:
        return f"draining, {trace.turns} turn{'' if trace.turns == 1 else 's'}"
    if one.name == "demanded" and trace.attempts > 1:
        return f"demand start {trace.attempts}"
    return _NAMES.get(one.name, one.name)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f".{int(at * 1000) % 1000:03d}"


def _bar(begin: float, part: float, room: int, *, plain: bool) -> str:
    """Return a bar from the share `begin` of the whole on, `part` of it long. Even the shortest phase shows."""
    first = min(int(begin * room), room - 1)
    if plain:
        return " " * first + "#" * max(1, min(round(part * room), room - first))
    eighths = max(1, min(round(part * room * 8), (room - first) * 8))
    return " " * first + "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
