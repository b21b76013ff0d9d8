"""The restarts that follow an update: planned and written before the code changes, carried out after it.

One of the profile that updates, if its gateway runs or ought to; with --all-profiles, one of each gateway that runs.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.intents import desired
from hermes_cli.intents import request as records
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.programs import own
from hermes_cli.restart import ask
from hermes_cli.restart.cancel import cancel
from hermes_cli.restart.wait import await_outcome
from hermes_cli.services.base import ServiceManager
from hermes_cli.update.candidate import LineSink


@dataclass(frozen=True, slots=True)
class PlannedRestart:
    """A restart of one profile's gateway, and its record."""

    paths: Paths
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """The id of the intent."""
        return str(self.record["id"])


class Restarts:
    """The restarts of one update. Until `submit` they are in memory only."""

    def __init__(self, paths: Paths, manager: ServiceManager, say: LineSink) -> None:
        """Plan nothing yet. `paths` and `manager` are of the profile that updates."""
        self._paths = paths
        self._manager = manager
        self._say = say
        self._planned: list[PlannedRestart] = []

    @property
    def own(self) -> PlannedRestart | None:
        """The restart of the profile that updates; None if there is none."""
        return next((one for one in self._planned if one.paths is self._paths), None)

    @property
    def of_others(self) -> list[PlannedRestart]:
        """The restarts of other profiles."""
        return [one for one in self._planned if one.paths is not self._paths]

    def plan(self, command: str, revision: str | None, *, all_profiles: bool) -> None:
        """Compose the records. `revision`: what a gateway on the old code calls itself, None if that is not known.

        Raises HermesError if the restart of the profile that updates cannot be asked for.
        """
        if self._is_needed():
            self._plan(self._paths, command, revision)
        for name in profiles(self._paths) if all_profiles else ():
            owner = sibling(self._paths, name)
            if owner is self._paths or own.read_alive(owner) is None:
                continue
            try:
                self._plan(owner, f"{command} --all-profiles, of profile {self._paths.profile}", revision)
            except HermesError as error:  # one profile must not hold up the others
                self._say(f"profile {name} is left alone: {error}")
                continue
            self._planned[-1].record["origin"] = None  # the conversation is another gateway's

    @contextlib.contextmanager
    def held(self) -> Iterator[list[int]]:
        """Hold the intents: no driver acts on them before the code is whole. Yields the locked descriptors."""
        with contextlib.ExitStack() as stack:
            yield [stack.enter_context(one.paths.queue.hold(one.id)).descriptor for one in self._planned]

    def submit(self) -> None:
        """Make the records durable. Raises QueueError."""
        for one in self._planned:
            records.submit(one.paths.intents, one.record)

    def cancel(self, why: str) -> None:
        """Settle as cancelled what was submitted, and forget every plan."""
        for one in self._planned:
            cancel(one.paths, why, only={one.id})
        self._planned.clear()

    def carry_out(self) -> int:
        """Signal every gateway that is to restart, then wait for each. Return the worst exit code."""
        submitted = []
        for one in self._planned:
            ended = one.paths.queue.find(one.id)
            if ended is not None:  # stop wins, also over a signal of ours
                self._say(f"the restart was {ended.outcome} meanwhile: {ended.detail}")
                continue
            target = ask.Submitted(one.id, one.record["target"], in_tree=one.record["requester"]["in_tree"])
            submitted.append((one, ask.begin(one.paths, target)))
        in_tree = any(sent.in_tree for _, sent in submitted)
        worst = 0
        for one, sent in submitted:
            who = "" if one.paths is self._paths else f" of profile {one.paths.profile}"
            if in_tree:
                by = self._manager.completed_by
                self._say(f"restart{who} recorded, will be completed by {by} (intent {sent.id})")
                continue
            self._say(f"restarting the gateway{who} (intent {sent.id})")
            try:
                worst = max(worst, await_outcome(one.paths, sent, float(one.record["drain_timeout"])))
            except HermesError as error:
                if len(submitted) == 1:
                    raise
                self._say(f"profile {one.paths.profile}: {error}")
                worst = max(worst, error.exit_code)
        return worst

    def _plan(self, owner: Paths, command: str, revision: str | None) -> None:
        record = ask.ask(owner, reason=records.UPDATE, command=command, revision=revision)
        self._planned.append(PlannedRestart(owner, record))

    def _is_needed(self) -> bool:
        """Whether a gateway runs, or ought to. Not knowing counts as yes: an intent too many settles by itself."""
        if own.read_alive(self._paths) is not None:
            return True
        if desired.seen(self._paths.desired) == "stopped":
            return False
        try:
            return self._manager.status().installed
        except CannotTellError:
            return True
