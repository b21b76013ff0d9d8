"""What a job of the probe runs: `probe_agent.py JOURNAL LABEL MODE [ARGUMENT...]`.

It says what it does on a FIFO, with the machine's monotonic clock, and never outlives the probe by much.
"""

import ctypes
import fcntl
import json
import os
import signal
import sys
import time

JOURNAL, LABEL, MODE, *ARGUMENTS = sys.argv[1:] if __name__ == "__main__" else ("", "", "")
LIFE = 300  # seconds, whatever happens
KINDS = ("group", "session", "orphan")
_PROC_PIDCOALITIONINFO = 20


def say(event, **more):
    """One line; without a probe that reads, the end."""
    line = json.dumps({"t": time.monotonic(), "label": LABEL, "event": event, "pid": os.getpid(), **more})
    try:
        writer = os.open(JOURNAL, os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, line.encode() + b"\n")
        os.close(writer)
    except OSError:
        os._exit(0)


def coalition():
    """The id of our resource coalition (XNU, proc_info_private.h); None: not on macOS, or refused."""
    if sys.platform != "darwin":
        return None
    found = (ctypes.c_uint64 * 5)()
    library = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
    size = library.proc_pidinfo(
        ctypes.c_int(os.getpid()),
        ctypes.c_int(_PROC_PIDCOALITIONINFO),
        ctypes.c_uint64(0),
        found,
        ctypes.sizeof(found),
    )
    return int(found[0]) if size == ctypes.sizeof(found) else None


def stay():
    """Until somebody ends us."""
    while True:
        signal.pause()


def descend(kind, folder):
    """One descendant: in the job's group, in a session of its own, or that and without its parent.

    It survives SIGTERM, saying so, and holds a lock by which the probe sees whether it lives.
    """
    if os.fork():
        return
    if kind != "group":
        os.setsid()
    if kind == "orphan" and os.fork():
        os._exit(0)
    signal.alarm(LIFE)
    signal.signal(signal.SIGTERM, lambda *_: say("SIGTERM", kind=kind))
    path = f"{folder}/{kind}"
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    say("descendant", kind=kind, lock=path, coalition=coalition())
    stay()


def main():
    """One run of the job."""
    signal.alarm(LIFE)
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, lambda *_: say("SIGTERM"))
    # A second run finds those of the first, and has none.
    if MODE == "family" and not os.listdir(ARGUMENTS[0]):
        signal.signal(signal.SIGUSR1, lambda *_: os._exit(75))
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for kind in KINDS:
            descend(kind, ARGUMENTS[0])
    say("start", coalition=coalition())
    if MODE == "exit":
        os._exit(int(ARGUMENTS[0]))
    if MODE == "work":
        time.sleep(float(ARGUMENTS[0]))
        say("end")
        os._exit(0)
    if MODE == "change":  # the very folder that it watches, three times at most
        folder = ARGUMENTS[0]
        number = len(os.listdir(folder))
        if number <= 3:
            os.mkdir(f"{folder}/{number}")
        os._exit(0)
    stay()


if __name__ == "__main__":
    main()
