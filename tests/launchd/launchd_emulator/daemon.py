"""The daemon: one process, one thread, answering launchctl and the tests.

    from launchd_emulator.daemon import main; main()    FOLDER RUNTIME HOME AGENTS [KEPT]

It says "ready" when it answers. It ends when its standard input ends, so it never outlives the process that started it.
KEPT is a descriptor that it and each of its shims hold open: at its end of file there is nothing left.
"""

import ctypes
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from launchd_emulator import commands, server
from launchd_emulator.call import Call
from launchd_emulator.core import Core
from launchd_emulator.host import Host
from launchd_emulator.server import Connection, Reply
from launchd_emulator.shim import PR_SET_CHILD_SUBREAPER


class Daemon:
    """The server of launchctl's requests and of the tests' own."""

    def __init__(self, core: Core, socket_path: str) -> None:
        self._core = core
        self._host = core.host
        self._waiting: list[tuple[int, Connection]] = []  # clients that wait for a trace longer than so many bytes
        self._host.trace.on_growth = self._tell_waiting
        server.listen(self._host.loop, socket_path, self._handle)

    def _handle(self, connection: Connection, fields: list[bytes]) -> None:
        kind, *rest = fields
        if kind == b"control":
            self._control(connection, json.loads(rest[0]))
        else:
            self._launchctl(connection, rest)

    # --- launchctl

    def _launchctl(self, connection: Connection, fields: list[bytes]) -> None:
        terminal, directory, started, *arguments = fields
        argv = [os.fsdecode(one) for one in arguments]
        self._host.trace.add("request", pid=connection.client, argv=argv)
        # A held clock holds what launchd does, and not what its clients hear.
        latency = self._host.knobs.launchctl_latency_ms / 1000 * self._host.knobs.time_scale
        due = float(started) + latency

        def answer(reply: Reply) -> None:
            self._host.loop.later(due - time.monotonic(), lambda: send(reply))

        def send(reply: Reply) -> None:
            def then(heard: bool) -> None:
                self._host.trace.add("launchctl", pid=connection.client, argv=argv, rc=reply.code, heard=heard)

            connection.answer(reply, then)

        commands.run(Call(self._core, argv, terminal == b"1", os.fsdecode(directory), answer))

    # --- the tests

    def _control(self, connection: Connection, asked: dict[str, Any]) -> None:
        def done(found: object = None) -> None:
            connection.answer(Reply(out=json.dumps(found)))

        def ended() -> None:
            done()
            self._host.loop.stop()

        match asked:
            case {"ask": "wait", "size": size}:
                self._waiting.append((size, connection))
                self._tell_waiting()
            case {"ask": "knob", "changes": changes}:
                _attempt(connection, self._core.turn, changes)
            case {"ask": "advance", "seconds": seconds}:
                _attempt(connection, self._core.advance, seconds)
            case {"ask": "pid", "label": label}:
                done(next((job.pid for job in self._core.jobs() if job.label == label), None))
            case {"ask": "logout"}:
                self._core.logout()
                done()
            case {"ask": "login", "agents": agents}:
                self._core.agents = Path(agents) if agents else None
                self._core.login(done)
            case {"ask": "shutdown"}:
                self._core.shut_down(ended)
            case _:
                connection.answer(Reply(1, err=f"not understood: {asked}"))

    def _tell_waiting(self) -> None:
        size = self._host.trace.size
        due = [connection for at_least, connection in self._waiting if size > at_least]
        self._waiting = [(at_least, connection) for at_least, connection in self._waiting if size <= at_least]
        for connection in due:
            connection.answer(Reply())


def _attempt(connection: Connection, call: Callable[[Any], None], value: object) -> None:
    try:
        call(value)
    except (TypeError, ValueError) as error:
        connection.answer(Reply(1, err=str(error)))
    else:
        connection.answer(Reply(out="null"))


def main() -> None:
    """Run until the standard input ends."""
    folder, runtime, home, agents, *kept = sys.argv[1:]
    for descriptor in kept:
        os.set_inheritable(int(descriptor), False)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    os.chdir("/")
    host = Host(Path(folder), Path(runtime), Path(home), tuple(int(one) for one in kept))
    core = Core(host, Path(agents) if agents else None)

    def input_ended() -> None:
        if not os.read(0, 4096):
            shutil.rmtree(runtime, ignore_errors=True)
            host.loop.stop()

    host.loop.reading(0, input_ended)
    core.boot()
    Daemon(core, f"{runtime}/s")
    os.write(1, b"ready\n")
    os.dup2(2, 1)
    host.loop.run()


if __name__ == "__main__":
    main()
