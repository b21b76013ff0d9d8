"""What a process is struck by: see sitecustomize.py beside this, which imports it where there is something to strike.

What was asked for is a JSON list of [ACTION, ONCE, WHEN, "MODULE:NAME", PROGRAM]. WHEN is before or after the call of MODULE's
function or method NAME. ACTION is kill (SIGKILL to the process itself), stop (SIGSTOP), hang (for ever), skip (the call
does nothing, WHEN is ignored), fail (RuntimeError), full (no space left), full:PATH, tasks:PATH and threads:PATH (no space
left, no process, no thread to be had, as long as there is a file PATH), store:PATH (the same, as SQLite says it), int and hup (SIGINT, SIGHUP to itself), gate:PATH (announces its pid in the FIFO PATH.at and waits for a byte
in PATH.go; see tests/support/faults/gates.py). With a path as ONCE the fault strikes once: whoever creates that
file first is struck. Only processes with PROGRAM in their command line are struck. Nothing in the package knows of this.
"""

import contextlib
import errno
import functools
import importlib.machinery
import json
import os
import signal
import sys
import threading

_SIGNALS = {"int": signal.SIGINT, "hup": signal.SIGHUP}


def _strikes(once):
    if not once:
        return True
    try:
        os.close(os.open(once, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    return True


def _strike(action, once):
    if not _strikes(once):
        return
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action == "hang":
        threading.Event().wait()
    elif action.startswith("gate:"):
        place = action.removeprefix("gate:")
        with open(f"{place}.at", "w", encoding="ascii") as announced:
            announced.write(f"{os.getpid()}\n")
        with open(f"{place}.go", "rb", buffering=0) as go:
            go.read(1)
    elif action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[action])
    elif action.startswith(("full", "tasks", "threads", "store")):
        _refuse_while(*action.split(":", 1))
    elif action == "fail":
        raise RuntimeError("injected")


def _refuse_while(kind, path="/"):
    if not os.path.exists(path):
        return
    if kind == "store":
        import sqlite3

        raise sqlite3.OperationalError("database or disk is full")
    if kind == "tasks":
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    raise OSError(errno.ENOSPC, "No space left") if kind == "full" else RuntimeError("can't start new thread")


def _wrap(function, action, once, when):
    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        if action == "skip":
            return None if _strikes(once) else function(*args, **kwargs)
        if when == "before":
            _strike(action, once)
        result = function(*args, **kwargs)
        if when == "after":
            _strike(action, once)
        return result

    return wrapped


def _apply(module, faults):
    for action, once, when, name in faults:
        owner = module
        *parents, last = name.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, last, _wrap(getattr(owner, last), action, once, when))


class _Finder:
    def __init__(self, faults):
        self._faults = faults

    def find_spec(self, name, path, target=None):
        if name not in self._faults:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def exec_module(module):
            run(module)
            with contextlib.suppress(AttributeError):
                _apply(module, self._faults[name])

        spec.loader.exec_module = exec_module
        return spec


def _parse(text):
    faults = {}
    for action, once, when, where, program in json.loads(text):
        if program not in " ".join(sys.orig_argv):
            continue
        module, _, name = where.partition(":")
        faults.setdefault(module, []).append((action, once, when, name))
    return faults


def begin(asked):
    """Strike from now on, in this process, what was asked for."""
    sys.meta_path.insert(0, _Finder(_parse(asked)))
