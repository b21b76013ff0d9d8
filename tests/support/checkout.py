"""A git checkout of this very package, with a remote of its own that can get new releases."""

import shutil
import subprocess
from pathlib import Path

from installation import REPOSITORY

_IDENTITY = ["-c", "user.name=release", "-c", "user.email=release@example.invalid", "-c", "commit.gpgsign=false"]


def git(directory: Path, *arguments: str) -> str:
    """One git command."""
    done = subprocess.run(
        ["git", *_IDENTITY, "-C", str(directory), *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Checkout:
    """`path` is the installed clone, `author` another clone from which releases are pushed."""

    def __init__(self, root: Path) -> None:
        self.author, self.remote, self.path = root / "author", root / "remote.git", root / "installed here"
        self.author.mkdir(parents=True)
        git(self.author, "init", "-q", "-b", "main")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "hermes_cli", self.author / "hermes_cli", ignore=ignored)
        for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
            shutil.copy(Path(__file__).parent.parent.parent / name, self.author / name)
        git(self.author, "add", "-A")
        git(self.author, "commit", "-q", "-m", "first release")
        git(root, "clone", "-q", "--bare", str(self.author), str(self.remote))
        git(self.author, "remote", "add", "origin", str(self.remote))
        git(root, "clone", "-q", str(self.remote), str(self.path))

    def release(self, path: str, old: str, new: str, subject: str = "next release") -> str:
        """Replace some text of a file, and push it; the new short revision."""
        file = self.author / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))
        git(self.author, "commit", "-q", "-a", "-m", subject)
        git(self.author, "push", "-q", "origin", "main")
        return git(self.author, "rev-parse", "--short=12", "HEAD")

    def revision(self) -> str:
        """The installed revision."""
        return git(self.path, "rev-parse", "--short=12", "HEAD")

    def changes(self) -> str:
        """What differs from that revision."""
        return git(self.path, "status", "--porcelain")
