"""The releases that CHANGELOG.md names, and the work tree as the next one; from this repository's own history."""

import io
import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from support import PATIENCE, TESTS
from support.releases.checkout import git
from support.releases.wheels import Environment

ROOT = TESTS.parent
_SECTION = re.compile(r"^## \[([^]]+)\](.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_COMMIT = re.compile(r"^Commit: ([0-9a-f]{40})$", re.MULTILINE)
# Which modules of hermes a gateway under this manager has not imported when it runs, and may yet.
LATE = """
import ast, contextlib, importlib, importlib.util, sys
for name in ("cli.main", "cli.gateway", "gateway.run", "services"):
    importlib.import_module(f"hermes_cli.{name}")
from hermes_cli import paths, services
services.choose(paths.resolve(), sys.argv[1])

def is_module(name):
    with contextlib.suppress(ModuleNotFoundError):
        return importlib.util.find_spec(name) is not None

for module in [found for name, found in sys.modules.items() if name.startswith("hermes_cli")]:
    with open(module.__file__) as file:
        tree = ast.parse(file.read())
    typing = [one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"]
    left_out = {id(one) for block in typing for one in ast.walk(block)} | {id(one) for one in tree.body}
    for one in ast.walk(tree):
        if isinstance(one, ast.ImportFrom) and id(one) not in left_out and str(one.module).startswith("hermes_cli"):
            names = [f"{one.module}.{alias.name}" for alias in one.names]
            print(*(name for name in [one.module, *names] if name not in sys.modules and is_module(name)))
"""


class Release(NamedTuple):
    """A released version and its commit."""

    version: str
    commit: str

    def files(self) -> dict[str, bytes]:
        """Return the package's files, by their path in the repository. Fails where the history lacks the commit."""
        done = subprocess.run(
            ["git", "-C", str(ROOT), "archive", self.commit, "hermes_cli"],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"no {self.version} in this history: {done.stderr.decode()}"
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}

    def project(self) -> dict[str, Any]:
        """Return [project] of its pyproject.toml."""
        return tomllib.loads(git(ROOT, "show", f"{self.commit}:pyproject.toml"))["project"]


def releases() -> list[Release]:
    """Return every release, newest first. Raises AssertionError for one without a commit, and where there is none."""
    found = []
    for version, text in _SECTION.findall((ROOT / "CHANGELOG.md").read_text()):
        if version != "Unreleased":
            commit = _COMMIT.search(text)
            assert commit is not None, f"CHANGELOG.md names no commit of {version}"
            found.append(Release(version, commit[1]))
    assert found, "CHANGELOG.md names no release"
    return found


def project() -> dict[str, Any]:
    """Return [project] of the work tree."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def tree(below: str = ".") -> list[Path]:
    """Return the files of the work tree that git would commit, relative to the root."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", below).split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def package(version: str) -> dict[str, bytes]:
    """Return the work tree's files of the package, as those of this version."""
    files = {str(path): (ROOT / path).read_bytes() for path in tree("hermes_cli")}
    name = "hermes_cli/__init__.py"
    files[name] = re.sub(rb'__version__ = "[^"]*"', f'__version__ = "{version}"'.encode(), files[name])
    return files


def publish(environment: Environment, name: str, version: str, files: dict[str, bytes], about: dict[str, Any]) -> None:
    """Write a wheel of these files, with the scripts and the needs that `about` ([project]) says."""
    scripts = "".join(f"{script} = {function}\n" for script, function in about["scripts"].items())
    environment.wheels.publish_hermes(
        name, version, files, tuple(about["dependencies"]), f"[console_scripts]\n{scripts}"
    )


class Released:
    """A clone of this repository at a release, which pip has installed editable; its remote has nothing newer yet."""

    def __init__(self, root: Path, release: Release, environment: Environment) -> None:
        self.author, self.remote, self.path = root / "author", root / "remote.git", root / "installed here"
        root.mkdir(parents=True)
        git(root, "clone", "--quiet", "--no-checkout", str(ROOT), str(self.author))
        git(self.author, "checkout", "--quiet", "-B", "main", release.commit)
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git(self.author, "remote", "set-url", "origin", str(self.remote))
        git(self.author, "push", "--quiet", "origin", "main")
        git(root, "clone", "--quiet", str(self.remote), str(self.path))
        # Builds need no network: the build system that every release names, as far as an editable installation uses it.
        backend = (Path(__file__).parent / "build_backend.py").read_bytes()
        environment.wheels.publish("hatchling", "9999", {"hatchling/__init__.py": b"", "hatchling/build.py": backend})
        environment.pip("install", "--editable", str(self.path))

    def publish_work_tree(self) -> str:
        """Push the work tree, with what is not committed yet, as the next commit; its short revision."""
        git(self.author, "rm", "-r", "--quiet", ".")
        for path in tree():
            (self.author / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, self.author / path, follow_symlinks=False)
        git(self.author, "add", "--all")
        git(self.author, "commit", "--quiet", "--allow-empty", "-m", "the work tree")
        git(self.author, "push", "--quiet", "origin", "main")
        return git(self.author, "rev-parse", "--short=12", "HEAD")

    def revision(self) -> str:
        """Return the installed revision; AssertionError when files differ from it."""
        assert git(self.path, "status", "--porcelain") == ""
        return git(self.path, "rev-parse", "--short=12", "HEAD")
