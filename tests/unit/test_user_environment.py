"""What the service has of its user's environment: whatever lies in the place of its files is said, and holds nobody up."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli import user_environment
from hermes_cli.errors import Advice
from hermes_cli.paths import Paths

READ = """
import sys
from hermes_cli import user_environment
from hermes_cli.paths import Paths
print(user_environment.of_service(Paths("default", *sys.argv[1:]), {"PATH": "/bin"}).keys())
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths("default", f"{tmp_path}/a home/state", f"{tmp_path}/a home", f"{tmp_path}/logs")
    os.makedirs(found.state)
    return found


def environment_file(paths: Paths) -> Path:
    return Path(user_environment.path_of(paths))


@pytest.mark.parametrize("name", ["environment", "state/login-path"])
def test_a_fifo_in_its_place_holds_nobody_up(paths, name):
    os.mkfifo(environment_file(paths).parent / name, 0o600)
    arguments = (paths.state, str(environment_file(paths).parent), paths.logs)
    done = subprocess.run(
        [sys.executable, "-c", READ, *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout == "dict_keys(['PATH'])\n", done.stderr


@pytest.mark.parametrize(
    "spoil",
    [lambda file: file.mkdir(), lambda file: (file.touch(), file.chmod(0o666))],
    ids=["directory", "writable by others"],
)
def test_what_is_wrong_is_mended_by_the_command_that_it_carries(paths, spoil):
    spoil(environment_file(paths))
    with pytest.raises(user_environment.EnvironmentFileError) as raised:
        user_environment.read(paths)
    found = raised.value.problem
    assert str(raised.value) == f"{found.text}: {found.mend}"
    assert not isinstance(found.mend, Advice)
    subprocess.run(shlex.split(found.mend), check=True)
    assert user_environment.read(paths) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A=1\nB: 2\n", "line 2 is not NAME=value"),
        ("HERMES_HOME=/elsewhere\n", "HERMES_HOME has no place in"),
        ("A-B=1\n", "line 1 is not NAME=value"),
        ("A=" + "1" * (1 << 20), "more than 1048576 bytes"),
    ],
)
def test_what_it_says_is_its_users_to_mend(paths, text, said):
    environment_file(paths).write_text(text)
    environment_file(paths).chmod(0o600)
    with pytest.raises(user_environment.EnvironmentFileError) as raised:
        user_environment.read(paths)
    assert said in raised.value.problem.text
    assert isinstance(raised.value.problem.mend, Advice)
