"""Run a configured command with one event on its standard input, within its time."""

import contextlib
import json
import os
import signal
import subprocess

from hermes_cli.environment import scrubbed
from hermes_cli.system import complaint
from hermes_cli.system.process import describe_exit

_SAID = 4096  # bytes of what the command says that are looked at


def run(argv: tuple[str, ...], document: dict[str, object], timeout: float) -> str | None:
    """Run the command with the document on its standard input. Return why that failed, or None. Raises OSError."""
    import tempfile  # half of what a driver would import; most have nobody to tell

    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(json.dumps(document).encode() + b"\n")
        given.seek(0)
        environment = {**scrubbed(), "HERMES_EVENT": str(document["event"]), "HERMES_EVENT_ID": str(document["id"])}
        try:
            process = subprocess.Popen(
                argv, stdin=given, stdout=said, stderr=said, cwd="/", env=environment, start_new_session=True
            )
        except (OSError, ValueError) as error:
            return f"{argv[0]} cannot be started ({error})"
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"{argv[0]} took over {timeout:g} s"
        if code == 0:
            return None
        said.seek(0)
        return f"{argv[0]}: {complaint.reason(said.read(_SAID).decode(errors='replace')) or describe_exit(code)}"
