"""Endpoints for chat completions that others wrote: a real inference engine, and a mock with the format of OpenAI.

Each is a process of its own. What is missing skips the test, with the reason.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import PATIENCE
from support.models import table_model

AIMOCK = "@copilotkit/aimock@1.43.0"
_ENGINE = """
import sys, xllamacpp
wanted = xllamacpp.CommonParams()
wanted.model.path, wanted.hostnames, wanted.port = sys.argv[1], ["127.0.0.1"], 0
wanted.n_ctx, wanted.n_parallel, wanted.use_jinja, wanted.warmup = 16384, 1, True, False
server = xllamacpp.Server(wanted)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def engine(folder: Path, command: str, told: str, news: str) -> Iterator[str]:
    """Run llama.cpp with a model that says this (`table_model`); what goes into config.toml."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no inference engine: pip install --group engine")
    model = folder / "table.gguf"
    table_model.write(model, command, told, news)
    with _running([sys.executable, "-c", _ENGINE, str(model)], folder / "engine.log") as config:
        yield config


@contextmanager
def aimock(folder: Path, command: str, told: str, news: str) -> Iterator[str]:
    """Run aimock from npm, or from HERMES_TEST_AIMOCK, a folder with its node_modules; what goes into config.toml."""
    program = _aimock(folder)
    call = {"toolCalls": [{"name": "terminal", "arguments": {"command": command}}]}
    asked = {"userMessage": "update", "hasToolResult": False}
    answers = [
        {"match": asked, "response": call},
        {"match": {**asked, "hasToolResult": True}, "response": {"content": told}},
        {"match": {"userMessage": "did it work?"}, "response": {"content": news}},
    ]
    script = folder / "aimock.json"
    script.write_text(json.dumps({"fixtures": answers}))
    with _running(["node", program, "-p", "0", "-f", str(script), "--strict"], folder / "aimock.log") as config:
        yield config


def _aimock(folder: Path) -> str:
    if shutil.which("npm") is None or _node() < 20:
        pytest.skip("aimock needs npm, and node 20")
    prefix = os.environ.get("HERMES_TEST_AIMOCK")
    if prefix is None:
        prefix = str(folder / "npm")
        install = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", prefix, AIMOCK]
        done = subprocess.run(install, capture_output=True, text=True, timeout=PATIENCE, check=False)
        if done.returncode:
            pytest.skip(f"aimock cannot be installed: {(done.stderr or done.stdout).strip()[-200:]}")
    return f"{prefix}/node_modules/@copilotkit/aimock/dist/cli.js"


def _node() -> int:
    """The major version of node, 0 where there is none."""
    if shutil.which("node") is None:
        return 0
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=PATIENCE, check=False).stdout
    found = re.match(r"v(\d+)\.", said)
    return int(found[1]) if found else 0


@contextmanager
def _running(command: list[str], log: Path) -> Iterator[str]:
    with log.open("wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError(log.read_text())
        yield f'[model]\nbase_url = "{found[0]}/v1"\nmodel = "test"\n'
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)
