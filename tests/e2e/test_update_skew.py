"""Code that was changed by hand under a running gateway: said by the next command, or ended by the gateway itself."""

from collections.abc import Callable

import pytest
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.changes import SOUND
from support.releases.checkout import Checkout, git

from hermes_cli.system import locks

pytestmark = pytest.mark.e2e
ON_SKEW = SHORT_CLOCKS.replace("[update]\n", "[update]\nrestart_on_skew = true\n").replace(
    "[gateway]\n", "[gateway]\nheartbeat_interval = 0.5\n"
)


def pull(checkout: Checkout, release: tuple[str, str, str]) -> str:
    """What somebody does by hand; the new revision."""
    new = checkout.release(*release)
    git(checkout.path, "pull", "-q")
    return new


def test_the_next_command_says_it_in_one_line(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(code=checkout.path)
    old = hermes.install().revision
    assert hermes.run("gateway", "intents", "list").stderr == ""
    new = pull(checkout, SOUND)
    line = f"hermes: the gateway runs {old}, installed is {new}: hermes gateway restart\n"
    assert hermes.run("gateway", "intents", "list").stderr == line
    git(checkout.path, "gc", "-q")  # packed references
    git(checkout.path, "pack-refs", "--all")
    assert hermes.run("gateway", "intents", "list").stderr == line
    lock = locks.take(hermes.paths.update_lock)
    assert lock is not None
    assert hermes.run("gateway", "intents", "list").stderr == ""
    lock.release()
    assert hermes.run("gateway", "restart").returncode == 0
    assert hermes.run("gateway", "intents", "list").stderr == ""


def test_a_gateway_leaves_it_to_an_update_that_is_at_work(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(code=checkout.path, config=ON_SKEW)
    before = hermes.install()
    lock = locks.take(hermes.paths.update_lock)
    assert lock is not None
    pull(checkout, SOUND)
    beats = hermes.ready().heartbeat
    hermes.until(lambda: hermes.ready().heartbeat > beats + 2, "four heartbeats")
    assert hermes.ready().identity == before.identity
    assert not hermes.pending()
    lock.release()
    hermes.ready(other_than=before)
