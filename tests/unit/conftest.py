"""What every unit test may ask for; support/commands has the rest."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

import pytest

_started: list[str] = []  # the package's programs that this process has started


def _note(event: str, arguments: tuple) -> None:
    if event in {"subprocess.Popen", "os.posix_spawn"} and "'-m', 'hermes_cli" in (command := str(arguments[1])):
        _started.append(command)


sys.addaudithook(_note)


@pytest.fixture(autouse=True)
def _nothing_inherited(nothing_inherited):
    pass


@pytest.fixture
def hermes(home: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run one hermes command to its end in this process: fifty times as quick as a process of its own.

    It must start no driver and no supervisor: nothing here would end them.
    """
    from hermes_cli.cli import line

    def run(
        *arguments: str, environment: Mapping[str, str] | None = None, encoding: str = "utf-8"
    ) -> subprocess.CompletedProcess[str]:
        out = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict", write_through=True)
        err = io.TextIOWrapper(io.BytesIO(), encoding, errors="backslashreplace", write_through=True)
        with monkeypatch.context() as patch, open(os.devnull, encoding="ascii") as nothing:
            for name, value in {"HERMES_HOME": home, **(environment or {})}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", nothing)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            _started.clear()
            code = line.run(list(arguments))
        assert not _started, "what starts processes belongs in tests/processes"
        said = (stream.buffer.getvalue().decode(encoding) for stream in (out, err))
        return subprocess.CompletedProcess(arguments, code, *said)

    return run
