"""A real headless Chromium, driven over a pair of pipes by its own protocol (--remote-debugging-pipe)."""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

from support import PATIENCE

PROGRAMS = ("chromium", "chromium-headless-shell", "google-chrome")


def program() -> str | None:
    """The browser of this machine, or None."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that the browser expects in a certain place."""
    low = os.pipe()
    high = tuple(fcntl.fcntl(one, fcntl.F_DUPFD_CLOEXEC, 20) for one in low)
    for one in low:
        os.close(one)
    return high


class Browser:
    """One browser with one page. Ends with the `with` block."""

    def __init__(self, folder: Path, *options: str) -> None:
        found = program()
        assert found is not None
        ours, theirs = _pipe(), _pipe()
        quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        argv = [found, *quiet, "--remote-debugging-pipe", f"--user-data-dir={folder}", *options, "about:blank"]
        # It reads from descriptor 3 and writes to 4.
        place = f'exec 3<&{ours[0]} 4>&{theirs[1]} {ours[0]}<&- {theirs[1]}>&-; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", place, "bash", *argv],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._out, self._in = ours[1], theirs[0]
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        target = next(one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One call of the protocol, to its answer."""
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            asked["sessionId"] = self._session
        os.write(self._out, json.dumps(asked).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            while b"\0" not in self._rest:
                ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
                assert ready, f"{method}: no answer within {PATIENCE} s"
                more = os.read(self._in, 1 << 20)
                assert more, f"{method}: the browser has ended"
                self._rest += more
            message, _, self._rest = self._rest.partition(b"\0")
            found = json.loads(message)
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]

    def open(self, url: str) -> None:
        """Go there."""
        self.call("Page.navigate", url=url)

    def run(self, code: str) -> Any:
        """What an expression of the page is; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, code: str) -> None:
        """Wait until an expression of the page is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({code})"):
            assert time.monotonic() < deadline, (
                f"{code}: not within {PATIENCE} s\n{self.run('document.body.innerText')}"
            )
            time.sleep(0.05)  # the page tells nobody that it has changed

    def press(self, key: str, code: int) -> None:
        """A key of the keyboard."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            more = text if kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def size(self, width: int, height: int, *, dark: bool = False, mobile: bool = False) -> None:
        """The window, and the colours that its user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """What it shows, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        os.close(self._out)
        os.close(self._in)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
