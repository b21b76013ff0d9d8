"""Whether a gateway that is asked to restart leaves: not while no other one would come up (rule 10)."""

import logging
from collections.abc import Callable, Coroutine

from hermes_cli.errors import HermesError
from hermes_cli.gateway.drain import names
from hermes_cli.paths import Paths
from hermes_cli.services.base import ServiceManager
from hermes_cli.system.process import Identity
from hermes_cli.system.threads import in_thread

_log = logging.getLogger("hermes.gateway")


class Staying:
    """The look that comes before a drain. It costs microseconds, by this release's rules.

    Only if that finds something is the program asked that the definition names, in a process of its own.
    """

    def __init__(
        self,
        paths: Paths,
        glance: Callable[[], str | None],
        *,
        me: Callable[[], Identity],
        manager: Callable[[], ServiceManager | None],
        spawn: Callable[[Coroutine[None, None, None]], None],
        decided: Callable[[bool], None],
    ) -> None:
        """`glance` says what is seen; `decided` is called, with whether to stay, some time after `begins` was True."""
        self._paths = paths
        self._glance = glance
        self._me = me
        self._manager = manager
        self._spawn = spawn
        self._decided = decided
        self._looks = False

    def begins(self) -> bool:
        """Say whether the drain must wait for an answer, because something is seen that would keep the next one down."""
        if self._looks:
            return True
        try:
            found = self._glance()
            if found is None or self._is_forced():
                return False
        except (OSError, MemoryError):  # what cannot be told is no obstacle, and the signal comes only once
            return False
        self._looks = True
        self._spawn(self._look(found))
        return True

    async def _look(self, found: str) -> None:
        obstacle: str | None = found
        try:
            manager = self._manager()
            if manager is not None:
                # Whoever asked waits, and something is seen already: where no thread is to be had, that is the answer.
                obstacle = await in_thread(manager.obstacle, patience=0)
        except (HermesError, OSError, MemoryError) as error:
            _log.warning("it cannot be told whether another gateway would start: %s", error)
        self._looks = False
        stays = obstacle is not None and not self._is_forced()
        if stays:
            _log.error("SIGUSR1: staying, the next gateway would not start: %s", obstacle)
        self._decided(stays)

    def _is_forced(self) -> bool:
        try:
            return any(intent.force and names(intent, self._me()) for intent in self._paths.queue.unsettled())
        except OSError:
            return False
