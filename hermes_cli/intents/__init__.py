"""Durable restart intents: a queue on the disk, a pure decision, and the driver that settles what is asked.

A library: it needs `hermes_cli.system` and nothing else of hermes; README.md beside this file shows its use. The names
are imported when they are used: whoever only writes a record must not pay for the driver.
"""

from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.intents.driver import Driver
    from hermes_cli.intents.facts import Mends, Policy
    from hermes_cli.intents.instance import DrainState, Instance
    from hermes_cli.intents.protocols import Manager, NoUpdates, Program, Recovery
    from hermes_cli.intents.queue import Queue
    from hermes_cli.intents.request import compose, submit
    from hermes_cli.intents.service import Service

_HOMES = {
    "DrainState": "instance",
    "Driver": "driver",
    "Instance": "instance",
    "Manager": "protocols",
    "Mends": "facts",
    "NoUpdates": "protocols",
    "Policy": "facts",
    "Program": "protocols",
    "Queue": "queue",
    "Recovery": "protocols",
    "Service": "service",
    "compose": "request",
    "submit": "request",
}
__all__ = [
    "DrainState",
    "Driver",
    "Instance",
    "Manager",
    "Mends",
    "NoUpdates",
    "Policy",
    "Program",
    "Queue",
    "Recovery",
    "Service",
    "compose",
    "submit",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
