"""Which code is installed, asked of git where git knows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE

import hermes_cli

_SOURCE = Path(hermes_cli.__file__).parent
_ASK = "from hermes_cli.installation.revision import installed_revision; print(installed_revision())"
_ASK_BRIEFLY = f"from hermes_cli.installation import revision; revision.GIT_TIMEOUT = 0.5; {_ASK}"


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A directory with a copy of what `installed_revision` needs."""
    copy = tmp_path / "checkout" / "hermes_cli"
    for room in ("installation", "system"):
        shutil.copytree(_SOURCE / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_SOURCE / "__init__.py", copy)
    return tmp_path / "checkout"


def git(directory, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    return subprocess.run(
        ["git", "-C", str(directory), *identity, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout.strip()


def ask(checkout, program=_ASK, **variables):
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    return subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout.strip()


def committed(directory):
    git(directory, "init", "-q")
    git(directory, "add", ".")
    git(directory, "commit", "-qm", "one")
    return git(directory, "rev-parse", "--short=12", "HEAD")


def test_a_checkout_is_named_by_its_commit(checkout):
    head = committed(checkout)
    assert ask(checkout) == head


def test_without_a_checkout_the_version_is_the_revision(checkout):
    assert ask(checkout) == hermes_cli.__version__


def test_a_package_inside_somebody_elses_checkout_is_not_named_by_it(checkout):
    (checkout.parent / ".gitignore").write_text("checkout\n")
    committed(checkout.parent)
    assert ask(checkout) == hermes_cli.__version__


def test_variables_of_another_repository_mislead_nobody(checkout, tmp_path):
    head = committed(checkout)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("x")
    committed(tmp_path / "other")
    assert ask(checkout, GIT_DIR=str(tmp_path / "other" / ".git")) == head


def test_a_checkout_without_git_to_ask_cannot_be_told(checkout, tmp_path):
    committed(checkout)
    assert ask(checkout, PATH=str(tmp_path)) == "None"


def test_a_git_that_hangs_is_not_waited_for_and_nothing_is_told(checkout, tmp_path):
    committed(checkout)
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "git").chmod(0o755)
    assert ask(checkout, _ASK_BRIEFLY, PATH=f"{tmp_path}:{os.environ['PATH']}") == "None"


@pytest.mark.parametrize("kills", [1, 2])
def test_a_git_that_is_killed_is_asked_once_more_and_makes_no_checkout_a_version(checkout, tmp_path, kills):
    head, count = committed(checkout), tmp_path / "count"
    tried = f'echo >>{count}; [ "$(wc -l <{count})" -gt {kills} ] && exec {shutil.which("git")} "$@"'
    (tmp_path / "git").write_text(f"#!/bin/sh\n{tried}\nkill -KILL $$\n")
    (tmp_path / "git").chmod(0o755)
    assert ask(checkout, PATH=f"{tmp_path}:{os.environ['PATH']}") == (head if kills == 1 else "None")


def test_git_is_not_asked_whether_what_runs_is_still_installed(checkout, tmp_path):
    """Each status would start it, only to learn that nothing is stale."""
    head = committed(checkout)

    def known(running: str) -> str:
        program = f"from hermes_cli.installation.revision import query; print(query({running!r})())"
        return ask(checkout, program, PATH=str(tmp_path))  # where no git is

    assert known(head) == head
    assert known("0" * 12) == "None"
    (checkout / "new").write_text("")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "two")
    assert known(head) == "None"
