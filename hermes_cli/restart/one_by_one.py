"""One profile after the other: in which order, and when the next one may follow."""

from collections.abc import Iterable

from hermes_cli.config import load_or_defaults
from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths
from hermes_cli.services import kept
from hermes_cli.system.process import Handle


def ordered(there: Iterable[str], first: str | None) -> list[str]:
    """Return the profiles, those named in `first` (NAME[,NAME]) before the others. Raises UsageError."""
    known = list(there)
    named = [name.strip() for name in (first or "").split(",") if name.strip()]
    for name in named:
        if name not in known:
            raise UsageError(f"--order names {name!r}, and there are: {', '.join(known)}")
    return list(dict.fromkeys([*named, *known]))


def why_not_ready(paths: Paths) -> str | None:
    """Wait `stay_ready` seconds. Return why the profile's instance is not one that is ready and stays so, or None."""
    program = kept.program_of(paths)
    fresh = program.observe()
    if fresh is None or not fresh.ready:
        return f"it is {fresh.state if fresh is not None else 'gone'} again"
    stay = load_or_defaults(paths.config).update.stay_ready
    try:
        with Handle(fresh.identity) as handle:
            ended = handle.wait(stay)
    except ProcessLookupError:
        ended = True
    if ended:
        return f"pid {fresh.identity.pid} was ready and has ended within {stay:g} s"
    now = program.observe()
    if now is None or not now.identity.is_same_as(fresh.identity) or not now.ready:
        return f"pid {fresh.identity.pid} was ready and is not any more"
    return None
