"""The file in which a manager notes how the gateway ended."""

import os
import subprocess

import pytest

from hermes_cli.paths import Paths
from hermes_cli.programs import ends
from hermes_cli.programs.ends import End


@pytest.fixture(autouse=True)
def _state(paths: Paths) -> None:
    os.makedirs(paths.state, mode=0o700, exist_ok=True)


@pytest.mark.parametrize(
    ("code", "status", "read"),
    [("exited", "1", 1), ("killed", "SEGV", -11), ("dumped", "ABRT", -6), ("killed", "64", -64)],
)
def test_what_systemd_is_told_is_noted_by_a_shell(paths: Paths, code: str, status: str, read: int) -> None:
    environment = {"PATH": os.environ["PATH"], "EXIT_CODE": code, "EXIT_STATUS": status}
    subprocess.run(ends.argv(paths), env=environment, check=True)
    (found,) = ends.read(paths)
    assert (found.pid, found.code) == (0, read)
    assert os.stat(ends.path_of(paths)).st_mode & 0o777 == 0o600


def test_a_shell_that_cannot_write_fails_nobody(paths: Paths) -> None:
    os.mkdir(ends.path_of(paths))
    assert subprocess.run(ends.argv(paths), env={"PATH": os.environ["PATH"]}, check=False).returncode == 0
    assert ends.read(paths) == ()
    ends.note(paths, End(1.0, 2, 3))


def test_both_writers_are_bounded(paths: Paths) -> None:
    environment = {"PATH": os.environ["PATH"], "EXIT_CODE": "exited", "EXIT_STATUS": "1"}
    for number in range(1000):
        ends.note(paths, End(float(number), 4242, -11))
    assert os.stat(ends.path_of(paths)).st_size < 5000
    with open(ends.path_of(paths), "ab") as file:
        file.write(b"x" * 5000)
    subprocess.run(ends.argv(paths), env=environment, check=True)
    assert [one.code for one in ends.read(paths)] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "now 1 exited 0\n",
        "1 1 exited x\n",
        "1 1 killed NOSUCH\n",
        "\xff 1 2 3 4",
        "inf 1 exited 0",
        "nan 1 exited 0",
    ],
)
def test_lines_that_say_nothing_are_passed_over(paths: Paths, text: str) -> None:
    with open(ends.path_of(paths), "w", encoding="latin-1") as file:
        file.write(text)
    os.chmod(ends.path_of(paths), 0o600)
    assert ends.read(paths) == ()
