"""Updates of what pipx and uv installed, each with its own command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import PATIENCE
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.changes import CRASHES_AT_IMPORT
from support.releases.wheels import Environment, Wheels

PATH = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
DIRECTORIES = ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "UV_CACHE_DIR", "PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")


@pytest.fixture(params=["uv", "pipx", "pipx with pip"])
def backend(request: pytest.FixtureRequest) -> str:
    """What pipx is to use below it, where it can choose."""
    return "pip" if request.param.endswith("pip") else "uv"


@pytest.fixture
def tool(request: pytest.FixtureRequest, backend: str) -> str:
    """A tool that is there, as it is wherever the group `proof` is installed."""
    name = request.node.callspec.params["backend"].partition(" ")[0]
    if shutil.which(name, path=PATH) is None:
        pytest.skip(f"{name} is not installed: pip install --group proof")
    return name


@pytest.fixture
def environment(tmp_path: Path, tool: str, backend: str) -> Environment:
    """hermes 1.0, installed with that tool."""
    wheels = Wheels.make(tmp_path / "wheels")
    folders = {name: str(tmp_path / name.lower()) for name in DIRECTORIES} | {"PIPX_DEFAULT_BACKEND": backend}
    where = ["--no-index", "--find-links", str(wheels.folder)]
    install = {
        "uv": ["uv", "tool", "install", "--python", sys.executable, *where, "hermes-gateway"],
        "pipx": [
            "pipx",
            "install",
            "--skip-maintenance",
            "--python",
            sys.executable,
            f"--pip-args={' '.join(where)}",
            "hermes-gateway",
        ],
    }[tool]
    done = subprocess.run(
        install,
        env={**os.environ, **folders, "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    place = {
        "uv": tmp_path / "uv_tool_dir" / "hermes-gateway",
        "pipx": tmp_path / "pipx_home" / "venvs" / "hermes-gateway",
    }
    return Environment(place[tool], wheels)


@pytest.fixture
def hermes(make_installation: Callable[..., Installation], environment: Environment, tmp_path: Path) -> Installation:
    links = json.dumps(str(environment.wheels.folder))
    config = SHORT_CLOCKS.replace("[update]\n", f"[update]\nfind_links = {links}\n")
    # A cache of its own: what uv keeps of another test's release has the same name.
    cache = {"UV_CACHE_DIR": str(tmp_path / "uv_cache_dir")}
    return make_installation(config=config, code=None, python=str(environment.python), variables=cache)


def test_a_tools_own_command_brings_in_a_release_goes_back_and_undoes_a_broken_one(
    hermes: Installation, environment: Environment, tool: str
) -> None:
    before = hermes.install()
    environment.wheels.release("1.1")
    assert f"1.0 → 1.1, {tool}" in hermes.run("update", "--check", PATH=PATH).stdout
    done = hermes.run("update", PATH=PATH)
    assert done.returncode == 0, done.stderr
    updated = hermes.ready(other_than=before)
    assert updated.revision == "1.1"
    files = environment.files()
    environment.wheels.release("1.2", CRASHES_AT_IMPORT)
    done = hermes.run("update", PATH=PATH)
    assert "ImportError: a bad day" in done.stderr
    assert environment.files() == files
    assert hermes.ready().identity == updated.identity
    assert hermes.run("update", "--to", "1.0", PATH=PATH).returncode == 0
    assert hermes.ready(other_than=updated).revision == "1.0"
    assert environment.version() == ["1.0"]


def test_a_tool_that_is_gone_is_named(hermes: Installation, tool: str) -> None:
    done = hermes.run("update", PATH=os.defpath)
    assert done.returncode == 1
    assert f"hermes was installed with {tool}, which is not on PATH" in done.stderr
