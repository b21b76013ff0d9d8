"""A name that other releases import: see `hermes_cli.jobs`, which states the contract."""

from hermes_cli.services.embedded.supervisor import Supervisor

__all__ = ["Supervisor"]
