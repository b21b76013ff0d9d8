"""A gateway that speaks openclaw's contract with whoever keeps it running, and nothing else of it.

    stand_in_openclaw.py gateway run --port PORT
    stand_in_openclaw.py gateway restart-handoff consume --expected-pid PID --json

`/healthz` is alive; `/startupz` and `/readyz` are 503 while it starts or drains, else 200, the former with `uptimeMs` and
`version`. SIGUSR2 drains and restarts: in its own process, or by exit code 0 where a service manager says that it is one
(OPENCLAW_SERVICE_MARKER, or OPENCLAW_SUPERVISOR_MODE=external). SIGTERM drains, and its code is 0 as well. SIGUSR1, which has node open its inspector, is noted in
the home, and so is each handoff, which is consumed once. A configuration that says so is refused with 78.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

VERSION = "2026.9.6"
STARTS, DRAINS = 0.2, 0.2  # seconds
INSPECTED = "inspected"  # a file in its home


def _home() -> Path:
    return Path(os.environ["OPENCLAW_STATE_DIR"])


def _handoff() -> Path:
    return _home() / "handoff"


class Gateway:
    def __init__(self, port: int) -> None:
        self.port = port
        self.home = _home()
        self.up: float | None = None  # since when; None while it starts or drains
        self.asked: asyncio.Queue[signal.Signals] = asyncio.Queue()

    async def run(self) -> int:
        (self.home / "state").mkdir(exist_ok=True)
        (self.home / "state" / "openclaw.sqlite").write_text(f"{os.getpid()} {time.time()}")
        if json.loads((self.home / "openclaw.json").read_text()).get("broken"):
            return 78
        while True:
            server = await asyncio.start_server(self.answer, "127.0.0.1", self.port)
            await asyncio.sleep(STARTS)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGUSR1, (self.home / INSPECTED).touch)
            for number in (signal.SIGUSR2, signal.SIGTERM):  # SIGUSR2 would have killed it before
                loop.add_signal_handler(number, self.asked.put_nowait, number)
            self.up = time.monotonic()
            number = await self.asked.get()
            self.up = None
            await asyncio.sleep(DRAINS)
            server.close()
            await server.wait_closed()
            if number == signal.SIGTERM:
                return 0
            if os.environ.get("OPENCLAW_SERVICE_MARKER") or os.environ.get("OPENCLAW_SUPERVISOR_MODE") == "external":
                _handoff().write_text(str(os.getpid()))
                return 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            path = (await reader.readline()).decode().split()[1]
            up, body = self.up, {}
            if path == "/startupz" and up is not None:
                body = {"status": "started", "uptimeMs": round(1000 * (time.monotonic() - up)), "version": VERSION}
            status = "200 OK" if up is not None or path == "/healthz" else "503 Service Unavailable"
            writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n{json.dumps(body)}".encode())
            await writer.drain()
            writer.close()


def consume(expected: int) -> dict[str, object]:
    """Give the handoff of that process to the first who asks for it."""
    with contextlib.suppress(FileNotFoundError):
        if int(_handoff().read_text()) == expected:
            _handoff().unlink()
            return {"status": "accepted", "reason": "gateway.restart", "restartKind": "gateway-restart"}
    return {"status": "none", "reason": "missing"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="+")
    parser.add_argument("--port", type=int)
    parser.add_argument("--bind")
    parser.add_argument("--expected-pid", type=int)
    parser.add_argument("--json", action="store_true")
    typed = parser.parse_args(arguments)
    if typed.words == ["gateway", "run"]:
        return asyncio.run(Gateway(typed.port).run())
    print(json.dumps(consume(typed.expected_pid)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
