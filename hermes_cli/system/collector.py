"""The garbage collector while a process is made: of what is imported nothing is garbage, and it would look again and again."""

import gc

_USUAL = gc.get_threshold()
_MANY = 50_000  # new objects until the next look; all that a gateway imports is fewer


def put_off() -> None:
    """Let it look seldom, as a command needs it that is over before there is any garbage."""
    gc.set_threshold(_MANY)


def resume() -> None:
    """Let it look as usual, in a process that stays."""
    gc.set_threshold(*_USUAL)
