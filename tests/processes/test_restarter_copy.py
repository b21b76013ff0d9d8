"""The copy that a driver runs from when the installed package cannot be imported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.machines.installation import PATIENCE, REPOSITORY, Installation

from hermes_cli.installation import copy

WHERE = "import hermes_cli, platformdirs, psutil; print(hermes_cli.__file__, platformdirs.__file__, psutil.__file__)"


def run(argv: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env={**os.environ, **variables}, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.fixture
def hermes(tmp_path: Path) -> Installation:
    shutil.copytree(REPOSITORY / "hermes_cli", tmp_path / "code" / "hermes_cli")
    return Installation(tmp_path / "home", code=tmp_path / "code")


def keep(hermes: Installation) -> str:
    program = (
        "from hermes_cli.paths import resolve; from hermes_cli.installation.copy import keep, python_path\n"
        "keep(resolve()); print(python_path(resolve()))"
    )
    done = run([sys.executable, "-P", "-c", program], **hermes.environment())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_has_all_that_a_driver_imports_and_nothing_from_elsewhere(hermes: Installation) -> None:
    place = keep(hermes)
    done = run([sys.executable, "-P", "-c", WHERE], PYTHONPATH=place)
    assert all(path.startswith(place) for path in done.stdout.split())


def test_it_speaks_for_the_installation_that_it_was_made_from(hermes: Installation) -> None:
    place = keep(hermes)
    program = "from hermes_cli.installation import origin as i; print(i.package(), i.copy(), sep='\\n')"
    done = run([sys.executable, "-P", "-c", program], PYTHONPATH=place)
    assert done.stdout.splitlines() == [os.path.realpath(hermes.code / "hermes_cli"), place]


def test_what_it_starts_is_not_looked_for_in_the_copy(hermes: Installation) -> None:
    place = keep(hermes)
    program = "from hermes_cli.environment import scrubbed; print(scrubbed().get('PYTHONPATH'))"
    assert run([sys.executable, "-P", "-c", program], PYTHONPATH=f"{place}:/else").stdout == "/else\n"
    assert run([sys.executable, "-P", "-c", program], PYTHONPATH=place).stdout == "None\n"


def test_the_same_package_is_not_copied_again_and_another_one_replaces_it_whole(hermes: Installation) -> None:
    place = keep(hermes)
    first = os.readlink(place)
    keep(hermes)
    assert os.readlink(place) == first
    (hermes.code / "hermes_cli" / "more.py").write_text("")
    keep(hermes)
    assert os.readlink(place) != first
    assert Path(place, "hermes_cli", "more.py").exists()
    assert not any(name.startswith(("new-", "link-")) for name in os.listdir(os.path.dirname(place)))


def test_a_copy_that_was_cut_off_is_made_again(hermes: Installation) -> None:
    place = keep(hermes)
    Path(place, "hermes_cli", "installed-at").unlink()
    Path(place, "hermes_cli", "config.py").unlink()
    keep(hermes)
    assert Path(place, "hermes_cli", "config.py").exists()


def test_the_copy_never_copies_itself(hermes: Installation) -> None:
    place = keep(hermes)
    first = os.readlink(place)
    shutil.rmtree(hermes.code / "hermes_cli")
    program = "from hermes_cli.paths import resolve; from hermes_cli.installation.copy import keep; keep(resolve())"
    done = run([sys.executable, "-P", "-c", program], **{**hermes.environment(), "PYTHONPATH": place})
    assert (done.returncode, os.readlink(place)) == (0, first)


@pytest.mark.parametrize("step", ["begun", "proven"])
def test_the_copy_goes_first_only_while_the_code_is_in_flux(hermes: Installation, step: str) -> None:
    keep(hermes)
    os.makedirs(hermes.paths.updates_under_way)
    Path(hermes.paths.updates_under_way, "x.json").write_text(json.dumps({"step": step}))
    argv = copy.driver_argv(hermes.paths, "cli")
    assert argv[6] == ("copy" if step == "begun" else "installed")


def test_a_driver_that_cannot_be_imported_is_followed_by_the_copys(hermes: Installation) -> None:
    keep(hermes)
    argv = copy.driver_argv(hermes.paths, "cli")
    (hermes.code / "hermes_cli" / "__init__.py").write_text("raise ImportError('half a change')\n")
    done = run(argv, **hermes.environment())
    assert done.returncode == 0, done.stderr
    assert "half a change" in done.stderr


def test_without_a_copy_the_installed_driver_is_all_there_is(hermes: Installation) -> None:
    assert copy.driver_argv(hermes.paths, "cli")[1:4] == ["-P", "-m", "hermes_cli.restarter"]
