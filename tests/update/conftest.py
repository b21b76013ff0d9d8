"""Real repositories: an upstream, and a clone of it that hermes runs from."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Source, git
from support.machines.installation import PATIENCE, REPOSITORY, Installation
from support.once import once

from hermes_cli.environment import MARKER, marker
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own

RECOVER = """
import logging, sys
from hermes_cli.paths import resolve
from hermes_cli.update.recovery import UpdateRecovery
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
UpdateRecovery(resolve()).recover(sys.argv[1])
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this package in its first commit."""
    return once(tmp_path_factory, "template", _first_commit) / "repository"


def _first_commit(place: Path) -> None:
    folder = place / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    shutil.copytree(REPOSITORY / "hermes_cli", folder / "hermes_cli", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, folder)
    (folder / ".gitignore").write_text("__pycache__/\nignored.txt\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "First")


@pytest.fixture
def source(tmp_path: Path, template: Path) -> Source:
    """An upstream with one commit, and a clone at it."""
    return Source(tmp_path, template)


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], source: Source) -> Installation:
    """An installation that runs from the clone; nothing runs yet."""
    return make_installation("home", code=source.clone)


@pytest.fixture
def stand_in(hermes: Installation, source: Source) -> Iterator[Instance]:
    """A process that is taken for the gateway, and that SIGUSR1 ends at once."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        described = own.new(process.pid, source.short(), "0", 0.0)
        found = Instance(described.identity, "ready", revision=described.revision, handles_signal=True)
        own.write(hermes.paths, found)
        yield found
        process.kill()


@pytest.fixture
def in_tree(hermes: Installation, stand_in: Instance) -> dict[str, str]:
    """The environment of a command in the stand-in's terminal."""
    return {MARKER: marker(hermes.paths.state, stand_in.identity.pid, stand_in.identity.start_ticks)}


@pytest.fixture
def recover(hermes: Installation) -> Callable[[], str]:
    """Do what a driver does for every update that was cut off; what is logged."""

    def run() -> str:
        said = ""
        for name in sorted(
            os.listdir(hermes.paths.updates_under_way) if os.path.isdir(hermes.paths.updates_under_way) else ()
        ):
            done = subprocess.run(
                [sys.executable, "-P", "-c", RECOVER, name.removesuffix(".json")],
                env=hermes.environment(),
                cwd="/",
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            said += done.stdout
        return said

    return run
