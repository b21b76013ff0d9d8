"""Prove in fresh processes that the code on the disk starts.

The old release runs `failure`, the new one `jobs/preflight`: the code that is to be proved knows the modules it needs.
"""

import os
from collections.abc import Mapping

from hermes_cli.environment import scrubbed
from hermes_cli.installation import entry_points
from hermes_cli.system import durable
from hermes_cli.system.command import run

TIMEOUT = 60.0


def failure(profile: str, package: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return why the code in the directory `package` does not start, in one line, or None. Takes at most 3 min.

    In this process's environment, unless another one is given.
    """
    environment = scrubbed() if environment is None else environment
    imported = run(entry_points.argv(entry_points.PREFLIGHT), TIMEOUT, environment=environment)
    if not imported.ok:
        return imported.why
    if imported.out.strip() != package:
        return f"a fresh Python imports hermes_cli from {imported.out.strip() or 'nowhere'}, not {package}"
    for arguments in (["--version"], ["-p", profile, "gateway", "run", "--check"]):
        ended = run(entry_points.argv(entry_points.HERMES, *arguments), TIMEOUT, environment=environment)
        if not ended.ok:
            return ended.why
    return None


def forget_bytecode(package: str) -> None:
    """Remove every __pycache__: Python compares whole seconds and sizes, which may be equal in two releases."""
    for directory, names, _ in os.walk(package):
        if "__pycache__" in names:
            names.remove("__pycache__")
            durable.remove_tree(os.path.join(directory, "__pycache__"))
