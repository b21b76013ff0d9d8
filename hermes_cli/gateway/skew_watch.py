"""`[update] restart_on_skew`: a gateway that finds other code installed than it runs asks for its own restart.

Somebody pulled by hand. Debounced: what is installed must be the same at two looks, with no update at work in between;
and proven, because a restart into code that does not start would end a gateway that works.
"""

import asyncio
import logging
from collections.abc import Callable

from hermes_cli.errors import HermesError
from hermes_cli.installation import copy, origin, skew
from hermes_cli.intents import driver, queue
from hermes_cli.paths import Paths
from hermes_cli.programs.own import Instance
from hermes_cli.restart import policy, wake
from hermes_cli.restart.ask import request
from hermes_cli.update import proof

_log = logging.getLogger("hermes.skew")
# What a request imports when it is made (law: imports before the swap).
_BEFORE_THE_CHANGE = (copy, driver, policy, queue, wake)


class SkewWatch:
    """Looks every `interval` seconds; asks once for each revision."""

    def __init__(self, paths: Paths, me: Callable[[], Instance], interval: float) -> None:
        self._paths = paths
        self._me = me
        self._interval = interval
        self._seen: str | None = None
        self._refused: str | None = None

    async def run(self) -> None:
        """Until the gateway ends."""
        while True:
            await asyncio.sleep(self._interval)  # who pulls by hand tells nobody
            me = self._me()
            found = skew.newer(self._paths, me.revision) if me.ready and me.revision else None
            if found is not None and found == self._seen and found != self._refused:
                self._refused = found
                try:
                    await asyncio.to_thread(self._ask, found)
                except (HermesError, OSError) as error:
                    _log.warning("no restart into %s: %s", found, error)
            self._seen = found

    def _ask(self, found: str) -> None:
        why = proof.failure(self._paths.profile, origin.package())
        if why is not None:
            raise HermesError(f"it does not start ({why})")
        asked = request(self._paths, reason="skew", command="hermes gateway, restart_on_skew")
        _log.info("%s is installed: restart %s", found, asked.id)
