"""gateway.json, read and checked against the kernel: the one reader, cheap enough for whoever asks for a restart.

The gateway replaces the file itself; it is only believed while the process that it names is alive. No dataclass here:
importing those would double what a requester costs.
"""

import os

from hermes_cli.system import durable, process_table
from hermes_cli.system.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HANDLED_SIGNAL = "SIGUSR1"
PLACE = "directory"  # the state directory in which the gateway wrote the file
NAMESPACE = "pid_namespace"  # in which its pid is a pid
ELSEWHERE = "the gateway runs in another pid namespace, a container perhaps"


class Description:
    """What a gateway has written of itself; `document` is all of it. `create_time` in epoch seconds."""

    __slots__ = ("boot_id", "create_time", "document", "pid", "start_ticks")

    def __init__(self, pid: int, document: "dict[str, Any]") -> None:
        ticks, boot = document.get("start_ticks"), document.get("boot_id")
        self.pid = pid
        self.create_time = durable.finite(document.get("create_time"))
        self.start_ticks = ticks if type(ticks) is int else None
        self.boot_id = boot if isinstance(boot, str) else None
        self.document = document

    @property
    def state(self) -> str | None:
        """The state as it was written; a word of a later release is returned as it is."""
        return self.text("state")

    @property
    def revision(self) -> str | None:
        """The revision that the gateway runs."""
        return self.text("revision")

    @property
    def handles_signal(self) -> bool:
        """Whether it has said that it handles the restart signal, which would kill it before (rule 5)."""
        signals = self.document.get("signals")
        return isinstance(signals, list) and HANDLED_SIGNAL in signals

    def is_alive(self) -> bool:
        """Whether that very process runs."""
        return process_table.is_same(self.pid, self.create_time, self.start_ticks, self.boot_id)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was written in another pid namespace of this boot, so that its pid says nothing here."""
        there, here = self.document.get(NAMESPACE), process_table.pid_namespace()
        return type(there) is int and here not in {None, there} and self.boot_id == process_table.boot_id()

    def text(self, name: str) -> str | None:
        """Return a field that is a string, or None."""
        value = self.document.get(name)
        return printable(value) if isinstance(value, str) else None


def parse(document: "dict[str, Any] | None") -> Description | None:
    """Return a description from JSON of any release; None when it names no process. Unknown fields are kept."""
    if document is None:
        return None
    pid = document.get("pid")
    return Description(pid, document) if type(pid) is int and 0 < pid < 2**31 else None


def read(path: str, *, strict: bool = False) -> Description | None:
    """Read the file, whoever wrote it and whether that process lives or not.

    With `strict`, raise OSError when it cannot be told what is there.
    """
    return parse(durable.read_json(path, strict=strict))


def read_alive(path: str, *, strict: bool = False) -> Description | None:
    """Read the file of a process that runs now, and here, or return None. Raises OSError like `read`."""
    return alive(path, read(path, strict=strict))


def alive(path: str, found: Description | None) -> Description | None:
    """Return what was read at `path` if it is of a process that runs now, and here."""
    return found if found is not None and found.is_alive() and not _is_copied(path, found) else None


def is_elsewhere(path: str, found: Description | None) -> bool:
    """Say whether a gateway runs, or might, that cannot be judged from here: its lock is held in another pid namespace.

    `found`: what was read at `path`.
    """
    if found is None or not found.is_elsewhere:
        return False
    from hermes_cli.system import locks

    return locks.may_be_held(f"{os.path.dirname(path)}/gateway.lock")


def refuse_elsewhere(path: str) -> None:
    """Raise CannotTellError for a gateway that can be neither judged nor signalled from here."""
    if is_elsewhere(path, read(path)):
        from hermes_cli.errors import CannotTellError

        raise CannotTellError(f"{ELSEWHERE}, and cannot be judged from here: give the command there")


def _is_copied(path: str, found: Description) -> bool:
    """Say whether the file came with a copy of the home that the process serves; the copy's lock is held by nobody."""
    here, written = os.path.dirname(path), found.document.get(PLACE)
    if not isinstance(written, str) or written == here:
        return False
    from hermes_cli.system import locks

    return not locks.is_held(f"{here}/gateway.lock")
