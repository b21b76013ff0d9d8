"""`hermes config`: a setting is changed in its place, and what would be refused is never written."""

import json
import os
import stat
from pathlib import Path

import pytest

from hermes_cli.config import load

FILE = """\
# mine   \t
[gateway]   # head
drain_timeout   = 30   # why
stop_timeout=5

  [limits]
clients = 7 # few
[telegram]
token_file = '/x'   # not ours to read
"""


@pytest.fixture
def file(home) -> Path:
    found = Path(home, "config.toml")
    found.write_text(FILE)
    return found


def test_a_value_is_replaced_and_every_other_byte_stays(hermes, file):
    assert hermes("config", "set", "gateway.drain_timeout", "40.5").returncode == 0
    assert hermes("config", "set", "limits.clients", "8").returncode == 0
    assert file.read_text() == FILE.replace("= 30 ", "= 40.5 ").replace("= 7 ", "= 8 ")


def test_what_is_new_comes_at_the_end_of_its_section_and_goes_again(hermes, file):
    assert hermes("config", "set", "limits.turns", "3").returncode == 0
    assert hermes("config", "set", "update.command", '["a", "b c"]').returncode == 0
    assert hermes("config", "set", "terminal.shell", "/bin/bash").returncode == 0
    found = load(str(file))
    assert (found.limits.turns, found.update.command, found.terminal.shell) == (3, ("a", "b c"), "/bin/bash")
    for line in FILE.splitlines():
        assert line in file.read_text().splitlines()
    assert hermes("config", "get", "terminal.shell").stdout == "/bin/bash\n"
    assert hermes("config", "unset", "limits.turns").stdout.startswith("limits.turns: taken out; a running gateway")
    assert hermes("config", "unset", "limits.turns").stdout == "limits.turns was not set\n"
    assert "turns" not in file.read_text()


@pytest.mark.parametrize(
    "text", [FILE.replace("\n", "\r\n"), FILE.rstrip("\n"), ""], ids=["dos", "no newline", "empty"]
)
def test_any_form_of_file_is_kept(hermes, file, text):
    file.write_bytes(text.encode())
    assert hermes("config", "set", "restart.max_attempts", "2").returncode == 0
    assert load(str(file)).restart.max_attempts == 2
    assert file.read_bytes().startswith(text.encode())


def test_mode_and_link_stay(hermes, file):
    elsewhere = file.with_name("dotfiles.toml")
    file.rename(elsewhere)
    elsewhere.chmod(0o644)
    file.symlink_to(elsewhere)
    assert hermes("config", "set", "gateway.stop_timeout", "6").returncode == 0
    assert file.is_symlink()
    assert stat.S_IMODE(os.stat(elsewhere).st_mode) == 0o644
    assert load(str(file)).gateway.stop_timeout == 6


@pytest.mark.parametrize(
    ("key", "value", "code", "said"),
    [
        ("gateway.drain_timeout", "soon", 78, "must be a number"),
        ("gateway.drain_timeout", "-1", 78, "must be a number"),
        ("restart.max_attempts", "2.7", 78, "a whole one"),
        ("update.command", "x", 78, "a list of strings"),
        ("gateway.drain_timout", "4", 2, "did you mean gateway.drain_timeout"),
        ("drain_timeout", "4", 2, "did you mean gateway.drain_timeout"),
        ("gatway.drain_timeout", "4", 2, "did you mean gateway.drain_timeout"),
    ],
)
def test_what_would_be_refused_is_not_written(hermes, file, key, value, code, said):
    done = hermes("config", "set", "--", key, value)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert file.read_text() == FILE


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", 1),
        ("[gateway]\n\nstop_timeout = 'x'\n", 3),
        ("# a\n[gatway]\nx = 1\n", 2),
        ("drain_timeout = 5\n", 1),
        ("[gateway]\ndrain_timout = 5\n", 2),
        ("[restart]\nmax_attempts = 2.7\n", 2),
        ("[restart]\n\n# c\nmax_attempts = 0\n", 4),
        ("[gateway]\nstart_timeout = 0\n", 2),
        ("[gateway]\nstart_timeout = true\n", 2),
        ("[gateway]\nstart_timeout = nan\n", 2),
        ("[terminal]\nshell = 5\n", 2),
        ("[update]\ncommand = 'x'\n", 2),
        ("gateway = 5\n", 1),
        ("gateway.stop_timeout = 'x'\n", 1),
        ("[log]\nsize = 1\n", 2),
        ("[terminal]\nshell = '/nowhere/at/all'\n", 2),
        ("# a\n[update]\ncommand = ['x']\n", 3),
        ("[gateway]\nstop_timeout = 1\nstop_timeout = 2\n", 3),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(hermes, file, text, line):
    file.write_text(text)
    done = hermes("config", "validate")
    assert done.returncode == 78
    assert (
        f"(line {line}, column " in done.stderr
        or f"(at line {line}, column " in done.stderr
        or f"at line {line}, " in done.stderr
    )
    found = json.loads(hermes("config", "validate", "--json").stdout)
    assert (found["valid"], found["line"]) == (False, line)


def test_what_is_wrong_can_be_taken_out(hermes, file):
    file.write_text("[gateway]\nstop_timeout = 'x'\ndrain_timout = 5\n")
    assert hermes("config", "unset", "gateway.stop_timeout").returncode == 0
    assert hermes("config", "unset", "gateway.drain_timout").returncode == 0
    assert hermes("config", "validate").returncode == 0


def test_show_and_path_say_what_holds_and_where(hermes, file):
    assert hermes("config", "path").stdout == f"{file}\n"
    shown = hermes("config", "show").stdout
    assert "\ndrain_timeout = 30\n" in shown
    assert "\n# max_attempts = 5\n" in shown
    file.write_text(shown)  # it is a config.toml itself
    assert hermes("config", "show").stdout == shown
    assert json.loads(hermes("config", "show", "--json").stdout)["settings"]["gateway"]["drain_timeout"] == 30
