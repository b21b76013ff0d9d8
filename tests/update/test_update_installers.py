"""What a new revision of a checkout needs is installed by whatever made the environment; extras are kept."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import SHORT_CLOCKS, Installation
from support.releases.checkout import Checkout
from support.releases.wheels import NEEDED, SLOW, Environment, Wheels

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
PATH = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
WITH_EXTRA = (*NEEDED, 'extra<2; extra == "more"')


def run(*argv: str | Path, **variables: str) -> None:
    """One command, which must succeed."""
    environment = {**os.environ, "PATH": PATH, **variables}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=SLOW, check=False)
    assert done.returncode == 0, done.stderr


class Tooled(Environment):
    """An environment that another tool than pip makes, when the checkout is installed there."""

    def __init__(self, root: Path, tool: str) -> None:
        place = {"uv": root / "uv venv", "pipx": root / "pipx_home" / "venvs" / "hermes-gateway"}[
            tool.partition(" ")[0]
        ]
        super().__init__(place, Wheels.make(root / "wheels"))
        self.root, self.tool = root, tool
        links = str(self.wheels.folder)
        names = ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR", "UV_CACHE_DIR")
        self.variables = {name: str(root / name.lower()) for name in names}
        self.variables |= {"UV_OFFLINE": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": links}
        self.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": f"file://{links}"}
        self.variables["PIPX_DEFAULT_BACKEND"] = "pip" if tool.endswith("pip") else "uv"

    def pip(self, *arguments: str) -> None:
        _, _, project = arguments
        if self.tool == "uv":
            run("uv", "venv", "--python", sys.executable, self.folder, **self.variables)
            run("uv", "pip", "install", "--python", self.python, "-e", project, **self.variables)
            return
        where = f"--no-index --find-links {self.wheels.folder}"
        run(
            *("pipx", "install", "--skip-maintenance", "--python", sys.executable, f"--pip-args={where}"),
            *("--editable", project),
            **self.variables,
        )


@pytest.fixture(params=["uv", "pipx", "pipx with pip"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Tooled:
    if shutil.which(request.param.partition(" ")[0], path=PATH) is None:
        pytest.skip(f"{request.param} is not installed: pip install --group proof")
    return Tooled(tmp_path, request.param)


def installed(make_installation: Callable[..., Installation], checkout: Checkout, **variables: str) -> Installation:
    """Hermes as the environment of that checkout runs it, with the tools on PATH."""
    assert checkout.environment is not None
    python = str(checkout.environment.python)
    # In an environment that is not pip's a driver finds nothing of the tests.
    return make_installation(code=None, python=python, variables={"PATH": PATH, **variables})


def test_a_new_dependency_is_installed_by_the_tool_that_made_the_environment(
    make_installation: Callable[..., Installation], environment: Tooled, tmp_path: Path
) -> None:
    checkout = Checkout(tmp_path / "git", environment)
    hermes = installed(make_installation, checkout, **environment.variables)
    new = checkout.release(needs=("extra",))
    done = hermes.run("update", **_pip_variables(environment))
    assert done.returncode == 0, done.stderr
    assert (checkout.revision(), checkout.extra()) == (new, "2")


def _pip_variables(environment: Tooled) -> dict[str, str]:
    return {name: value for name, value in environment.variables.items() if name.startswith("PIP_")}


def test_an_environment_that_nobody_can_install_into_is_named(
    make_installation: Callable[..., Installation], tmp_path: Path
) -> None:
    if shutil.which("uv", path=PATH) is None:
        pytest.skip("uv is not installed: pip install --group proof")
    environment = Tooled(tmp_path, "uv")
    checkout = Checkout(tmp_path / "git", environment)
    hermes = installed(make_installation, checkout, **environment.variables)
    old = checkout.revision()
    checkout.release(needs=("extra",))
    done = hermes.run("update", PATH=os.defpath)
    assert done.returncode == 1
    assert "which is not on PATH" in done.stderr
    assert checkout.revision() == old


@pytest.mark.parametrize("how", ["installed", "configured"])
def test_the_extras_of_a_wheel_are_kept(
    make_installation: Callable[..., Installation], wheels_template: Environment, tmp_path: Path, how: str
) -> None:
    environment = wheels_template.branch(tmp_path)
    # An extra is called like its table in config.toml, and only tables that hermes knows may be there.
    needs = tuple(need.replace("more", "terminal") for need in WITH_EXTRA)
    environment.wheels.release("1.1", needs=needs)
    environment.pip("install", "hermes-gateway" + ("[terminal]" if how == "installed" else "") + "==1.1")
    assert environment.extra() == ("1" if how == "installed" else None)
    links = json.dumps(str(environment.wheels.folder))
    config = SHORT_CLOCKS.replace("[update]\n", f"[update]\nfind_links = {links}\n")
    config += "[terminal]\ntimeout = 60\n" if how == "configured" else ""
    hermes = make_installation(config=config, code=None, python=str(environment.python))
    environment.wheels.release("1.2", needs=tuple(need.replace("<2", ">=2") for need in needs))
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert (environment.version(), environment.extra()) == (["1.2"], "2")
    assert hermes.run("update", "--rollback").returncode == 0
    assert environment.version() == ["1.1"]
    assert environment.extra() == "1" or how == "configured"


def test_an_extra_that_is_not_installed_is_not_brought_in(
    make_installation: Callable[..., Installation], wheels_template: Environment, tmp_path: Path
) -> None:
    environment = wheels_template.branch(tmp_path)
    environment.wheels.release("1.1", needs=WITH_EXTRA)
    links = json.dumps(str(environment.wheels.folder))
    config = SHORT_CLOCKS.replace("[update]\n", f"[update]\nfind_links = {links}\n")
    hermes = make_installation(config=config, code=None, python=str(environment.python))
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert (environment.version(), environment.extra()) == (["1.1"], None)


@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_the_extras_that_a_tool_has_noted_are_kept(
    make_installation: Callable[..., Installation], wheels_template: Environment, tmp_path: Path, tool: str
) -> None:
    environment = wheels_template.branch(tmp_path)
    # Its package is gone, so that only the note says that it was asked for.
    environment.wheels.release("1.1", needs=WITH_EXTRA)
    environment.pip("install", "hermes-gateway==1.1")
    if tool == "uv":
        note = '[tool]\nrequirements = [{ name = "hermes-gateway", extras = ["more"] }]\n'
        (environment.folder / "uv-receipt.toml").write_text(note)
    else:
        note = json.dumps({"main_package": {"package_or_url": "hermes-gateway[more]==1.1"}, "backend": "pip"})
        (environment.folder / "pipx_metadata.json").write_text(note)
    code = (
        "from hermes_cli.update.sources.wheel import extras; import sys;"
        "print(*extras.wanted(sys.argv[1], sys.argv[2], ()))"
    )
    asked = subprocess.run(
        [environment.python, "-c", code, environment.site, environment.folder],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert asked.stdout == "more\n"


def test_the_extras_of_a_checkout_are_kept(
    make_installation: Callable[..., Installation], bare_template: Environment, tmp_path: Path
) -> None:
    environment = bare_template.branch(tmp_path)
    for version in ("1", "2"):
        environment.wheels.publish("extra", version, {"extra.py": f"VERSION = {version}\n".encode()})
    checkout = Checkout(tmp_path / "git", environment)
    _optional(checkout, "extra<2")
    checkout.pull()
    environment.pip("install", "-e", f"{checkout.path}[more]")
    assert checkout.extra() == "1"
    hermes = make_installation(code=None, python=str(environment.python))
    _optional(checkout, "extra>=2")
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert checkout.extra() == "2"


def _optional(checkout: Checkout, need: str) -> None:
    """A release whose extra `more` needs that."""
    file = checkout.author / "pyproject.toml"
    text = re.sub(r"^more = .*\n", "", file.read_text(), flags=re.MULTILINE)
    table = "[project.optional-dependencies]\n"
    file.write_text(text.replace(table, f"{table}more = [{json.dumps(need)}]\n"))
    checkout.release("README.md", "\n", f"\n{need}\n")
