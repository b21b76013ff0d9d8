"""The names that installed code is run by, whatever release it is; `hermes_cli.jobs` states the contract."""

import sys

HERMES = "hermes_cli"
RESTARTER = "hermes_cli.restarter"
PREFLIGHT = "hermes_cli.update.preflight"
DEFINITIONS = "hermes_cli.update.definitions"
CHAT_UPDATE = "hermes_cli.update.in_chat"
ROLLBACK = "hermes_cli.update.probation"
SUPERVISOR_PROOF = "import hermes_cli.services.supervisor, hermes_cli.cli.gateway"


def gateway(profile: str, *options: str) -> list[str]:
    """Return the command line of that profile's gateway, or with `--supervise` of its supervisor."""
    return argv(HERMES, "-p", profile, "gateway", "run", *options)


def restart(profile: str) -> list[str]:
    """Return the command line that records a restart of that profile's gateway and returns."""
    return argv(HERMES, "-p", profile, "gateway", "restart", "--no-wait")


def argv(name: str, *arguments: str) -> list[str]:
    """Return the command line that runs `name`, never from a package in the current directory (-P)."""
    return [sys.executable, "-P", "-m", name, *arguments]
