"""What is recorded for the power cuts: real processes at the queue, and what must hold in each state they may leave.

A story is a list of processes, one after the other, each traced. A process may be cut off after any of its calls (it
was killed there), and the next one then finds what the page cache holds, which is more than the disk does.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hermes_cli.intents import desired
from hermes_cli.update import journal
from support import TESTS
from support.faults.power_cut import Disk, Tree, materialise, tree_of
from support.faults.recorded import Call, record
from support.models import in_place

_BEGIN = f"""
import os, sys
sys.path.append({str(TESTS)!r})
from support.models import in_place
from hermes_cli.intents import desired
from hermes_cli.intents import progress, queue
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import parse
from hermes_cli.intents.request import compose, submit
from hermes_cli.update.journal import Journal
paths = in_place.paths_below(sys.argv[1])

def say(*words):
    os.write(1, " ".join(words).encode() + b"\\n")

def ask():
    identifier = submit(paths.intents, compose(paths.profile, reason="manual", command="proof", target=None, in_tree=False))
    say("acknowledged", identifier)
    return identifier

def tell(function):
    def told(mine, intent, outcome, *arguments, **options):
        won = function(mine, intent, outcome, *arguments, **options)
        found = mine.find(intent.id)
        say("settled", intent.id, found.outcome)
        return won
    return told

queue.Queue.settle = tell(queue.Queue.settle)
"""
SUBMIT = _BEGIN + "ask()\n"
SUBMIT_TWICE = _BEGIN + "ask()\nask()\n"
NOTE = _BEGIN + "paths.queue.note(paths.queue.scan().intents[0].id, Progress(since=1.0, attempts=1))\n"
DRIVE = _BEGIN + "in_place.drive(paths)\n"
# What a driver does that looked before somebody else settled.
SETTLE_LATE = _BEGIN + "paths.queue.settle(paths.queue.scan().intents[0], 'failed', 'late', trigger='watch')\n"
SETTLE_TOO = (
    _BEGIN
    + """
for name in os.listdir(paths.pending):
    with open(f"{paths.pending}/{name}", "rb") as file:
        intent = parse(file.read(), name.removesuffix(".json"), "default")
    paths.queue.settle(intent, "restarted", "too", trigger="watch")
"""
)
STOP = _BEGIN + "desired.write(paths.desired, 'stopped', 'proof')\nsay('stopped')\n"
JOURNAL = (
    _BEGIN
    + """
made = Journal(paths.updates_under_way + "/20261123T160511.123456Z-4321-9f3a.json", "20261123T160511.123456Z-4321-9f3a",
               {"kind": "git", "root": "/nowhere"}, "0" * 40, "1" * 40)
made.write()
say("journal")
made.note(step="undoing")
say("undoing")
say("removing")
made.end("undone")
say("removed")
"""
)
GARBAGE = "garbage.json"


def is_unread(path: str) -> bool:
    """What no process ever opens again: half-made files under names of their own, and files that are only locked."""
    return path.endswith((".new", ".lock")) or "/staging/" in path


@dataclass(frozen=True)
class Story:
    """`scripts` run one after the other on `before`; all but the last are cut off everywhere if `killed`."""

    name: str
    scripts: tuple[str, ...]
    pending: int = 0
    garbage: bool = False
    torn: bool = False
    fresh: bool = False
    killed: bool = False
    without_settled: bool = False
    is_long: bool = False


STORIES = [
    Story("the first request of all", (SUBMIT,), fresh=True),
    Story("a request", (SUBMIT,)),
    Story("two requests", (SUBMIT_TWICE,)),
    Story("a request while another is noted", (NOTE, SUBMIT), pending=1),
    Story("a driver settles", (DRIVE,), pending=1),
    Story("a driver settles what a note was taken of", (NOTE, DRIVE), pending=1),
    Story("a driver settles two", (DRIVE,), pending=2, is_long=True),
    Story("a driver settles where settled/ was taken away", (DRIVE,), pending=1, without_settled=True),
    Story("a driver sets something aside", (DRIVE,), garbage=True),
    Story("a driver sets something aside and settles", (DRIVE,), pending=1, garbage=True),
    Story("a driver settles over a torn file", (DRIVE,), pending=1, torn=True),
    Story("a stop", (STOP,), pending=1),
    Story("a journal", (JOURNAL,)),
    Story("an update is killed before its journal, and another begun", (JOURNAL, JOURNAL), killed=True),
    Story("the first request of all is killed, and another made", (SUBMIT, SUBMIT), fresh=True, killed=True),
    Story("a settling process is killed, and a driver finishes", (SETTLE_LATE, DRIVE), pending=1, killed=True),
    Story("a settling process is killed, and another settles", (SETTLE_LATE, SETTLE_TOO), pending=1, killed=True),
]


@dataclass
class Told:
    """What was said to somebody by then."""

    acknowledged: set[str] = field(default_factory=set)
    settled: dict[str, str] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, said: list[str]) -> "Told":
        told = cls()
        for line in said:
            match line.split():
                case ["acknowledged", identifier]:
                    told.acknowledged.add(identifier)
                case ["settled", identifier, outcome]:
                    told.settled[identifier] = outcome
                case [word]:
                    told.words.add(word)
        return told


def prepared(story: Story, root: str) -> list[str]:
    """Make what lies on the disk before the story begins; what was said so far."""
    paths = in_place.paths_below(root)
    if story.fresh:
        return []
    from hermes_cli.intents.request import compose, make_directories, submit

    make_directories(paths.intents)
    said = []
    for _ in range(story.pending):
        made = compose(paths.profile, reason="manual", command="proof", target=None, in_tree=False)
        said.append(f"acknowledged {submit(paths.intents, made)}")
    if story.garbage:
        Path(f"{paths.pending}/{GARBAGE}").write_bytes(b"{")
    if story.without_settled:
        os.rmdir(paths.queue.settled)
    if story.torn:
        Path(f"{paths.queue.settled}/{said[0].split()[1]}.json").write_bytes(b'{"schema": 1, "id')
    return said


def disks(story: Story, folder: Path, code: Path) -> Iterator[Disk]:
    """The disk before the story, and after each call of it, in every way in which it may go."""
    root = folder / "root"
    root.mkdir(mode=0o700)
    said = prepared(story, str(root))
    disk = Disk.holding(str(root), tree_of(str(root)))
    disk.said = said
    yield from _told(story, disk, 0, Recorder(folder, code))


def _told(story: Story, disk: Disk, number: int, recorder: "Recorder") -> Iterator[Disk]:
    is_last = number == len(story.scripts) - 1
    calls, after = recorder.run(story.scripts[number], disk)
    yield disk.copy()
    whole = disk.copy()
    for call in calls:
        whole.apply(call)
    assert whole.view() == after, "the model and the machine disagree about what was done"
    for call in calls:
        if not disk.apply(call):
            continue
        if is_last or not story.killed:
            yield disk.copy()
        if story.killed and not is_last:
            left = disk.copy()
            left.after_the_process()
            left.said = [line for line in left.said if " " in line]
            yield from _told(story, left, number + 1, recorder)
    if not is_last and not story.killed:
        disk.after_the_process()
        yield from _told(story, disk, number + 1, recorder)


class Recorder:
    """Records what a script does to a tree, once for each tree: most cuts leave the page cache as the one before did."""

    def __init__(self, folder: Path, code: Path) -> None:
        """Everything happens in `root` of that folder; `code` holds the package."""
        self._folder, self._code = folder, code
        self._recorded: dict[object, tuple[list[Call], Tree]] = {}

    def run(self, script: str, disk: Disk) -> tuple[list[Call], Tree]:
        """Return the calls, and the tree that they leave."""
        found = disk.view()
        key = (script, tuple(sorted(found.items(), key=lambda item: item[0])))
        if key not in self._recorded:
            root = self._folder / "root"
            shutil.rmtree(root)
            root.mkdir(mode=0o700)
            materialise(found, str(root))
            calls = record(script, str(root), code=self._code, log=self._folder / "calls")
            self._recorded[key] = (calls, tree_of(str(root)))
        return self._recorded[key]


class Judge:
    """Brings a state into being, runs a real driver in it, and says what is wrong."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._base = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self._seen: set[object] = set()
        self.judged = 0

    def close(self) -> None:
        shutil.rmtree(self._base)

    def wrongs(self, disk: Disk) -> Iterator[tuple[str, Tree]]:
        """What is wrong in which state that a power cut may leave now; a state that was judged before is passed over."""
        told = Told.of(disk.said)
        for tree in disk.states(is_unread):
            key = (tuple(sorted(tree.items(), key=lambda item: item[0])), tuple(disk.said))
            if key in self._seen:
                continue
            self._seen.add(key)
            self.judged += 1
            root = self._base / str(self.judged)
            root.mkdir()
            materialise(tree, str(root))
            for wrong in self._judge(str(root), tree, told):
                yield wrong, tree
            shutil.rmtree(root)

    def _judge(self, root: str, tree: Tree, told: Told) -> Iterator[str]:
        paths = in_place.paths_below(root)
        there = {one.id for one in paths.queue.scan().intents} | {one.intent.id for one in paths.queue.history()}
        if lost := told.acknowledged - there:
            yield f"acknowledged and not there: {lost}"
        if "stopped" in told.words and desired.read(paths.desired) != "stopped":
            yield "stop was acknowledged and is forgotten"
        yield from _of_the_journal(paths, told)
        stopped = desired.read(paths.desired) == "stopped"
        starts = in_place.drive(paths)
        if os.listdir(paths.pending):
            yield "something stays pending"
        yield from _of_what_is_settled(paths, told)
        if starts > (0 if stopped else 1):
            yield f"{starts} demand starts"
        aside = os.listdir(paths.queue.rejected)
        if bool(aside) != self._story.garbage or any(not name.startswith(GARBAGE) for name in aside):
            yield f"set aside: {aside}"
        if in_place.drive(paths):
            yield "a second driver does it again"


def _of_what_is_settled(paths: in_place.Paths, told: Told) -> Iterator[str]:
    ended = {one.intent.id: one for one in paths.queue.history()}
    if told.acknowledged - ended.keys():
        yield "acknowledged and not settled"
    for identifier, one in ended.items():
        if told.settled.get(identifier, one.outcome) != one.outcome:
            yield f"{identifier} was {told.settled[identifier]} and is {one.outcome} now"
        if one.intent.requester.command != "proof":
            yield f"{identifier} is not what was asked for"


def _of_the_journal(paths: in_place.Paths, told: Told) -> Iterator[str]:
    found = journal.under_way(paths)
    if "removed" in told.words:
        if found:
            yield "an order to undo an update that is over has come back"
    elif "journal" in told.words and "removing" not in told.words and not found:
        yield "the journal of an update under way is lost"
    elif "undoing" in told.words and found and found[0].step != "undoing":
        yield "the journal forgot how far it had come"
