"""The README's example of intents/ keeps something alive that is no gateway, also when it is killed at random."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli import intents
from hermes_cli.intents import Queue
from hermes_cli.system.process import Handle, Identity

README = Path(intents.__file__).parent / "README.md"
SEED = int(os.environ.get("HERMES_CHAOS_SEED", "11932"))


@pytest.fixture
def example(tmp_path):
    """The example as a program of its own; the job that it keeps alive ends with the test."""
    (code,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    script, home = tmp_path / "example.py", tmp_path / "home"
    script.write_text(code, encoding="utf-8")
    home.mkdir()

    def start(*words):
        argv = [sys.executable, str(script), str(home), *words]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    yield start, home
    found = job(home)
    if found is not None:
        os.kill(found.pid, signal.SIGKILL)


def job(home):
    try:
        found = Identity.of(json.loads((home / "job.json").read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError):
        return None
    return found if found is not None and found.is_alive() else None


def run(start, *words):
    with start(*words) as process:
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return out


def test_the_example_starts_what_does_not_run_and_restarts_what_runs(example):
    start, home = example
    assert run(start, "ask").split()[-1] == "restarted"
    first = job(home)
    assert first is not None
    with Handle(first) as handle:
        assert run(start, "ask").count("restarted") == 2
        assert handle.wait(PATIENCE), "the old job was left running"
    assert not job(home).is_same_as(first)


def test_what_the_example_acknowledged_is_settled_whoever_is_killed(example):
    start, home = example
    chance, acknowledged = random.Random(SEED), set()
    for _ in range(12):
        with start("ask") as process:
            acknowledged.add(process.stdout.readline().strip())
            try:
                process.wait(chance.uniform(0.0, 0.3))
            except subprocess.TimeoutExpired:
                process.kill()
        victim = job(home)
        if victim is not None and chance.random() < 0.3:
            os.kill(victim.pid, signal.SIGKILL)
    acknowledged.add(run(start, "ask").split()[0])
    queue = Queue(f"{home}/intents", "job")
    assert queue.unsettled() == []
    outcomes = {settled.intent.id: settled.outcome for settled in queue.history()}
    assert set(outcomes) == acknowledged - {""}, f"HERMES_CHAOS_SEED={SEED}"
    assert set(outcomes.values()) <= {"restarted", "already-satisfied"}
    assert job(home) is not None
