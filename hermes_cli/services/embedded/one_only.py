"""A profile has one supervisor: whoever holds its lock, whose file somebody may remove or replace while it is held."""

import os

from hermes_cli.errors import TryAgainError
from hermes_cli.paths import Paths
from hermes_cli.system import locks


class OneOnly:
    """The supervisor's lock, for as long as the process runs. No child inherits it."""

    def __init__(self, paths: Paths, inherited: int | None) -> None:
        """Take the lock, or own the descriptor that was handed over. Raises TryAgainError when another supervisor has it."""
        self._path = f"{paths.supervisor}/lock"
        self.descriptor = self._taken(paths.profile) if inherited is None else inherited
        os.set_inheritable(self.descriptor, False)

    def _taken(self, profile: str) -> int:
        lock = locks.take(self._path)
        if lock is None:
            raise TryAgainError(f"another supervisor of profile {profile} runs already: see hermes gateway status")
        return lock.descriptor

    def is_ours(self) -> bool:
        """Say whether no other supervisor has the lock; take it again if somebody has removed or replaced its file."""
        if locks.is_at(self.descriptor, self._path):
            return True
        try:
            lock = locks.take(self._path)
        except OSError:  # nobody else can take what lies there either
            return True
        if lock is None:
            return False
        os.close(self.descriptor)
        self.descriptor = lock.descriptor
        os.set_inheritable(self.descriptor, False)
        return True
