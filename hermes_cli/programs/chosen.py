"""The program of a profile, chosen once: our own gateway, or the one that was adopted."""

from hermes_cli.intents.facts import Policy
from hermes_cli.paths import Paths
from hermes_cli.programs import adoption
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.programs.own import OwnGateway


def program_of(paths: Paths) -> OwnGateway | DeclaredProgram:
    """Return the program that this profile keeps alive. Raises ConfigError, OSError."""
    return adopted(paths) or OwnGateway(paths)


def adopted(paths: Paths) -> DeclaredProgram | None:
    """Return the adopted program, or None when the profile keeps our own gateway. Raises ConfigError, OSError."""
    found = adoption.read(paths)
    return DeclaredProgram(paths, found, adoption.read_program(paths)) if found is not None else None


def with_program(policy: Policy, program: OwnGateway | DeclaredProgram) -> Policy:
    """Return the policy with the numbers of an adopted program."""
    return program.policy(policy) if isinstance(program, DeclaredProgram) else policy
