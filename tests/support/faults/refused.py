"""Calls into the kernel that a running gateway is refused, from one of them on and until there is room again.

`refused.c` is preloaded into the processes of an installation and strikes in `gateway run`. The two share a page: what is
to be refused can be set at any moment, so that one gateway serves for many strikes.
"""

import ctypes
import errno
import mmap
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_MAKES, _WRITES, _READS, _DESCRIPTORS, _TASKS, _MEMORY = 1, 2, 4, 8, 16, 32
_CALLS, _TEXT = 4096, 120
FOR_EVER = 1 << 60


@dataclass(frozen=True, slots=True)
class Kind:
    """What runs out or fails: the error, and which calls meet it."""

    name: str
    error: int
    calls: int


KINDS = (
    Kind("full", errno.ENOSPC, _MAKES | _WRITES),
    Kind("broken", errno.EIO, _MAKES | _WRITES | _READS),
    Kind("descriptors", errno.EMFILE, _DESCRIPTORS),
    Kind("tasks", errno.EAGAIN, _TASKS),
    Kind("memory", errno.ENOMEM, _MEMORY),
)


class _Page(ctypes.Structure):
    _fields_ = (
        ("kinds", ctypes.c_int),
        ("error", ctypes.c_int),
        ("first", ctypes.c_long),
        ("most", ctypes.c_long),
        ("seen", ctypes.c_long),
        ("struck", ctypes.c_long),
        ("begun", ctypes.c_long),
        ("from_", ctypes.c_long),
        ("to", ctypes.c_long),
        ("home", ctypes.c_char * 256),
        ("calls", ctypes.c_char * _TEXT * _CALLS),
    )


class Refusals:
    """What an installation's gateways are refused. Nothing is, until `listen` or `refuse`."""

    def __init__(self, folder: Path, home: Path) -> None:
        """Build the library in `folder`; skip the test where no compiler is."""
        compiler = shutil.which("gcc")
        if compiler is None:
            pytest.skip("gcc is not installed")
        self._library, self._path = folder / "refused.so", folder / "refused.page"
        source = Path(__file__).with_name("refused.c")
        argv = [compiler, "-O2", "-shared", "-fPIC", "-o", str(self._library), str(source), "-ldl"]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self._path.write_bytes(bytes(ctypes.sizeof(_Page)))
        with self._path.open("r+b") as file:
            self._page = _Page.from_buffer(mmap.mmap(file.fileno(), 0))
        self._page.home = f"{os.fsencode(home).decode('utf-8', 'surrogateescape')}/".encode("utf-8", "surrogateescape")

    @property
    def variables(self) -> dict[str, str]:
        """What the processes need in their environment."""
        return {"LD_PRELOAD": str(self._library), "HERMES_TEST_REFUSED": str(self._path)}

    def listen(self, kind: Kind, *, of: str = "this") -> None:
        """Count and note from now on the calls that `kind` would meet."""
        self.refuse(kind, 0, of=of)

    def refuse(self, kind: Kind, first: int, most: int = FOR_EVER, *, of: str = "this") -> None:
        """Refuse from the `first`-th call on, counted from now, `most` of them; of this gateway, or of the next ones."""
        self.relent()
        self._page.from_ = 0 if of == "this" else self.begun + 1
        self._page.to = self.begun if of == "this" else FOR_EVER
        self._page.error = kind.error
        self._page.first, self._page.most = first, most
        self._page.seen = self._page.struck = 0
        self._page.kinds = kind.calls

    def relent(self) -> None:
        """Refuse nothing from now on: there is room again."""
        self._page.kinds = 0

    @property
    def calls(self) -> list[str]:
        """The calls since `listen` or `refuse`."""
        return [self._page.calls[number].value.decode(errors="replace") for number in range(min(self.seen, _CALLS))]

    @property
    def seen(self) -> int:
        """How many calls there were since then."""
        return int(self._page.seen)

    @property
    def struck(self) -> int:
        """How many of them were refused."""
        return int(self._page.struck)

    @property
    def begun(self) -> int:
        """How often a gateway's program was executed, ever."""
        return int(self._page.begun)
