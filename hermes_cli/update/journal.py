"""The journal of one update: any process can finish or undo the update with it after the updater has died.

    <updates>/under-way/ID.json   durable before the code is touched; its step is how far the update has come
    <updates>/ID.json             the receipt: the journal with an outcome, renamed when the code is wholly old or
                                  wholly new and nothing is left to be judged
    <updates>/ID.files/           what a source keeps to be able to go back; that of the newest update that was made
                                  stays beside its receipt, for a rollback

A rollback is an update like any other; `rolls_back` names the receipt of the update that it takes back.

Steps: begun → proven → (the restart is judged) → over, or begun → undoing → over, or proven → undoing → undone → over.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, Self

from hermes_cli.intents.record import is_id
from hermes_cli.intents.request import boot_time, elapsed, timestamp
from hermes_cli.paths import Paths
from hermes_cli.system import durable, process_table

if TYPE_CHECKING:
    from hermes_cli.update.candidate import Candidate

SCHEMA = 2
LIMIT = 1 << 20  # bytes
Stage = Literal["begun", "proven", "undoing", "undone"]
End = Literal["updated", "restarted", "undone", "failed", "left"]
DONE = ("updated", "restarted")  # ends that leave the new code in place
_STAGES = ("begun", "proven", "undoing", "undone")
_KEPT = 50


@dataclass(slots=True)
class Journal:
    """What is on the disk of one update. `old` and `new` name revisions as `source` does.

    `tried`: a gateway was started on the new code. Other releases read every field by its name.
    """

    path: str
    intent: str
    source: dict[str, Any]
    old: str
    new: str
    old_shown: str = ""
    new_shown: str = ""
    command: str = "hermes update"  # the command that asked
    rolls_back: str = ""  # the update that this one takes back
    step: Stage = "begun"
    why: str = ""  # why it is undone
    tried: bool = False
    installing: bool = False  # the packages around the code were about to change, or did
    notes: dict[str, Any] = field(default_factory=dict)  # what the source wants to know again
    others: list[list[str]] = field(default_factory=list)  # profile and intent of further restarts
    began_at: float = 0.0
    ended_at: float = 0.0
    boot_id: str = ""  # of the boot in which it began, and when that was since the boot
    boot_time: float = 0.0
    took: float = 0.0  # seconds; 0 in receipts of 0.1.0
    outcome: str = ""
    log: list[str] = field(default_factory=list)  # the gateway's last words, of a release that did not work
    steps: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        paths: Paths,
        identifier: str,
        candidate: "Candidate",
        *,
        source: dict[str, Any],
        command: str,
        rolls_back: str,
        others: list[list[str]],
    ) -> Self:
        """Return the journal of an update that brings in `candidate`. It is not written yet."""
        return cls(
            path=path_of(paths, identifier),
            intent=identifier,
            source=source,
            old=candidate.old,
            new=candidate.new,
            old_shown=candidate.old_shown,
            new_shown=candidate.new_shown,
            command=command,
            rolls_back=rolls_back,
            notes=dict(candidate.notes),
            others=others,
            began_at=time.time(),
            boot_id=process_table.boot_id(),
            boot_time=boot_time(),
        )

    @property
    def files(self) -> str:
        """The directory for what the source keeps."""
        return f"{self._updates}/{self.intent}.files"

    @property
    def _updates(self) -> str:
        folder = os.path.dirname(self.path)
        return folder if os.path.basename(folder) != "under-way" else os.path.dirname(folder)

    @property
    def in_flux(self) -> bool:
        """Whether the code may be neither wholly old nor wholly new."""
        return self.step in {"begun", "undoing"}

    def write(self) -> None:
        """Make the journal durable. Raises OSError."""
        document = {"schema": SCHEMA, **asdict(self)}
        del document["path"]
        durable.publish(self.path, document, indent=1)
        # An updater that was killed may have made updates/ without making its name durable.
        durable.sync_ancestors(os.path.dirname(self.path))

    def note(self, **changed: Any) -> None:
        """Change fields, and make the journal durable. Raises OSError."""
        for name, value in changed.items():
            setattr(self, name, value)
        self.write()

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time a step for the receipt; it is written with the next note."""
        at, began = time.time(), boot_time()
        try:
            yield
        finally:
            self.steps.append({"step": name, "at": timestamp(at), "took": round(boot_time() - began, 3)})

    def end(self, outcome: End, why: str = "") -> None:
        """End the update: make the journal a receipt. Raises OSError.

        The rename is synced, because a power cut must not bring back an order to undo the update.
        """
        if outcome not in DONE:
            durable.remove_tree(self.files)
        took = elapsed(self.began_at, self.boot_id, self.boot_time)
        self.note(outcome=outcome, why=why or self.why, ended_at=time.time(), took=round(took, 3))
        updates = self._updates
        os.rename(self.path, f"{updates}/{self.intent}.json")
        durable.sync_directory(os.path.dirname(self.path))
        durable.sync_directory(updates)
        _tidy(updates)


def path_of(paths: Paths, identifier: str) -> str:
    """Return the path of the journal of an intent."""
    return f"{paths.updates_under_way}/{identifier}.json"


def read(paths: Paths, identifier: str) -> Journal | None:
    """Return the journal of an intent, or None if there is none that this release can act on.

    Raises OSError if that cannot be told.
    """
    return _read(path_of(paths, identifier), identifier) if is_id(identifier) else None


def find(paths: Paths, identifier: str) -> Journal | None:
    """Return the journal of an intent or, once it has ended, its receipt; None if there is neither. Raises OSError."""
    found = read(paths, identifier)
    return found or (_read(f"{paths.updates}/{identifier}.json", identifier) if is_id(identifier) else None)


def under_way(paths: Paths) -> list[Journal]:
    """Return every journal of this profile, oldest first; set aside the files that are no journals.

    Raises OSError if one cannot be read: it may be the only order to undo an update.
    """
    found = []
    for name in durable.names_in(paths.updates_under_way):
        journal = read(paths, name.removesuffix(".json"))
        if journal is not None:
            found.append(journal)
        elif not name.endswith(".new"):  # such a file is being written
            with contextlib.suppress(OSError):
                os.rename(f"{paths.updates_under_way}/{name}", f"{paths.updates}/unreadable-{name}")
    return found


def receipts(paths: Paths) -> Iterator[Journal]:
    """Yield the ended updates of this profile, newest first."""
    return _receipts(paths.updates)


def _receipts(updates: str) -> Iterator[Journal]:
    for name in reversed(durable.names_in(updates)):
        receipt = _read(f"{updates}/{name}", name.removesuffix(".json")) if name.endswith(".json") else None
        if receipt is not None:
            yield receipt


def _read(path: str, identifier: str) -> Journal | None:
    document = durable.read_json(path, LIMIT, strict=True)
    if document is None or document.get("schema") != SCHEMA or document.get("intent") != identifier:
        return None
    source, step = document.get("source"), document.get("step")
    if not (isinstance(source, dict) and isinstance(source.get("kind"), str) and step in _STAGES):
        return None
    journal = Journal(path, identifier, source, "", "")
    for entry in fields(Journal):
        value, default = document.get(entry.name), getattr(journal, entry.name)
        kind = (int, float) if isinstance(default, float) else type(default)
        if entry.name in {"path", "source"} or value is None:
            continue
        if not isinstance(value, kind):
            return None
        setattr(journal, entry.name, value)
    return journal if journal.old and journal.new else None


def _tidy(updates: str) -> None:
    """Remove all but the newest receipts, and what sources have kept, except for the newest update."""
    for name in [one for one in durable.names_in(updates) if one.startswith("unreadable-")][:-_KEPT]:
        with contextlib.suppress(OSError):
            os.unlink(f"{updates}/{name}")
    names = [name for name in durable.names_in(updates) if name.endswith(".json")]
    for name in names[:-_KEPT]:
        with contextlib.suppress(OSError):
            os.unlink(f"{updates}/{name}")
    newest = next((one for one in _receipts(updates) if one.outcome in DONE), None)
    kept = newest.intent if newest is not None and not newest.rolls_back else ""
    horizon = time.time() - 3600  # an updater keeps files a moment before it has a journal
    for name in durable.names_in(updates):
        identifier = name.removesuffix(".files")
        if identifier in {name, kept} or os.path.exists(f"{updates}/under-way/{identifier}.json"):
            continue
        with contextlib.suppress(OSError):
            if f"{identifier}.json" in names or os.stat(f"{updates}/{name}").st_mtime < horizon:
                durable.remove_tree(f"{updates}/{name}")
