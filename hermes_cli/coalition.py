"""A name that a running gateway of release 0.1.0 imports late: see `hermes_cli.jobs`, which states the contract."""

from hermes_cli.system.coalition import coalition_of

__all__ = ["coalition_of"]
