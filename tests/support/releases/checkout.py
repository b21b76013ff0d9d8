"""A git checkout of this very package, with a remote of its own that can get new releases."""

import json
import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from support import PATIENCE, TESTS
from support.machines.installation import REPOSITORY
from support.machines.interpreter import Interpreter, Python
from support.releases.changes import SOUND
from support.releases.wheels import NEEDED, Environment

_IDENTITY = ["-c", "user.name=release", "-c", "user.email=release@example.invalid", "-c", "commit.gpgsign=false"]
_BUILD = '[build-system]\nrequires = []\nbuild-backend = "build_backend"\nbackend-path = ["."]\n'


def git(directory: Path, *arguments: str) -> str:
    """One git command."""
    done = subprocess.run(
        ["git", *_IDENTITY, "-C", str(directory), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Checkout:
    """`path` is the installed clone, `author` another clone from which releases are pushed."""

    def __init__(self, root: Path, environment: Environment | None = None) -> None:
        """With an `environment`, pip installs the clone there, editable: its dependencies are real ones."""
        self.author, self.remote, self.path = root / "author", root / "remote.git", root / "installed here"
        self.root, self.environment = root, environment
        self.author.mkdir(parents=True)
        git(self.author, "init", "-q", "-b", "main")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "hermes_cli", self.author / "hermes_cli", ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
            shutil.copy(TESTS.parent / name, self.author / name)
        if environment is not None:
            shutil.copy(Path(__file__).parent / "build_backend.py", self.author)
            self._edit("pyproject.toml", r"\[build-system\]\n(?:.+\n)*", _BUILD)
        git(self.author, "add", "-A")
        git(self.author, "commit", "-q", "-m", "first release")
        git(root, "clone", "-q", "--bare", str(self.author), str(self.remote))
        git(self.author, "remote", "add", "origin", str(self.remote))
        git(root, "clone", "-q", str(self.remote), str(self.path))
        if environment is not None:
            environment.pip("install", "-e", str(self.path))

    @cached_property
    def interpreter(self) -> Python:
        """What finds the clone."""
        return self.environment or Interpreter(self.root / "python", self.path)

    def release(self, *change: str, needs: tuple[str, ...] = (), subject: str = "next release") -> str:
        """Push the next release, with one change; its short revision."""
        path, old, new = change or SOUND
        file = self.author / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        if needs:
            self._edit(
                "pyproject.toml", r"^dependencies = \[[^]]*\]", f"dependencies = {json.dumps([*NEEDED, *needs])}"
            )
        git(self.author, "commit", "-q", "-a", "-m", subject)
        git(self.author, "push", "-q", "origin", "main")
        return git(self.author, "rev-parse", "--short=12", "HEAD")

    def pull(self) -> None:
        """What somebody does by hand."""
        git(self.path, "pull", "-q")
        if self.environment is not None:
            self.environment.pip("install", "-e", str(self.path))

    def revision(self) -> str:
        """The installed revision, whole."""
        assert self.changes() == "", f"a mixture: {self.changes()}"
        return git(self.path, "rev-parse", "--short=12", "HEAD")

    def changes(self) -> str:
        """What differs from that revision."""
        return git(self.path, "status", "--porcelain")

    def extra(self) -> str | None:
        """The version of that package in the environment."""
        return self.environment.extra() if self.environment else None

    def _edit(self, name: str, pattern: str, text: str) -> None:
        file = self.author / name
        edited, count = re.subn(pattern, lambda _: text, file.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1, f"{name} has no {pattern}"
        file.write_text(edited)
