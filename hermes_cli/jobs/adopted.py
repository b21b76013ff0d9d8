"""A look at an adopted program, for its resident restarter: make an intent of what it wants, and drive what is pending.

Where others come first, it waits for them itself: on a busy machine another look takes as long to start as they have.

    python -m hermes_cli.jobs.adopted PROFILE

It prints what to wait for, in the words that `hermes_cli.jobs.resident` lists, and logs to restarter.log.
"""

import contextlib
import logging
import os
import select
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from hermes_cli.errors import HermesError
from hermes_cli.intents import request
from hermes_cli.intents.instance import Instance
from hermes_cli.jobs import resident, restarter
from hermes_cli.paths import Paths, resolve
from hermes_cli.pending import is_restart_pending
from hermes_cli.programs.declared import DeclaredProgram, Memory
from hermes_cli.programs.verdicts import Ask, Later, Leave, ManagerView, Verdict, it_runs, judge
from hermes_cli.services import choose, kept
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.system.directory_watch import DirectoryWatch
from hermes_cli.system.process import Handle

_log = logging.getLogger("hermes.resident")
OBSERVED = "observed"
_RUNS = ManagerView(loaded=True)
_SILENT = 300.0  # seconds; of a program that may write nothing when it starts
_STAYS = 10.0  # seconds; longer than anybody's patience by default, and nothing that waits for long is as big as this
_ROUNDS = 3  # intents that one look may make; more of them are a matter for the next
_LEAVES = {"draining", "exited"}


def main(profile: str) -> int:
    """Look, act, and print what to wait for. Return the exit code."""
    said = os.dup(1)  # what is printed from now on is log
    try:
        paths = resolve(profile)
        restarter.log_to(paths)
        program = kept.adopted(paths)
        manager = choose(paths)
    except (HermesError, OSError) as error:
        print(f"hermesctl: {error}", file=sys.stderr)
        return 1
    if program is None or not isinstance(manager, Adopted):
        print(f"hermesctl: profile {profile} adopts nothing", file=sys.stderr)
        return 1
    request.make_directories(paths.intents)
    asked, came, ends = 0, 0, time.time() + _STAYS
    while True:
        _drive(paths, manager)
        verdict = look(paths, program, manager)
        asked += isinstance(verdict, Ask)
        running = program.observe()
        if came < _ROUNDS and verdict.rule != it_runs.__name__ and running is not None:
            came += 1  # up since the look: its end is waited for next, and what ends has to be known by then
        elif isinstance(verdict, Later) and verdict.until < ends:  # others come first: the next look is ready by then
            resident.wait(list(orders(program, verdict, running)), paths.pending)
            if (fresh := kept.adopted(paths)) is None:
                return 0  # it was released meanwhile
            program = fresh
        elif asked == _ROUNDS or not (isinstance(verdict, Ask) or _sees_out(paths, program, manager)):
            break
    with open(said, "w", encoding="utf-8", errors="surrogateescape") as answer:
        answer.writelines(f"{word} {rest}\n" for word, rest in orders(program, verdict, running))
    return 0


def look(paths: Paths, program: DeclaredProgram, manager: Adopted) -> Verdict:
    """Look once, and make a durable intent of a restart that nobody has asked us for. Raises OSError, QueueError."""
    seen, memory = program.look(program.memory(), manager.view() if program.observe() is None else _RUNS)
    verdict = judge(seen)
    if isinstance(verdict, Ask):
        memory = replace(memory, asked=_record(paths, program, memory, verdict.why))
    program.remember(memory)
    if not isinstance(verdict, Leave) or not seen.alive:
        _log.info("%s: %s (%s)", program.file.name, verdict.why, verdict.rule)
    return verdict


def _record(paths: Paths, program: DeclaredProgram, memory: Memory, why: str) -> str:
    """Make it an intent. It counts as a program's own: whoever wanted the restart may do so again and again."""
    record = request.compose(
        paths.profile,
        reason=OBSERVED,
        command=f"{program.file.name} ({why})",
        target=memory.target,
        in_tree=True,
        drain_timeout=float(program.file.get("restart", "drain_limit") or 0.0),
    )
    identifier = request.submit(paths.intents, record)
    _log.info("intent %s: %s", identifier, why)
    return identifier


def _drive(paths: Paths, manager: Adopted) -> None:
    """Finish what is pending; while another driver is at it, wait for that one."""
    while is_restart_pending(paths):
        if restarter.drive(paths, "watch", manager):
            return
        paths.queue.await_driver()


def _sees_out(paths: Paths, program: DeclaredProgram, manager: Adopted) -> bool:
    """Stay with an instance that is about to exit, to act the moment it has. Say whether there is a reason to look again.

    What a rescue needs is imported meanwhile: by a drive of nothing, and by a look at the manager.
    """
    leaving = program.observe()
    if leaving is None or leaving.state not in _LEAVES:
        return False
    with contextlib.suppress(HermesError):
        restarter.drive(paths, "watch", manager)
        manager.view()
    with contextlib.suppress(ProcessLookupError), Handle(leaving.identity) as end, DirectoryWatch(paths.pending) as new:
        if is_restart_pending(paths):
            return True
        poller = select.poll()
        for descriptor in end.fileno(), new.fileno():
            poller.register(descriptor, select.POLLIN)
        return bool(poller.poll((new.patience(program.exit_limit) or 0.0) * 1000))
    return True


def orders(program: DeclaredProgram, verdict: Verdict, running: Instance | None) -> Iterator[tuple[str, str]]:
    """Yield what the resident is to wait for after that verdict. `running`: as it was seen after the look."""
    if running is not None:
        ticks = running.identity.start_ticks
        yield "pid", f"{running.identity.pid} {'' if ticks is None else ticks}".rstrip()
        for path in program.signs():
            yield "watch", os.path.dirname(path)
            yield "sign", path
        return
    for place in program.watched():
        yield "watch", place
    for path in program.files():
        yield "file", path
    for path in program.bindings():
        yield "watch", os.path.dirname(path)
        yield "file", path
    if isinstance(verdict, Leave) and verdict.rule != it_runs.__name__:
        if program.is_silent:
            yield "until", str(_SILENT)
        return
    until = verdict.until if isinstance(verdict, Later) else 0.0  # else it has ended since the look
    yield "until", f"{max(0.05, until - time.time()):.3f}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
