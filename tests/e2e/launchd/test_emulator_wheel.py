"""The launchd emulator as others get it: its wheel, in a fresh environment, far from this repository."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.machines.installation import REPOSITORY
from support.releases.wheels import SLOW, Wheels

EMULATOR = REPOSITORY / "tests" / "launchd"
WITHOUT_PYTEST = """\
import sys
from pathlib import Path
from launchd_emulator import Launchd
assert "pytest" not in sys.modules
with Launchd(Path("launchd")) as launchd:
    print(launchd.launchctl("managername").stdout)
"""


def run(*argv: object, folder: Path) -> str:
    """One command in a folder, knowing nothing of this repository and of the tests that run; what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "VIRTUAL"))}
    done = subprocess.run(
        [*map(str, argv)], cwd=folder, env=kept, capture_output=True, text=True, timeout=SLOW, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def needed(name: str) -> set[str]:
    """A distribution that is installed here, and what it needs."""
    found = {name}
    for one in map(Requirement, metadata.requires(name) or []):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found |= needed(one.name)
    return found


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """The emulator's wheel, built from a copy of its folder alone, and pytest's."""
    folder = tmp_path_factory.mktemp("emulator")
    shutil.copytree(EMULATOR, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    made = Wheels(folder / "wheels")
    for name in needed("pytest"):
        made.repack(name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", made.folder]
    # Where the build tool is not at hand pip fetches it.
    at_hand = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    run(*pip, *at_hand, folder / "source", folder=folder)
    return made


@pytest.fixture
def python(wheels: Wheels, tmp_path: Path) -> Path:
    """The interpreter of an environment in which nothing but the emulator is."""
    venv.EnvBuilder(symlinks=True, with_pip=False).create(tmp_path / "environment")
    found = tmp_path / "environment" / "bin" / "python"
    install(found, wheels, "launchd-emulator")
    return found


def install(python: Path, wheels: Wheels, *names: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index"]
    run(*pip, "--find-links", wheels.folder, *names, folder=wheels.folder)


def example() -> str:
    """The README's example."""
    found = re.search(
        r"^<!-- example -->\n```python\n(.*?)^```$", (EMULATOR / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "conftest", ["", 'pytest_plugins = ["launchd_emulator.fixture"]\n'], ids=["installed", "named"]
)
def test_the_readmes_example_runs_and_no_plugin_is_registered_twice(
    python: Path, wheels: Wheels, tmp_path: Path, conftest: str
) -> None:
    install(python, wheels, "pytest")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "test_example.py").write_text(example())
    (folder / "conftest.py").write_text(conftest)
    tests = example().count("def test_")
    own = ["--basetemp", folder / "temporary"]  # the run that this is in has hundreds of folders where pytest tidies up
    shown = run(python, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", *own, folder=folder)
    assert f"{tests} passed" in shown
    assert str(REPOSITORY) not in shown


def test_it_works_without_pytest(python: Path, tmp_path: Path) -> None:
    assert run(python, "-c", WITHOUT_PYTEST, folder=tmp_path) == "Aqua\n\n"


def test_the_wheel_has_the_package_the_licence_and_no_dependency(wheels: Wheels) -> None:
    (path,) = wheels.folder.glob("launchd_emulator-*.whl")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (about,) = (name.removesuffix("METADATA") for name in names if name.endswith(".dist-info/METADATA"))
        described = HeaderParser().parsestr(archive.read(f"{about}METADATA").decode())
        licence = archive.read(f"{about}licenses/LICENSE").decode()
    assert {name.split("/")[0] for name in names} == {"launchd_emulator", about.rstrip("/")}
    assert {f"launchd_emulator/{path.name}" for path in (EMULATOR / "launchd_emulator").glob("*.py")} <= set(names)
    assert "launchd_emulator/py.typed" in names
    assert licence == (REPOSITORY / "LICENSE").read_text()
    assert described["Requires-Python"] == ">=3.11"
    assert described.get_all("Requires-Dist") is None
    assert f"## [{described['Version']}]" in (EMULATOR / "CHANGELOG.md").read_text()
