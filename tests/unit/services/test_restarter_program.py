"""The restarter's `sh` program: what it does with a driver that runs, is killed, or cannot run at all."""

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support import PATIENCE

from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.services.job import restarter_program


class Program:
    """The installed program with an interpreter that does as told, one word a run, the last one again and again."""

    def __init__(self, folder: Path) -> None:
        home = folder / "höme 'of' \"hermes\" $(false)"
        self.paths = Paths("default", f"{home}/state", str(home), f"{home}/logs")
        make_directories(self.paths.intents)
        restarter_program.install(self.paths)
        Path(self.paths.restarter, "lib").unlink()  # what runs without the copy is told apart from what runs with it
        self.folder = folder
        self.runs = folder / "runs"
        self.python = folder / "python"
        self.settles = f"find {shlex.quote(self.paths.pending)} -type f -delete; exit 0"  # what a driver does

    def interpreter(self, *lines: str) -> None:
        """`lines` of sh, run as PYTHON; each run is noted with its PYTHONPATH and arguments."""
        note = f'echo "${{PYTHONPATH:-installed}} $*" >> {self.runs}'
        self.python.write_text("\n".join(["#!/bin/sh", note, *lines]))
        self.python.chmod(0o755)

    def record(self, pid: int | None, name: str = "one") -> Path:
        path = Path(self.paths.pending, f"{name}.json")
        target = None if pid is None else {"pid": pid, "create_time": 1.5}
        path.write_text(json.dumps({"schema": 1, "id": name, "target": target, "requester": {"pid": 1}}))
        return path

    def start(self, *command: str) -> subprocess.Popen[str]:
        argv = restarter_program.argv(self.paths, str(self.python), list(command or ("false",)))
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, *command: str) -> str:
        with self.start(*command) as process:
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return err

    def noted(self) -> list[str]:
        return self.runs.read_text().splitlines() if self.runs.exists() else []


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


@pytest.fixture
def gone():
    """A pid that nobody has."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def test_with_nothing_pending_it_ends_without_an_interpreter(program):
    program.interpreter("exit 1")
    program.run()
    assert program.noted() == []


def test_a_hidden_file_counts_as_pending_because_launchd_counts_it(program):
    hidden = Path(program.paths.pending, ".hidden")
    hidden.write_text("")
    program.interpreter(program.settles)
    program.run()
    assert len(program.noted()) == 1


def test_it_runs_the_driver_of_its_profile_with_the_installed_package(program, gone):
    program.record(gone)
    program.interpreter(program.settles)
    program.run()
    assert program.noted() == ["installed -P -m hermes_cli.restarter -p default --trigger watch --busy wait"]


def test_another_driver_at_work_is_an_end_too(program, gone):
    program.record(gone)
    program.interpreter("exit 75")
    program.run()
    assert len(program.noted()) == 1


def test_an_update_that_was_cut_off_before_its_intent_was_recorded_has_a_driver_once(program):
    journal = Path(program.paths.updates_under_way, "one.json")
    journal.parent.mkdir(parents=True)
    journal.write_text('{"step": "proven"}')
    program.interpreter("exit 0")
    program.run()
    assert program.noted() == ["installed -P -m hermes_cli.restarter -p default --trigger watch --busy wait"]


def test_a_driver_that_was_killed_is_run_again(program, gone):
    program.record(gone)
    program.interpreter(
        f"[ -e {program.folder}/once ] || {{ : > {program.folder}/once; kill -9 $$; }}", program.settles
    )
    program.run()
    assert [line.split()[0] for line in program.noted()] == ["installed", "installed"]


def test_when_the_installed_package_cannot_run_the_copy_does(program, gone):
    program.record(gone)
    lib = Path(program.paths.restarter, "lib")
    lib.mkdir()
    program.interpreter('[ -n "$PYTHONPATH" ] || exit 1', program.settles)
    program.run()
    assert program.noted()[1].startswith(f"{lib} -P -m hermes_cli.restarter")


def test_without_any_driver_it_demand_starts_the_service_itself(program, gone):
    record = program.record(gone)
    program.interpreter("exit 1")
    err = program.run("rm", str(record))
    assert not record.exists()
    assert "no driver can run (exit code 1)" in err


def test_without_an_interpreter_too(program, gone):
    record = program.record(gone)
    program.run("rm", str(record))
    assert not record.exists()


def test_it_waits_for_the_recorded_process_first(program):
    alive = subprocess.Popen(["sleep", "1000"])
    record = program.record(alive.pid)
    ready = program.folder / "ready"
    os.mkfifo(ready)
    program.interpreter(f"echo > {ready}", "exit 1")
    running = program.start("rm", str(record))
    ready.read_text()  # the driver has failed, and the wait begins
    assert record.exists()
    alive.send_signal(signal.SIGKILL)
    alive.wait()
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, err
    assert not record.exists()


@pytest.mark.e2e
def test_what_a_driver_has_to_leave_behind_is_not_driven_again_and_again(program, gone):
    program.record(gone)
    program.interpreter(
        f"[ -e {program.folder}/once ] && {{ {program.settles}; }}", f": > {program.folder}/once", "exit 0"
    )
    began = time.monotonic()
    program.run()
    assert len(program.noted()) == 2
    assert time.monotonic() - began >= 10


@pytest.mark.e2e
def test_it_does_not_start_what_was_stopped(program, gone):
    program.record(gone)
    Path(program.paths.desired).write_text(json.dumps({"desired": "stopped"}))
    done = program.folder / "started"
    # The second attempt at a driver works: by then the first round has decided.
    program.interpreter(
        f"[ -e {program.folder}/once ] && {{ {program.settles}; }}", f": > {program.folder}/once", "exit 1"
    )
    program.run("touch", str(done))
    assert not done.exists()


def test_nothing_in_a_record_is_executed(program, gone):
    evil = program.folder / "evil"
    record = program.record(gone, name="one")
    record.write_text(f'{{"target": {{"pid": "$(touch {evil})"}}, "id": "`touch {evil}`"}}')
    Path(program.paths.pending, "$(touch evil).json").write_text('{"target": {"pid": 999999999; touch evil}}')
    program.interpreter("exit 1")
    program.run("find", str(record.parent), "-type", "f", "-delete")
    assert not evil.exists()


def test_it_is_replaced_whole_when_it_is_of_another_release(program):
    place = Path(restarter_program.path_of(program.paths))
    place.write_text("old")
    before = place.stat().st_ino
    restarter_program.install(program.paths)
    assert place.read_text() == restarter_program.text()
    assert place.stat().st_ino != before
    assert place.stat().st_mode & 0o777 == 0o700


def test_it_is_what_every_posix_shell_reads(program):
    for shell in ("/bin/dash", "/bin/bash"):
        if os.path.exists(shell):
            done = subprocess.run(
                [shell, "-n", restarter_program.path_of(program.paths)], capture_output=True, check=False
            )
            assert done.stderr == b""


def test_what_no_driver_can_finish_is_tried_seldom_after_a_while(program, gone, tmp_path, monkeypatch):
    program.record(gone)
    program.interpreter("exit 1")
    sleeps, starts = tmp_path / "sleeps", tmp_path / "starts"
    pauses = [10, 20, 40, 80, 160, 320, 600, 600]
    asleep = tmp_path / "bin" / "sleep"
    asleep.parent.mkdir()
    asleep.write_text(
        f'#!/bin/sh\n[ "$1" = 10 ] || exec /bin/sleep "$1"\necho >> {sleeps}\n'
        f"[ $(wc -l < {sleeps}) -lt {sum(pauses) // 10} ] || rm -f {shlex.quote(program.paths.pending)}/one.json\n"
    )
    asleep.chmod(0o755)
    monkeypatch.setenv("PATH", f"{asleep.parent}:{os.environ['PATH']}")
    program.run("sh", "-c", f"echo >> {starts}")
    assert len(starts.read_text()) == len(pauses)


@pytest.fixture
def any_python(program, tmp_path, monkeypatch):
    """A Python on PATH beside the one that is gone, and the restarter's copy, which it can run."""
    Path(program.paths.restarter, "lib").mkdir()
    found = tmp_path / "bin" / "python3"
    found.parent.mkdir()
    note = f'echo "${{PYTHONPATH:-installed}} $*" >> {program.runs}'
    found.write_text(f'#!/bin/sh\n[ "$1" != -c ] || exit 0\n{note}\n{program.settles}\n')
    found.chmod(0o755)
    monkeypatch.setenv("PATH", f"{found.parent}:{os.environ['PATH']}")


@pytest.mark.usefixtures("any_python")
def test_where_the_interpreter_is_gone_any_other_runs_the_copy(program, gone):
    program.record(gone)
    program.run()
    run = "-P -m hermes_cli.restarter -p default --trigger watch --busy wait"
    assert program.noted() == [f"{program.paths.restarter}/lib {run}"]


@pytest.mark.usefixtures("any_python")
def test_what_an_update_was_changing_is_left_to_the_interpreter_that_is_gone(program, gone):
    program.record(gone)
    journal = Path(program.paths.updates_under_way, "one.json")
    journal.parent.mkdir(parents=True)
    journal.write_text('{"step": "begun"}')
    started = program.folder / "started"
    program.run("sh", "-c", f"touch {started}; find {shlex.quote(program.paths.pending)} -type f -delete")
    assert started.exists()
    assert program.noted() == []
