"""One call of a service manager's own command: bounded, and a timeout means unknown (failure mode B8)."""

import os
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended. `code` None: it did not within its timeout, so what it did is not known."""

    code: int | None
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Whether it exited 0."""
        return self.code == 0

    @property
    def why(self) -> str:
        """Its last word, for a message."""
        lines = [line.strip() for line in f"{self.out}\n{self.err}".splitlines() if line.strip()]
        if self.code is None:
            return "no answer in time"
        return lines[-1] if lines else f"exit code {self.code}"


def call(argv: list[str], timeout: float, variables: dict[str, str] | None = None) -> Answer:
    """Run `argv` for at most `timeout` seconds, with `variables` added. Raises FileNotFoundError: no such program."""
    environment = {**os.environ, "LC_ALL": "C", **(variables or {})}  # what is parsed must not be translated
    try:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            cwd="/",
            env=environment,
            start_new_session=True,  # Ctrl-C is for us: a manager's command that dies half-way leaves half a change
        )
    except subprocess.TimeoutExpired:
        return Answer(None, "", "")
    return Answer(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))
