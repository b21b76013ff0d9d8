"""Whether a gateway that was asked to restart stays, because the next one would not come up."""

from collections.abc import Callable

import pytest

from hermes_cli.gateway.staying import Staying
from hermes_cli.paths import Paths


@pytest.fixture
def paths(tmp_path) -> Paths:
    return Paths("default", f"{tmp_path}/state", str(tmp_path), f"{tmp_path}/logs")


@pytest.fixture
def staying(paths: Paths) -> Callable[..., tuple[Staying, list[object]]]:
    """Return a function that makes one whose glance is what it is given, and what it has spawned."""

    def make(glance: Callable[[], str | None]) -> tuple[Staying, list[object]]:
        spawned: list[object] = []

        def spawn(look) -> None:
            look.close()
            spawned.append(look)

        made = Staying(
            paths,
            glance,
            me=lambda: pytest.fail("nobody asks"),
            manager=lambda: None,
            spawn=spawn,
            decided=lambda _: None,
        )
        return made, spawned

    return make


def test_an_obstacle_that_is_seen_is_looked_at_before_the_drain(staying) -> None:
    made, spawned = staying(lambda: "config.toml is wrong")
    made._is_forced = lambda: False
    assert made.begins()
    assert len(spawned) == 1


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files")])
def test_what_cannot_be_told_for_want_of_room_loses_no_signal(staying, error: Exception) -> None:
    def refused() -> str | None:
        raise error

    made, spawned = staying(refused)
    assert not made.begins()
    assert spawned == []
