"""A driver that began while no update was under way, and the moment one is."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.faults.places import ONLY_A_DRIVER

from hermes_cli.errors import UsageError
from hermes_cli.intents import request
from hermes_cli.paths import Paths, resolve, sibling
from hermes_cli.update import none_under_way
from hermes_cli.update.none_under_way import NoneUnderWay


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    found = resolve(None)
    request.make_directories(found.intents)
    return found


def ask(paths: Paths, reason: str) -> None:
    request.submit(
        paths.intents, request.compose(paths.profile, reason=reason, command="x", target=None, in_tree=False)
    )


def test_a_restart_that_somebody_asked_for_is_no_update(paths: Paths) -> None:
    ask(paths, "manual")
    assert not none_under_way.is_any(paths)


def test_an_intent_of_an_update_is_one(paths: Paths) -> None:
    ask(paths, request.UPDATE)
    assert none_under_way.is_any(paths)


@pytest.mark.parametrize("profile", [None, "work"])
def test_a_journal_of_any_profile_is_one(paths: Paths, profile: str | None) -> None:
    folder = Path(resolve(profile).updates_under_way)
    folder.mkdir(parents=True)
    (folder / "20260101T000000.000000Z-1-ab.json").write_text("{}")
    assert none_under_way.is_any(paths)


def test_a_profile_that_may_not_be_used_holds_up_no_other(paths: Paths, tmp_path: Path) -> None:
    folder = Path(paths.of("work").state)
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    tmp_path.chmod(0o755)  # a home that nobody else can enter makes up for it
    with pytest.raises(UsageError):
        sibling(paths, "work")
    assert not none_under_way.is_any(paths)


@pytest.mark.parametrize("ask_it", [NoneUnderWay.recover, NoneUnderWay.change])
def test_the_driver_begins_anew_once_it_is_asked_about_an_update(ask_it) -> None:
    renewed = []
    assert ask_it(NoneUnderWay(lambda: renewed.append(1)), "x") is None
    assert renewed


def test_the_driver_does_not_begin_anew_for_the_end_of_a_restart() -> None:
    renewed = []
    NoneUnderWay(lambda: renewed.append(1)).ended("x", "restarted", "")
    assert not renewed


@pytest.mark.parametrize(
    "who", ["gateway.run", "gateway.for_later", "gateway.skew_watch", "cli.restart_now", "restart.wait"]
)
def test_neither_a_gateway_nor_whoever_asks_imports_it(who: str) -> None:
    assert Path(none_under_way.__file__).match(str(ONLY_A_DRIVER))
    program = f"import sys, hermes_cli.{who}; print({none_under_way.__name__!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "False\n"
