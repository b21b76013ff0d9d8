"""Whose home may be used, and in which directories others must not write."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from hermes_cli import config, home, paths
from hermes_cli.errors import ConfigError, UsageError
from hermes_cli.intents import hold
from hermes_cli.system import durable, trust
from hermes_cli.system.printable import printable

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
SOMEBODY = pwd.getpwnam("nobody")
A_GROUP_OF_NOBODY = 54321


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "home"
    (found / "state").mkdir(parents=True)
    (found / "logs").mkdir()
    monkeypatch.setenv("HERMES_HOME", str(found))
    return found


def refused() -> str:
    with pytest.raises(UsageError) as found:
        paths.resolve()
    assert "\n" not in str(found.value)
    return str(found.value)


@ROOT
def test_the_home_of_another_user_is_refused_with_the_command_that_asks_as_that_user(place: Path) -> None:
    os.chown(place, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    assert refused() == (
        f"{place} belongs to nobody (uid {SOMEBODY.pw_uid}), not to you: sudo -u nobody -H HERMES_HOME={place} hermes …"
    )


@ROOT
def test_a_user_without_a_name_is_named_by_the_uid(place: Path) -> None:
    os.chown(place, 54321, 54321)
    assert f"sudo -u '#54321' -H HERMES_HOME={place} hermes …, or chown -R 0 {place}" in refused()


@ROOT
@pytest.mark.parametrize("below", ["state", "logs"])
def test_a_directory_of_another_user_in_it_is_refused(place: Path, below: str) -> None:
    place.chmod(0o755)
    os.chown(place / below, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    assert f"{place / below} belongs to nobody" in refused()


@ROOT
def test_root_makes_no_home_in_the_home_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(tmp_path, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "new" / "home"))
    assert paths.resolve().state  # a volume that root of a container was given
    monkeypatch.setattr(trust, "home_of", lambda _: str(tmp_path))
    assert "belongs to nobody" in refused()
    assert list(tmp_path.iterdir()) == []


@ROOT
def test_a_home_that_root_made_for_a_service_user_says_how_it_becomes_theirs(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "state").rmdir()
    monkeypatch.setattr(os, "geteuid", lambda: SOMEBODY.pw_uid)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert refused() == f"{place} is root's and holds nothing of yours yet: sudo chown -R nobody {place}"


@ROOT
@pytest.mark.parametrize("below", [".", "state", "logs"])
def test_where_a_group_with_other_members_may_write_it_is_refused(place: Path, below: str) -> None:
    place.chmod(0o755)
    os.chown(place / below, 0, SOMEBODY.pw_gid)
    (place / below).chmod(0o2770 if below == "." else 0o775)
    said = refused()
    assert "is writable by group nogroup, which has members besides you: chmod g-w" in said or "nobody" in said


@pytest.mark.parametrize("mode", [0o775, 0o770, 0o2775])
def test_umask_002_with_a_group_of_ones_own_is_harmless(place: Path, mode: int) -> None:
    place.chmod(mode)
    (place / "state").chmod(mode)
    assert paths.resolve().home == str(place)


@ROOT
def test_a_group_without_members_is_harmless(place: Path) -> None:
    os.chown(place, 0, A_GROUP_OF_NOBODY)
    place.chmod(0o770)
    assert paths.resolve().home == str(place)


def test_what_everyone_may_write_to_is_refused(place: Path) -> None:
    place.chmod(0o777)
    assert "is writable by everyone" in refused()
    place.chmod(0o755)
    (place / "state").chmod(0o777)
    assert f"chmod o-w {place}/state" in refused()


@ROOT
def test_files_of_another_user_are_not_believed(place: Path) -> None:
    path = place / "state" / "gateway.json"
    path.write_text('{"pid": 1}')
    assert durable.read_json(str(path)) == {"pid": 1}
    os.chown(path, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    assert durable.read_json(str(path)) is None
    settings = place / "config.toml"
    settings.write_text("")
    assert config.load(str(settings))
    os.chown(settings, SOMEBODY.pw_uid, SOMEBODY.pw_gid)
    with pytest.raises(ConfigError, match="belongs to nobody, so it is not believed"):
        config.load(str(settings))


def test_settings_that_everyone_can_change_are_not_believed(place: Path) -> None:
    settings = place / "config.toml"
    settings.write_text("")
    settings.chmod(0o666)
    with pytest.raises(ConfigError, match="writable by everyone, so it is not believed: chmod go-w"):
        config.load(str(settings))


@pytest.mark.parametrize(("there", "asked"), [("work", "Work"), ("Work", "wORK"), ("", "Default")])
def test_profiles_that_differ_in_case_only_are_one(place: Path, there: str, asked: str) -> None:
    (place / "state" / "profiles" / there).mkdir(parents=True)
    with pytest.raises(UsageError, match="in case only"):
        paths.resolve(asked)
    assert paths.resolve(there or None).state


def test_two_that_are_there_already_stay(place: Path) -> None:
    for name in ("work", "Work"):
        (place / "state" / "profiles" / name).mkdir(parents=True, exist_ok=True)
        assert paths.resolve(name).profile == name


def test_a_profile_that_only_has_settings_counts(place: Path) -> None:
    (place / "profiles" / "work").mkdir(parents=True)
    with pytest.raises(UsageError, match="in case only"):
        paths.resolve("WORK")


def test_what_hermes_makes_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        (tmp_path / "holds").mkdir()
        with hold.hold(str(tmp_path / "holds"), "20261123T160511.123456Z-4321-9f3a"):
            files = [*(tmp_path / "holds").iterdir()]
            assert [stat.S_IMODE(one.stat().st_mode) for one in files] == [0o600]
    finally:
        os.umask(before)


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\nb", "\x9b31m", "\u202egpj", "\x7f", "\u2028", "\ud800", "\r"])
def test_what_moves_a_cursor_or_turns_the_order_round_is_shown_as_a_question_mark(text: str) -> None:
    assert "?" in printable(text)
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


def test_a_long_text_is_cut() -> None:
    assert printable("x" * 9000, 10) == "x" * 9 + "…"
    assert printable("grüße, 世界") == "grüße, 世界"
    assert home is not None
