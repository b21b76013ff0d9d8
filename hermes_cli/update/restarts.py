"""The restarts that follow an update: planned and written before the code changes, carried out after it.

One of the profile that updates, if its gateway runs or ought to; with --all-profiles, one of each gateway that runs:
first the one that updates, which takes the code back where its gateway does not come; then one after the other.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hermes_cli.errors import CannotTellError, HermesError
from hermes_cli.intents import desired
from hermes_cli.intents import request as records
from hermes_cli.paths import Paths, profiles, sibling
from hermes_cli.programs import description, own
from hermes_cli.restart import ask, send
from hermes_cli.restart.cancel import cancel
from hermes_cli.restart.one_by_one import ordered, why_not_ready
from hermes_cli.restart.wait import await_outcome
from hermes_cli.services import ahead, choose, registered
from hermes_cli.services.base import ServiceManager
from hermes_cli.update.candidate import LineSink


@dataclass(frozen=True, slots=True)
class PlannedRestart:
    """A restart of one profile's gateway, and its record."""

    paths: Paths
    record: dict[str, Any]
    manager: ServiceManager

    @property
    def id(self) -> str:
        """The id of the intent."""
        return str(self.record["id"])

    @property
    def shown(self) -> str:
        """Whose gateway."""
        return f"the gateway of profile {self.paths.profile}"


class Restarts:
    """The restarts of one update. Until `submit` they are in memory only."""

    def __init__(self, paths: Paths, manager: ServiceManager, say: LineSink) -> None:
        """Plan nothing yet. `paths` and `manager` are of the profile that updates."""
        self._paths = paths
        self._manager = manager
        self._say = say
        self._planned: list[PlannedRestart] = []
        self._waiting: dict[str, contextlib.ExitStack] = {}  # holds of those whose turn has not come, by intent

    @property
    def own(self) -> PlannedRestart | None:
        """The restart of the profile that updates; None if there is none."""
        return next((one for one in self._planned if one.paths is self._paths), None)

    @property
    def of_others(self) -> list[PlannedRestart]:
        """The restarts of other profiles."""
        return [one for one in self._planned if one.paths is not self._paths]

    def plan(self, command: str, revision: str | None, *, all_profiles: bool, order: str | None = None) -> None:
        """Compose the records, in the order of the restarts; `order` names those that come first of the others.

        `revision`: what a gateway on the old code calls itself, None if that is not known.
        Raises UsageError, and HermesError if the restart of the profile that updates cannot be asked for.
        """
        names = ordered(profiles(self._paths), order) if all_profiles else ()
        if _is_elsewhere(self._paths):
            self._say(f"{description.ELSEWHERE}, and keeps the code that it has: hermes gateway restart there")
        elif self._is_needed():
            self._plan(self._paths, command, revision)
        for name in names:
            owner = sibling(self._paths, name)
            if owner is self._paths:
                continue
            if own.read_alive(owner) is None:
                if _is_elsewhere(owner):
                    self._say(
                        f"profile {name} is left alone, {description.ELSEWHERE}: hermes -p {name} gateway restart there"
                    )
                elif os.path.exists(registered.path_of(owner)) and desired.seen(owner.desired) == "running":
                    self._say(f"profile {name} is down, and left so: hermes -p {name} gateway status")
                continue
            try:
                self._plan(owner, f"{command} --all-profiles, of profile {self._paths.profile}", revision)
            except HermesError as error:  # one profile must not hold up the others
                self._say(f"profile {name} is left alone: {error}")
                continue
            self._planned[-1].record["origin"] = None  # the conversation is another gateway's

    def lines(self) -> list[str]:
        """Return what is to restart, in which order and under which service manager, a line for each."""
        return [f"then restarts {one.shown}, {one.manager.name}" for one in self._planned]

    def obstacle(self) -> str | None:
        """Return why a gateway that is to restart would not come up again, with the mend. Starts none of its code."""
        return self._first(self._planned, lambda one, manager: ahead.glance(one.paths, None) or manager.unfit())

    def obstacle_for_others(self) -> str | None:
        """Return why the code that is there now does not start as another profile's service starts it, or None."""
        return self._first(self.of_others, lambda _, manager: manager.obstacle())

    def _first(
        self, planned: list[PlannedRestart], look: Callable[[PlannedRestart, ServiceManager], str | None]
    ) -> str | None:
        for one in planned:
            if one.record["target"] is None:
                continue
            try:
                why = look(one, one.manager)
            except HermesError:
                continue  # unknown is no obstacle
            if why is not None:
                return f"{one.shown} would not come up again: {why}"
        return None

    @contextlib.contextmanager
    def held(self) -> Iterator[list[int]]:
        """Hold the intents: no driver acts on them before the code is whole. Yields the locked descriptors.

        Those after the first stay held until their turn; who dies meanwhile lets all of them go, and drivers go on.
        """
        with contextlib.ExitStack() as stack:
            descriptors: list[int] = []
            waiting: dict[str, contextlib.ExitStack] = {}
            for one in self._planned:
                mine = stack.enter_context(contextlib.ExitStack())
                descriptors.append(mine.enter_context(one.paths.queue.hold(one.id)).descriptor)
                if one is not self._planned[0]:
                    waiting[one.id] = mine
            yield descriptors
            self._waiting = {identifier: mine.pop_all() for identifier, mine in waiting.items()}

    def submit(self) -> None:
        """Make the records durable. Raises QueueError."""
        for one in self._planned:
            records.submit(one.paths.intents, one.record)

    def cancel(self, why: str) -> None:
        """Settle as cancelled what was submitted, and forget every plan."""
        for one in self._planned:
            cancel(one.paths, why, only={one.id})
        self.forget()

    def forget(self) -> None:
        """Forget every plan."""
        self._planned.clear()

    def let_go(self) -> None:
        """Let go of what is still held: whatever is pending is for the drivers to carry out."""
        while self._waiting:
            self._waiting.popitem()[1].close()

    def carry_out(self) -> int:
        """Restart one gateway after the other, each once the one before is ready and has stayed so.

        The first that fails is the last that is touched. In-tree, where nobody can be waited for, all at once.
        Return the exit code.
        """
        if any(one.record["requester"]["in_tree"] for one in self._planned):
            return self._begin_all()
        for index, one in enumerate(self._planned):
            left = self._planned[index + 1 :]
            try:
                code = self._carry_out(one, is_last=not left)
            except HermesError as error:
                if len(self._planned) == 1:
                    raise
                self._say(f"profile {one.paths.profile}: {error}")
                code = error.exit_code
            if code:
                self._leave(left, f"the restart of profile {one.paths.profile} has not ended well")
                return code
        return 0

    def _carry_out(self, one: PlannedRestart, *, is_last: bool) -> int:
        sent = self._begin(one)
        if sent is None:
            return 0
        self._say(f"restarting the gateway{self._who(one)} (intent {sent.id})")
        code = await_outcome(one.paths, sent)
        if code or is_last or one is self.own:  # who updates has seen its gateway stay, or taken the code back
            return code
        why = why_not_ready(one.paths)
        if why is not None:
            self._say(f"profile {one.paths.profile}: {why}")
        return 0 if why is None else 1

    def _begin(self, one: PlannedRestart) -> send.Submitted | None:
        """Let go of one intent, signal its gateway and wake its restarter. Return None if it has ended meanwhile."""
        ended = one.paths.queue.find(one.id)
        if ended is not None:  # stop wins, also over a signal of ours
            self._say(f"the restart{self._who(one)} was {ended.outcome} meanwhile: {ended.detail}")
            return None
        if one.id in self._waiting:
            self._waiting.pop(one.id).close()
        sent = send.Submitted(one.record, one.manager)
        return send.begin(one.paths, sent, looked=one is self.own)  # that its code starts is proven

    def _begin_all(self) -> int:
        for one in self._planned:
            sent = self._begin(one)
            if sent is not None:
                by = self._manager.completed_by
                self._say(f"restart{self._who(one)} recorded, will be completed by {by} (intent {sent.id})")
                send.look_after(one.paths, sent)
        return 0

    def _leave(self, left: list[PlannedRestart], why: str) -> None:
        for one in left:
            cancel(one.paths, why, only={one.id})
            self._say(f"profile {one.paths.profile} is left as it is: {why}")

    def _who(self, one: PlannedRestart) -> str:
        return "" if one.paths is self._paths else f" of profile {one.paths.profile}"

    def _plan(self, owner: Paths, command: str, revision: str | None) -> None:
        record = ask.ask(owner, reason=records.UPDATE, command=command, revision=revision)
        manager = self._manager if owner is self._paths else choose(owner)
        self._planned.append(PlannedRestart(owner, record, manager))

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


def _is_elsewhere(paths: Paths) -> bool:
    return description.is_elsewhere(paths.instance, description.read(paths.instance))
