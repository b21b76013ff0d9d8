"""Program files: what is right is read, what is wrong is said with line and column."""

import pytest

from hermes_cli.errors import ConfigError
from hermes_cli.programs.program_file import BUILT_IN, built_in, fill, parse

RIGHT = built_in("hermes-agent").text


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_built_in_ones_are_right(name: str) -> None:
    assert built_in(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('signal = "SIGUSR1"', 'signl = "SIGUSR1"', "restart.signl is not a key here; known are signal"),
        ('"SIGUSR1"', '"SIGFOO"', "restart.signal 'SIGFOO' is no signal"),
        ("helper = 6.0", 'helper = "long"', "patience.helper must be a number"),
        ("helper = 6.0", "helper = -1", "patience.helper must be a number"),
        ('exists = "{home}/gateway.pid"', 'exists = "{hom}/gateway.pid"', "has the placeholder {hom}"),
        ("schema = 1", "schema = 2", "schema must be 1"),
        ('name = "hermes-agent"', 'name = "../x"', "name must be lower case"),
        ("restart = [75]", 'restart = ["75"]', "restart.exits.restart must be a whole number"),
        ("[patience]", "[patients]", "patients is not a key"),
        ("helper = 6.0", "helper = 6.0\nspawn_interval = 3", "patience.spawn_interval is not a key here"),
        ('exists = "{home}/gateway.pid"', "fresh = 3.0", "restart.signal_when must ask one thing, one of json, exists"),
        ("schema = 1\n", 'schema = 1\nargv = ["x"]\n', "argv is not a key here; known are schema, name, home, service"),
        ('name = "hermes-agent"', "", "name is missing"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(old: str, new: str, said: str) -> None:
    assert RIGHT.count(old) >= 1
    text = RIGHT.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        parse("f.toml", text)
    place, _, complaint = str(caught.value).partition(": ")
    assert said in complaint
    line = int(place.split(":")[1])
    if new:
        assert new.rstrip().splitlines()[-1].split(" =", maxsplit=1)[0].strip("[]") in text.splitlines()[line - 1]


TAKEN_OVER = """\
schema = 1
name = "files"
argv = ["{python}", "-m", "http.server"]
[instance]
pid = "manager"
[restart]
signal = "SIGTERM"
"""


@pytest.mark.parametrize(
    ("more", "place", "said"),
    [
        ("drain_limit = 3.0", "8:1", "restart.drain_limit is not a key here; known are signal, exit_limit, exits"),
        ("[watch]\npaths = []", "8:1", "watch is not a key here"),
        ("exits = { upgrade = [4] }", "8:11", "restart.exits.upgrade is not a key here"),
    ],
)
def test_what_nothing_reads_of_a_program_that_is_taken_over_is_refused(more: str, place: str, said: str) -> None:
    assert parse("f.toml", TAKEN_OVER).name == "files"
    with pytest.raises(ConfigError) as caught:
        parse("f.toml", f"{TAKEN_OVER}{more}\n")
    assert str(caught.value).startswith(f"f.toml:{place}: {said}")


def test_what_is_no_toml_is_said_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"not valid TOML .*line 1"):
        parse("f.toml", "schema = !\n")


def test_placeholders_are_filled_in_and_nothing_else() -> None:
    assert fill("{home}/x {pid} {{}} $HOME", {"home": "/h", "pid": "{home}"}) == "/h/x {home} {{}} $HOME"
