"""What code is installed: the checkout's commit, or the package's version. Cheap to import."""

import os

import hermes_cli

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

GIT_TIMEOUT = 5.0
DIGITS = 12  # git's own choice grows with the repository, and a revision must keep its name


class RevisionQuery:
    """Two git processes under way: start early, collect late. Only the starting process may collect."""

    def __init__(self) -> None:
        self._directory = os.path.dirname(os.path.abspath(hermes_cli.__file__))
        self._processes: tuple[Popen[bytes] | None, ...] = ()
        if _is_below_git(self._directory):
            # A virtualenv may lie inside somebody else's checkout: HEAD is ours only if it tracks this package.
            tracked = self._git("cat-file", "-e", "HEAD:./__init__.py")
            self._processes = (tracked, self._git("rev-parse", f"--short={DIGITS}", "HEAD"))

    def collect(self) -> str | None:
        """The short commit id, or the package's version outside a checkout; None when git does not say within 5 s."""
        from subprocess import TimeoutExpired

        if not self._processes:
            return hermes_cli.__version__
        tracked, head = self._processes
        if tracked is None or head is None:
            return None
        try:
            tracked.communicate(timeout=GIT_TIMEOUT)
            name, _ = head.communicate(timeout=GIT_TIMEOUT)
        except TimeoutExpired:
            for process in (tracked, head):
                process.kill()
                process.communicate()
            return None
        if tracked.returncode != 0 or head.returncode != 0:
            return hermes_cli.__version__
        return name.decode("ascii", "replace").strip() or hermes_cli.__version__

    def _git(self, *arguments: str) -> "Popen[bytes] | None":
        from subprocess import DEVNULL, PIPE, Popen

        # GIT_DIR and the like, set by a hook that started us, name another repository.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
        try:
            return Popen(
                ["git", "-C", self._directory, *arguments],
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=DEVNULL,
                env=environment,
            )
        except OSError:
            return None


def installed_revision() -> str | None:
    """The short commit id of the checkout that holds this package, else its version; None: cannot tell. At most 10 s."""
    return RevisionQuery().collect()


def _is_below_git(directory: str) -> bool:
    while True:
        if os.path.lexists(f"{directory}/.git"):
            return True
        parent = os.path.dirname(directory)
        if parent == directory:
            return False
        directory = parent
