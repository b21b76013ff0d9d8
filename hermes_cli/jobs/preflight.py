"""Import everything that a gateway and its restarter import: the new release's part of its own proof.

An updater of any release runs it by name, see `hermes_cli.jobs`; `update/proof` is what runs it.
"""

import importlib
import os

_NEEDED = (
    "hermes_cli.gateway.start",
    "hermes_cli.gateway.run",
    "hermes_cli.gateway.for_later",
    "hermes_cli.restarter",
    "hermes_cli.intents.driver",
    "hermes_cli.services.supervisor",
    "hermes_cli.services.embedded.manager",
    "hermes_cli.update.recovery",
    "hermes_cli.update.run",
    "hermes_cli.update.probation",
    "hermes_cli.update.definitions",
    "hermes_cli.update.in_chat",
    "hermes_cli.cli.main",
)


def main() -> None:
    """Import the modules, and print the directory of the package that they came from."""
    for name in _NEEDED:
        importlib.import_module(name)
    import hermes_cli

    print(os.path.realpath(os.path.dirname(os.path.abspath(hermes_cli.__file__))))
