"""Prove in fresh processes that the code on the disk starts. `python -P -m hermes_cli.update.preflight`.

The old release runs `failure`, the new one `main`: which modules a gateway needs is known to the code that is proved.
"""

import importlib
import os
import shutil
import sys

from hermes_cli.update.command import run

TIMEOUT = 60.0
_NEEDED = (
    "hermes_cli.gateway.run",
    "hermes_cli.restarter",
    "hermes_cli.intents.driver",
    "hermes_cli.services.supervisor",
    "hermes_cli.services.embedded",
    "hermes_cli.update.recovery",
    "hermes_cli.update.run",
    "hermes_cli.update.probation",
    "hermes_cli.update.definitions",
    "hermes_cli.update.in_chat",
    "hermes_cli.cli.main",
)


def failure(profile: str, package: str) -> str | None:
    """Why the code in the directory `package` does not start, in one line; None when it does. Takes at most 3 min."""
    # -P as service managers start it: a package in the current directory must not stand in for ours.
    python = [sys.executable, "-P", "-m"]
    imported = run([*python, "hermes_cli.update.preflight"], TIMEOUT)
    if not imported.ok:
        return imported.why
    if imported.out.strip() != package:
        return f"a fresh Python imports hermes_cli from {imported.out.strip() or 'nowhere'}, not {package}"
    for arguments in (["--version"], ["-p", profile, "gateway", "run", "--check"]):
        ended = run([*python, "hermes_cli", *arguments], TIMEOUT)
        if not ended.ok:
            return ended.why
    return None


def forget_bytecode(package: str) -> None:
    """Remove every __pycache__: what is compiled is known by whole seconds and size, which may be equal."""
    for directory, names, _ in os.walk(package):
        if "__pycache__" in names:
            names.remove("__pycache__")
            shutil.rmtree(os.path.join(directory, "__pycache__"), ignore_errors=True)


def main() -> None:
    """Import everything that a gateway and whoever restarts it import, and say where it came from."""
    for name in _NEEDED:
        importlib.import_module(name)
    import hermes_cli

    print(os.path.realpath(os.path.dirname(os.path.abspath(hermes_cli.__file__))))


if __name__ == "__main__":
    main()
