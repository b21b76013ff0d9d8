"""Where everything lies, and which homes and names are refused."""

import os

import pytest

from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths, profiles, resolve, sibling


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return str(tmp_path)


def test_everything_lies_below_hermes_home(home):
    found = resolve()
    assert found.state == f"{home}/state"
    assert found.config == f"{home}/config.toml"
    assert found.logs == f"{home}/logs"
    assert found.instance == f"{home}/state/gateway.json"
    assert found.gateway_lock == f"{home}/state/gateway.lock"
    assert found.socket == f"{home}/state/gateway.sock"
    assert found.desired == f"{home}/state/desired.json"
    assert found.pending == f"{home}/state/restart-intents/pending"


def test_a_profile_has_directories_of_its_own(home):
    found = resolve("work")
    assert found.state == f"{home}/state/profiles/work"
    assert found.config == f"{home}/profiles/work/config.toml"
    assert found.logs == f"{home}/logs/profiles/work"
    assert found.pending.startswith(found.state)


def test_one_update_at_a_time_whatever_the_profile(home):
    assert resolve("work").update_lock == resolve().update_lock


def test_the_profile_comes_from_the_option_then_the_environment(home, monkeypatch):
    assert resolve().profile == "default"
    monkeypatch.setenv("HERMES_PROFILE", "work")
    assert resolve().profile == "work"
    assert resolve("play").profile == "play"


def test_without_a_home_the_platforms_own_directories_are_used(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    found = resolve()
    assert found.state.startswith(str(tmp_path))
    assert "hermes" in found.state


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".", ".hidden", "-x", "a b", "a\n", "a..b", "/", "ü", "x" * 65, "\0", "a\\b", "$(x)"]
)
def test_what_is_no_name_is_refused_in_one_line(home, name):
    with pytest.raises(UsageError) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)


def test_an_empty_name_is_refused_rather_than_taken_for_the_default(home):
    with pytest.raises(UsageError):
        resolve("")


@pytest.mark.parametrize("name", ["a", "work", "w0rk.2_x-y", "x" * 64, "1"])
def test_ordinary_names_are_accepted(home, name):
    assert resolve(name).profile == name


def test_a_home_that_does_not_exist_yet_is_fine(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMES_HOME", f"{tmp_path}/not/yet")
    assert resolve().state == f"{tmp_path}/not/yet/state"
    assert not os.path.exists(f"{tmp_path}/not")


def test_a_home_that_is_a_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HERMES_HOME", f"{tmp_path}/file")
    with pytest.raises(UsageError, match="not a directory"):
        resolve()


def test_a_home_below_a_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HERMES_HOME", f"{tmp_path}/file/home")
    with pytest.raises(UsageError, match="below a file"):
        resolve()


def test_a_home_that_everyone_may_write_is_refused(tmp_path, monkeypatch):
    os.chmod(tmp_path, 0o777)
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="chmod o-w"):
        resolve()


def test_a_home_in_a_loop_of_links_is_refused(tmp_path, monkeypatch):
    os.symlink(f"{tmp_path}/loop", f"{tmp_path}/loop")
    monkeypatch.setenv("HERMES_HOME", f"{tmp_path}/loop")
    with pytest.raises(UsageError, match="HERMES_HOME"):
        resolve()


def test_a_home_with_a_tilde_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HERMES_HOME", "~/hermes")
    assert resolve().state == f"{tmp_path}/hermes/state"


def test_a_relative_home_is_refused_or_fixed_to_one_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HERMES_HOME", "here")
    try:
        found = resolve()
    except UsageError:
        return
    assert found.state == f"{tmp_path}/here/state"


def test_a_home_with_spaces_quotes_and_other_letters_is_kept(tmp_path, monkeypatch):
    odd = f'{tmp_path}/it\'s "mine" — größer'
    monkeypatch.setenv("HERMES_HOME", odd)
    assert resolve().state == f"{odd}/state"


def test_profiles_are_found_by_their_directories_the_default_first(home):
    for name in ("work", "play", "not a name", "file"):
        os.makedirs(f"{home}/state/profiles/{name}") if name != "file" else None
    with open(f"{home}/state/profiles/a-file", "w", encoding="ascii"):
        pass
    assert profiles(resolve("work")) == ["default", "play", "work"]


def test_without_any_profile_there_is_the_default(home):
    assert profiles(resolve()) == ["default"]


def test_a_sibling_shares_the_installation(home):
    assert sibling(resolve(), "work").state == resolve("work").state
    assert isinstance(sibling(resolve(), "default"), Paths)
