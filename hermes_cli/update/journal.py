"""The journal of one update: enough for anybody to finish or undo it after its updater has died.

`<updates>/ID.json` is durable before the code is touched, and goes when the code is wholly old or wholly new.
"""

import contextlib
import os
import re
from dataclasses import dataclass
from typing import Literal

from hermes_cli import durable
from hermes_cli.intents.record import is_id
from hermes_cli.paths import Paths

SCHEMA = 1
Step = Literal["begun", "undoing"]
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(slots=True)
class Journal:
    """`old` and `new` are full commit ids of the checkout `root`; `installing`: pip was about to run, or did."""

    path: str
    intent: str
    root: str
    old: str
    new: str
    step: Step = "begun"
    installing: bool = False

    def write(self) -> None:
        """Make it durable. Raises OSError."""
        document = {
            "schema": SCHEMA,
            "intent": self.intent,
            "root": self.root,
            "from": self.old,
            "to": self.new,
            "step": self.step,
            "installing": self.installing,
        }
        durable.replace(self.path, document, durable=True)

    def note(self, *, step: Step | None = None, installing: bool | None = None) -> None:
        """How far it has come, durable when this returns. Raises OSError."""
        self.step = self.step if step is None else step
        self.installing = self.installing if installing is None else installing
        self.write()

    def remove(self) -> None:
        """The update is over. Synced: a power cut must not bring back an order to undo it. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        durable.sync_directory(os.path.dirname(self.path))


def path_of(paths: Paths, identifier: str) -> str:
    """Where the journal of an intent lies."""
    return f"{paths.updates}/{identifier}.json"


def read(paths: Paths, identifier: str) -> Journal | None:
    """The journal of an intent; None when there is none that this release can act on."""
    if not is_id(identifier):
        return None
    path = path_of(paths, identifier)
    document = durable.read_json(path)
    if document is None or document.get("schema") != SCHEMA or document.get("intent") != identifier:
        return None
    root, old, new = document.get("root"), document.get("from"), document.get("to")
    if not (isinstance(root, str) and _is_commit(old) and _is_commit(new)):
        return None
    return Journal(
        path=path,
        intent=identifier,
        root=root,
        old=str(old),
        new=str(new),
        step="undoing" if document.get("step") == "undoing" else "begun",
        installing=document.get("installing") is True,
    )


def left_behind(paths: Paths) -> list[Journal]:
    """Every journal of this profile, oldest first."""
    try:
        names = sorted(os.listdir(paths.updates))
    except OSError:
        return []
    found = (read(paths, name.removesuffix(".json")) for name in names if name.endswith(".json"))
    return [journal for journal in found if journal is not None]


def _is_commit(value: object) -> bool:
    return isinstance(value, str) and _COMMIT.fullmatch(value) is not None
