"""hermes-agent as its installer lays it out: the release's files under git, an environment in the checkout, an origin.

The origin is a repository on this machine that git is told to find under the official address, one commit ahead: what
`hermes update` finds, fetches and installs.
"""

import os
import shutil
import subprocess
import venv
from configparser import ConfigParser
from email.parser import HeaderParser
from pathlib import Path

from filelock import FileLock

OFFICIAL = "https://github.com/NousResearch/hermes-agent.git"
_PATIENCE = 600


def _run(*argv: object, cwd: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GIT_", "PIP_"))}
    who = {f"GIT_{role}_{what}": "test@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        [*map(str, argv)], cwd=cwd, env={**kept, **who}, capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Checkout:
    """One in `folder`; `python` is the interpreter of an environment that has the release."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder = folder / "hermes-agent"
        self.origin = folder / "origin.git"
        template = _template(python)
        shutil.copytree(template / "tree", self.folder, symlinks=True)
        _run("git", "clone", "-q", "--bare", self.folder, self.origin, cwd=folder)
        _run("git", "remote", "add", "origin", OFFICIAL, cwd=self.folder)
        self._environment(python, template)
        self._ahead = folder / "ahead"
        _run("git", "clone", "-q", self.origin, self._ahead, cwd=self.folder)
        self.advance()
        self.python = self.folder / "venv" / "bin" / "python"

    def gitconfig(self, home: Path) -> None:
        """Have git of that account find the origin at the official address."""
        (home / ".gitconfig").write_text(f'[url "{self.origin}"]\n\tinsteadOf = {OFFICIAL}\n[safe]\n\tdirectory = *\n')

    def revision(self) -> str:
        return _run("git", "rev-parse", "HEAD", cwd=self.folder).strip()

    def _environment(self, python: Path, template: Path) -> None:
        """What the release needs is taken from its other environment; it is itself installed from the checkout."""
        environment = self.folder / "venv"
        venv.EnvBuilder(symlinks=True, with_pip=True).create(environment)
        # The build tool comes from a folder, and nothing from the index: there is no network.
        (environment / "pip.conf").write_text(
            f"[global]\nno-index = true\nfind-links = {template / 'wheels'}\ndisable-pip-version-check = true\n"
        )
        (site,) = environment.glob("lib/python*/site-packages")
        (other,) = python.parent.parent.glob("lib/python*/site-packages")
        for path in other.iterdir():
            is_tool = path.name.startswith(
                ("pip", "setuptools", "hermes_agent-", "pkg_resources", "_distutils", "distut")
            )
            if not is_tool and not (template / "tree" / path.name).exists() and path.name != "__pycache__":
                (site / path.name).symlink_to(path)
        _run(environment / "bin" / "python", "-m", "pip", "install", "-q", "-e", ".", cwd=self.folder)

    def advance(self) -> None:
        """One commit more at the origin."""
        with (self._ahead / "NEWS").open("a") as news:
            news.write("one commit more\n")
        _run("git", "add", "NEWS", cwd=self._ahead)
        _run("git", "commit", "-q", "-m", "one commit more", cwd=self._ahead)
        _run("git", "push", "-q", "origin", "HEAD:main", cwd=self._ahead)


def _template(python: Path) -> Path:
    """Return the folder, made once, of the release's files under git and of the wheels to build them with."""
    template = python.parent.parent.parent / f"{python.parent.parent.name}-checkout"
    with FileLock(f"{template}.lock"):
        if not (template / "made").exists():
            shutil.rmtree(template, ignore_errors=True)
            (template / "wheels").mkdir(parents=True)
            command = (python, "-m", "pip", "download", "-q", "-d", template / "wheels", "setuptools", "wheel")
            _run(*command, cwd=template)
            _lay_out(python, template / "tree")
            (template / "made").touch()
    return template


def _lay_out(python: Path, tree: Path) -> None:
    (site,) = python.parent.parent.glob("lib/python*/site-packages")
    (about,) = site.glob("hermes_agent-*.dist-info")
    for line in (about / "RECORD").read_text().splitlines():
        name = line.split(",")[0].strip('"')
        if name.startswith(("..", "hermes_agent-")) or "__pycache__" in name or not (site / name).exists():
            continue
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(site / name, tree / name)
    (tree / "pyproject.toml").write_text(_project(about, tree))
    (tree / ".gitignore").write_text("__pycache__/\nvenv/\n*.egg-info/\nbuild/\n")
    _run("git", "init", "-q", "-b", "main", cwd=tree)
    _run("git", "add", "-A", cwd=tree)
    _run("git", "commit", "-q", "-m", "the release", cwd=tree)


def _project(about: Path, tree: Path) -> str:
    """Return the project file, which a wheel does not have, from what the wheel says of itself."""
    said = HeaderParser().parsestr((about / "METADATA").read_text())
    needs = [one for one in said.get_all("Requires-Dist") or [] if "extra ==" not in one]
    packages = sorted(path.name for path in tree.iterdir() if path.is_dir())
    entries = ConfigParser()
    entries.read(about / "entry_points.txt")
    scripts = "\n".join(f'{name} = "{where}"' for name, where in entries["console_scripts"].items())
    modules = sorted(path.stem for path in tree.glob("*.py"))
    return f"""\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "hermes-agent"
version = "{said["Version"]}"
dependencies = {needs!r}
[project.optional-dependencies]
all = []
[project.scripts]
{scripts}
[tool.setuptools]
packages = {packages!r}
py-modules = {modules!r}
"""
