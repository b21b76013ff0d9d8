"""An upstream repository and a clone of it, with what tests ask of them."""

import io
import subprocess
import tarfile
from pathlib import Path

from support.machines.installation import PATIENCE

AUTHOR = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "-c", "commit.gpgSign=false")


def git(directory: Path, *arguments: str) -> str:
    """The answer of one git command, which must succeed."""
    done = subprocess.run(
        ["git", "-C", str(directory), *AUTHOR, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Source:
    """`remote` is bare, `author` pushes to it, `clone` is what hermes runs from."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.remote, self.author, self.clone = folder / "remote.git", folder / "author", folder / "clöne 'of' hermes"
        git(folder, "clone", "--quiet", "--bare", str(template), str(self.remote))
        git(folder, "clone", "--quiet", str(self.remote), str(self.author))
        git(folder, "clone", "--quiet", str(self.remote), str(self.clone))

    def publish(self, files: dict[str, str | None], subject: str = "Change something") -> str:
        """Push one commit that writes these files, or removes those with None; its full id."""
        for name, text in files.items():
            path = self.author / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        git(self.author, "add", "--all", "--force")
        git(self.author, "commit", "--quiet", "-m", subject)
        git(self.author, "push", "--quiet", "origin", "HEAD")
        return git(self.author, "rev-parse", "HEAD")

    def head(self) -> str:
        """The full id of the commit that the clone is at."""
        return git(self.clone, "rev-parse", "HEAD")

    def short(self, revision: str = "HEAD") -> str:
        """Its short id."""
        return git(self.clone, "rev-parse", "--short=12", revision)

    def is_exactly(self, revision: str) -> bool:
        """Whether the clone is that commit, file by file, with nothing of another one beside it and no lock left."""
        packed = subprocess.run(
            ["git", "-C", str(self.remote), "archive", revision], capture_output=True, timeout=PATIENCE, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            wanted = {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}
        found = {
            str(path.relative_to(self.clone)): path.read_bytes()
            for path in self.clone.rglob("*")
            if path.is_file() and ".git" not in path.parts and "__pycache__" not in path.parts
        }
        locks = list((self.clone / ".git").rglob("*.lock"))
        return (
            found == wanted and self.head() == revision and not git(self.clone, "status", "--porcelain") and not locks
        )
