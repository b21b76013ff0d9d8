"""The driver's numbers, from config.toml; a broken file means the defaults, because it must not block a restart."""

from hermes_cli.config import load_or_defaults
from hermes_cli.intents.facts import Mends, Policy
from hermes_cli.paths import Paths
from hermes_cli.programs.own import REFUSAL_EXIT_CODE

_MENDS = Mends(
    queue="hermes gateway intents list",
    update="hermes update",
    undescribed="hermes gateway stop, then start",
    describing="gateway.json to be written again",
)


def hook_timeout(paths: Paths) -> float:
    """Return how many seconds what runs before a restart may take."""
    hooks = load_or_defaults(paths.config).hooks
    return hooks.timeout if hooks.before_restart else 0.0


def policy_of(paths: Paths, spawn_interval: float = 0.0) -> Policy:
    """Return this profile's policy, under a manager that leaves `spawn_interval` seconds between two starts."""
    config = load_or_defaults(paths.config)
    return Policy(
        drain_timeout=config.gateway.drain_timeout,
        teardown_timeout=config.gateway.teardown_timeout,
        start_timeout=config.gateway.start_timeout,
        max_attempts=config.restart.max_attempts,
        backoff=config.restart.backoff,
        spawn_interval=spawn_interval,
        storm_limit=config.restart.storm_limit,
        storm_window=config.restart.storm_window,
        stay_ready=config.update.stay_ready,
        refusal_codes=frozenset({REFUSAL_EXIT_CODE}),
        mends=_MENDS,
    )
