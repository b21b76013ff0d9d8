"""`[update] restart_on_skew`: a gateway that finds other code installed than it runs asks for its own restart.

Somebody pulled by hand. The watch asks only when the same revision is installed at two looks, with no update at work in
between, and when that revision is proven to start: else a restart would end a gateway that works.
"""

import asyncio
import logging
from collections.abc import Callable

from hermes_cli import services
from hermes_cli.errors import HermesError
from hermes_cli.installation import copy, origin
from hermes_cli.intents import driver, queue
from hermes_cli.intents.decide import not_restarted
from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.restart import policy, skew, wake
from hermes_cli.restart.ask import request
from hermes_cli.restart.send import look_after
from hermes_cli.system.threads import in_thread
from hermes_cli.update import proof

_log = logging.getLogger("hermes.skew")
# What a request imports when it is made (law: imports before the swap).
_BEFORE_THE_CHANGE = (copy, driver, policy, queue, wake)


class SkewWatch:
    """Looks every `interval` seconds, and asks for a restart once for each revision."""

    def __init__(self, paths: Paths, me: Callable[[], Instance], interval: float) -> None:
        self._paths = paths
        self._me = me
        self._interval = interval
        self._seen: str | None = None
        self._tried: str | None = None

    async def run(self) -> None:
        """Watch until the gateway ends."""
        while True:
            await asyncio.sleep(self._interval)  # nobody is told of a pull by hand
            me = self._me()
            revision = skew.newer(self._paths, me.revision) if me.ready and me.revision else None
            if revision is not None and revision == self._seen and revision != self._tried:
                self._tried = revision
                try:
                    await in_thread(self._ask, revision)
                except (HermesError, OSError) as error:
                    _log.warning("no restart into %s: %s", revision, error)
            self._seen = revision

    def _ask(self, revision: str) -> None:
        why = proof.failure(self._paths.profile, origin.package())
        if why is not None:
            raise HermesError(f"it does not start ({why})")
        obstacle = services.choose(self._paths).unfit()  # the proof has looked at all the rest
        if obstacle is not None:
            raise HermesError(not_restarted(obstacle))
        submitted = request(self._paths, reason="skew", command="hermes gateway, restart_on_skew")
        look_after(self._paths, submitted)
        _log.info("%s is installed: restart %s", revision, submitted.id)
