"""The program of a profile, chosen once: our own gateway, or the adopted one, which may have to ask its service manager.

A profile that adopts nothing, as most do, loads nothing of what adopting needs.
"""

import os

from hermes_cli.errors import HermesError
from hermes_cli.paths import Paths
from hermes_cli.programs.own import OwnGateway

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.intents.facts import Policy
    from hermes_cli.programs.adoption import Adoption
    from hermes_cli.programs.declared import DeclaredProgram
    from hermes_cli.programs.program_file import ProgramFile


def program_of(paths: Paths) -> "OwnGateway | DeclaredProgram":
    """Return the program that this profile keeps alive. Raises ConfigError, OSError."""
    return adopted(paths) or OwnGateway(paths)


def adopted(paths: Paths) -> "DeclaredProgram | None":
    """Return the adopted program, or None when the profile keeps our own gateway. Raises ConfigError, OSError."""
    try:
        os.stat(paths.adopted)
    except (FileNotFoundError, NotADirectoryError):
        return None
    from hermes_cli.programs import adoption as adoptions

    adoption = adoptions.read(paths)
    return declared(paths, adoption, adoptions.read_program(paths)) if adoption is not None else None


def declared(paths: Paths, adoption: "Adoption", what: "ProgramFile") -> "DeclaredProgram":
    """Return the program that is adopted so."""
    from hermes_cli.programs.declared import DeclaredProgram
    from hermes_cli.programs.verdicts import ManagerView
    from hermes_cli.services.adopted import found

    def view() -> ManagerView:
        try:
            return found.manager(paths, adoption).view()
        except HermesError:
            return ManagerView()  # it does not say

    return DeclaredProgram(paths, adoption, what, view)


def with_program(policy: "Policy", program: "OwnGateway | DeclaredProgram") -> "Policy":
    """Return the policy with the numbers of an adopted program."""
    return policy if isinstance(program, OwnGateway) else program.policy(policy)
