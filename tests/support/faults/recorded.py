"""The file-system calls that a real process makes, in their order, as strace saw them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import PATIENCE

STRACE = shutil.which("strace")
_CALLS = (
    "openat,open,creat,write,pwrite64,writev,ftruncate,truncate,fsync,fdatasync,close,mkdir,mkdirat,rmdir,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,dup,dup2,dup3"
)
_LINE = re.compile(r"^(?P<pid>\d+)\s+(?P<call>\w+)\((?P<arguments>.*)\)\s+= (?P<result>-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass(frozen=True, slots=True)
class Call:
    """One successful call: its name, its paths or descriptor, and what it wrote or gave."""

    name: str
    paths: tuple[str, ...] = ()
    descriptor: int = -1
    data: bytes = b""
    flags: str = ""


def is_available() -> bool:
    """Whether processes can be traced here."""
    if STRACE is None:
        return False
    return subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


def need_strace() -> None:
    """Skip where nothing can be traced."""
    if not is_available():
        pytest.skip("strace is not installed, or may not trace here")


def record(script: str, *arguments: str, code: Path, log: Path) -> list[Call]:
    """Run Python code in a process of its own, which must succeed; its calls. `code` holds the package."""
    assert STRACE is not None
    done = subprocess.run(
        [
            STRACE,
            "-f",
            "-xx",
            "-s",
            "1000000",
            "-e",
            f"trace={_CALLS}",
            "-o",
            str(log),
            sys.executable,
            "-c",
            script,
            *list(arguments),
        ],
        env={**os.environ, "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",  # which comes before PYTHONPATH
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return list(_parsed(log.read_text().splitlines()))


def _parsed(lines: list[str]) -> Iterator[Call]:
    begun: dict[str, str] = {}
    for raw in lines:
        line = raw
        pid = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
            continue
        resumed = re.match(r"^\d+\s+<\.\.\. \w+ resumed>", line)
        if resumed:
            line = begun.pop(pid) + line[resumed.end() :]
        found = _LINE.match(line)
        if found is None or int(found["result"]) < 0:
            continue
        yield _call(found["call"], found["arguments"], int(found["result"]))


def _call(name: str, arguments: str, result: int) -> Call:
    assert '"...' not in arguments, "strace shortened what was written"
    texts = [bytes.fromhex(text.replace("\\x", "")) for text, _ in _TEXT.findall(arguments)]
    rest = _TEXT.sub("", arguments)
    if name in {"write", "pwrite64"}:
        assert name == "write" or rest.rstrip().endswith(", 0"), "only what is written at the beginning is modelled"
        return Call(name.removesuffix("64"), descriptor=int(arguments.partition(",")[0]), data=texts[0][:result])
    assert name not in {"writev", "truncate", "dup", "dup2", "dup3"} or not texts, f"{name} is not modelled"
    if name in {"fsync", "fdatasync", "close", "ftruncate"}:
        return Call(name.replace("fdata", "f"), descriptor=int(arguments.partition(",")[0]))
    paths = tuple(os.fsdecode(text) for text in texts)
    if name in {"open", "openat", "creat"}:
        return Call("open", paths, result, flags=rest)
    if name == "unlinkat" and "AT_REMOVEDIR" in rest:
        return Call("rmdir", paths)
    return Call(name.removesuffix("2").removesuffix("at"), paths, flags=rest)
