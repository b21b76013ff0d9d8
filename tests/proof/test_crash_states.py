"""All crash states: whatever a power cut leaves of what the processes at the queue have done, nothing is lost or blocked.

The calls of real processes are recorded, every state that they allow on the disk is enumerated, and in each of them a
real driver runs. Each mutant takes away one fsync, or one order, and must be found out. With HERMES_PROOF=full also
the stories that take minutes.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from support.faults.crash_stories import STORIES, Judge, Story, disks
from support.faults.recorded import need_strace
from support.machines.installation import REPOSITORY

pytestmark = pytest.mark.timeout(3600 if os.environ.get("HERMES_PROOF") == "full" else 900)


def judged(story: Story, folder: Path, code: Path, *, stop_at_first: bool = False) -> tuple[int, list[str]]:
    """How many states there are, and what is wrong in them."""
    judge = Judge(story)
    wrong = []
    try:
        for disk in disks(story, folder, code):
            for found, tree in judge.wrongs(disk):
                wrong.append(f"{found}\n  after {disk.said}\n  in {tree}")
                if stop_at_first:
                    return judge.judged, wrong
    finally:
        judge.close()
    return judge.judged, wrong


@pytest.mark.parametrize(
    "story",
    [pytest.param(one, id=one.name, marks=[pytest.mark.nightly] if one.is_long else []) for one in STORIES],
)
def test_in_every_state_that_a_power_cut_may_leave_a_driver_loses_nothing_and_ends(story, tmp_path, record_property):
    need_strace()
    states, wrong = judged(story, tmp_path, REPOSITORY)
    print(f"{states} states")
    record_property("states", states)
    assert not wrong, f"{len(wrong)} of {states} states:\n" + "\n".join(wrong[:5])
    assert states > 3


class Mutant(NamedTuple):
    """`old` in `file` becomes `new`; then a state of that story must be wrong."""

    without: str
    file: str
    old: str
    new: str
    story: str


_SYNC = "        sync(descriptor)\n    except BaseException:"
MUTANTS = [
    Mutant("fsync of the record", "system/durable.py", _SYNC, _SYNC.replace("sync(descriptor)", "pass"), "a request"),
    Mutant(
        "fsync of pending/",
        "intents/request.py",
        "durable.sync_directory(places.pending)",
        "pass",
        "a request",
    ),
    Mutant(
        "acknowledgement after the record",
        "intents/request.py",
        "            durable.sync_directory(places.pending)\n",
        "            os.write(1, f'acknowledged {identifier}\\n'.encode()); durable.sync_directory(places.pending)\n",
        "a request",
    ),
    Mutant(
        "fsync of a new directory's name",
        "system/durable.py",
        "        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None\n"
        "    sync_directory(parent)",
        "        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None\n    pass",
        "a driver settles where settled/ was taken away",
    ),
    Mutant(
        "fsync of directories that a killed process made",
        "intents/request.py",
        "durable.sync_ancestors(staging)",
        "pass",
        "the first request of all is killed, and another made",
    ),
    Mutant(
        "staging/ made last",
        "intents/request.py",
        "for directory in (places.settled,",
        "for directory in (places.staging, places.settled,",
        "the first request of all is killed, and another made",
    ),
    Mutant(
        "fsync of the settlement",
        "intents/queue.py",
        "durable.sync(descriptor)  # after",
        "pass  # after",
        "a driver settles",
    ),
    Mutant(
        "fsync of settled/",
        "intents/queue.py",
        "        durable.sync_directory(self.settled)\n        _remove(waiting)",
        "        _remove(waiting)",
        "a driver settles",
    ),
    Mutant(
        "fsync of settled/ before the record goes",
        "intents/queue.py",
        "        durable.sync_directory(self.settled)\n        _remove(waiting)",
        "        _remove(waiting)\n        durable.sync_directory(self.settled)",
        "a driver settles",
    ),
    Mutant(
        "fsync of a settlement that a killed process wrote",
        "intents/queue.py",
        "        self._sync_settled(identifier + _SUFFIX)\n",
        "",
        "a settling process is killed, and a driver finishes",
    ),
    Mutant(
        "fsync of settled/ by who finishes",
        "intents/queue.py",
        "        self._sync_settled(identifier + _SUFFIX)\n        durable.sync_directory(self.settled)\n",
        "        self._sync_settled(identifier + _SUFFIX)\n",
        "a settling process is killed, and a driver finishes",
    ),
    Mutant(
        "fsync of the winner's settlement by who came too late",
        "intents/queue.py",
        "            else:\n                self._sync_settled(name)\n",
        "",
        "a settling process is killed, and another settles",
    ),
    Mutant(
        "the rule that a torn settlement does not count",
        "intents/queue.py",
        "if name in done and self._read_settled(name, strict=True) is not None:",
        "if name in done:",
        "a driver settles over a torn file",
    ),
    Mutant(
        "fsync of a stop",
        "system/durable.py",
        "            if sync_it:\n                sync(descriptor)\n",
        "",
        "a stop",
    ),
    Mutant(
        "fsync of a stop's name",
        "system/durable.py",
        "        sync_directory(directory)\n        # The process that made",
        "        # The process that made",
        "a stop",
    ),
    Mutant(
        "fsync of the names of directories that a killed updater made",
        "update/journal.py",
        "        durable.sync_ancestors(os.path.dirname(self.path))\n",
        "",
        "an update is killed before its journal, and another begun",
    ),
    Mutant(
        "fsync of under-way/ when the journal goes",
        "update/journal.py",
        "        durable.sync_directory(os.path.dirname(self.path))\n",
        "",
        "a journal",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"without {mutant.without}")
def test_each_fsync_and_each_order_is_missed_when_it_is_taken_away(mutant, tmp_path):
    need_strace()
    shutil.copytree(REPOSITORY / "hermes_cli", tmp_path / "hermes_cli")  # with what is compiled of it
    file = tmp_path / "hermes_cli" / mutant.file
    text = file.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} does not hold {mutant.old!r} once: mend the mutant"
    file.write_text(text.replace(mutant.old, mutant.new))
    (story,) = [one for one in STORIES if one.name == mutant.story]
    _, wrong = judged(story, tmp_path, Path(tmp_path), stop_at_first=True)
    assert wrong, f"nothing is wrong in any state without {mutant.without}"
