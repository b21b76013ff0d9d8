"""What processes of one release run, read or answer of another, each tried the way that the other release does it.

`hermes_cli/jobs/__init__.py` states the contract; nothing in this file may change with a release, it can only grow.
All that crosses releases, as of 0.1.0:

    what crosses                          from                                            to
    ------------------------------------  ----------------------------------------------  --------------------------------
    -m hermes_cli.restarter               hermes-restarter.sh (a copy outside the         the installed code, or the copy
      -p P --trigger T [--busy wait]        package), the `sh -c` around the copy, a        of it in state/restarter/lib
                                            driver that renews itself, a supervisor
    -m hermes_cli.update.preflight        an updater                                      the code that it has brought
    -m hermes_cli --version               an updater                                      the code that it has brought
    -m hermes_cli -p P gateway run        an updater; a gateway with restart_on_skew      the code that is installed now
      --check
    -m hermes_cli.update.definitions P    updater, driver; launchd's reload outside       the code that is installed now
    -m hermes_cli.update.in_chat P J …    a gateway, by its service manager               the code that is installed now
    -m hermes_cli.update.probation P U N  a gateway, by its service manager               the code that is installed now
    -c "import hermes_cli.services.       a supervisor                                    the code that is installed now
      supervisor, hermes_cli.cli.gateway"
    -m hermes_cli -p P gateway run        units, plists, a supervisor                     the code that is installed now
    … --supervise --resume [--background] a supervisor, executing itself anew             the code that is installed now
    … --supervise --background            whoever starts the embedded manager             the code that is installed now
    hermes update …, again                an updater that has undone another's change     the code that is installed now
    hermes (a script on PATH)             the agent's terminal                            the code that is installed now
    "step": "begun" | "undoing"           update/journal                                  hermes-restarter.sh, any driver
    "stopped" in desired.json             stop, uninstall                                 hermes-restarter.sh, any driver
    "target": {… "pid": N                 intents/request                                 hermes-restarter.sh, any driver
    exit codes 0 and 75 of the restarter  jobs/restarter                                  hermes-restarter.sh, the `sh -c`
    argv[3] begins with "hermes_cli."     whoever asks a supervisor to start something    supervisor ("outside")
    requests on the supervisor's socket   every command                                   supervisor
    HERMES_SUPERVISOR_STATE               a supervisor                                    its successor
    HERMES_GATEWAY_INSTANCE, _SESSION_*   gateway                                         every command
    hermes_cli/installed-at               installation/copy                               the copy's own code
    records, receipts, gateway.json       everybody                                       everybody
    hermes_cli.coalition                  (a module of the code that is installed now)    a gateway of 0.1.0 on macOS
    the distribution's name hermes-cli    an updater of 0.1.0, for a checkout's needs     pip, the code's definitions job
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from support import PATIENCE
from support.machines.installation import REPOSITORY, Installation

from hermes_cli.installation import entry_points
from hermes_cli.intents import desired, request
from hermes_cli.intents.request import make_directories
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.services.job import restarter_program
from hermes_cli.system import locks
from hermes_cli.update.journal import Journal, path_of

ID = "20261124T011026.565630Z-23393-127a"
# No checkout is asked what is new.
CONFIG = '[update]\ncommand = ["true"]\nrevision = ["echo", "1"]\n'


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.toml").write_text(CONFIG)
    found = Paths("default", f"{home}/state", str(home), f"{home}/logs")
    make_directories(found.intents)
    return found


def argv(*words: str) -> list[str]:
    return [sys.executable, "-P", *words]


def environment(paths: Paths) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HERMES_")}
    mine = {
        "HERMES_HOME": os.path.dirname(paths.config),
        "HERMES_SERVICE_MANAGER": "embedded",
        "PYTHONPATH": str(REPOSITORY),
    }
    return kept | mine


def run(paths: Paths, *words: str, code: int = 0) -> str:
    """One process; what it prints."""
    done = subprocess.run(
        argv(*words), env=environment(paths), cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("busy", [(), ("--busy", "wait")])
def test_the_restarter_drives_until_nothing_is_pending(paths: Paths, busy: tuple[str, ...]) -> None:
    Path(paths.pending, f"{ID}.json").write_text("no record")
    run(paths, "-m", "hermes_cli.restarter", "-p", "default", "--trigger", "watch", *busy)
    assert os.listdir(paths.pending) == []
    assert os.listdir(paths.queue.rejected) != []


def test_a_restarter_beside_another_driver_says_so_with_75(paths: Paths) -> None:
    Path(paths.pending, f"{ID}.json").write_text("no record")
    lock = locks.take(paths.queue.driver_lock)
    assert lock is not None
    run(paths, "-m", "hermes_cli.restarter", "-p", "default", "--trigger", "cli", code=75)
    lock.release()


def test_the_preflight_prints_where_the_package_lies(paths: Paths) -> None:
    assert run(paths, "-m", "hermes_cli.update.preflight") == f"{os.path.realpath(REPOSITORY / 'hermes_cli')}\n"


def test_definitions_of_a_profile_that_was_never_installed_are_left_alone(paths: Paths) -> None:
    assert run(paths, "-m", "hermes_cli.update.definitions", "default") == ""
    assert os.path.isdir(f"{paths.state}/restarter/lib/hermes_cli")  # the restarter's copy is this release's


def test_an_update_in_a_conversation_writes_into_its_jobs_file(paths: Paths) -> None:
    run(paths, "-m", "hermes_cli.update.in_chat", "default", ID, "--check")
    said = Path(paths.updates, "chat", f"{ID}.out").read_text()
    assert "1 → what true brings" in said
    run(paths, "-m", "hermes_cli.update.in_chat", "default", "../escape", "--check", code=2)


def test_a_rollback_after_crashes_is_one_of_that_update(paths: Paths) -> None:
    said = run(paths, "-m", "hermes_cli.update.probation", "default", ID, "3", code=1)
    assert "nothing to roll back, no update is on record" in said


def test_a_supervisor_proves_what_it_is_to_become(paths: Paths) -> None:
    assert run(paths, "-c", "import hermes_cli.services.supervisor, hermes_cli.cli.gateway") == ""


def test_the_program_says_its_version_and_whether_a_gateway_would_start(paths: Paths) -> None:
    assert "." in run(paths, "-m", "hermes_cli", "--version")
    assert run(paths, "-m", "hermes_cli", "-p", "default", "gateway", "run", "--check") == ""
    Path(paths.config).write_text("gateway = 1")
    run(paths, "-m", "hermes_cli", "-p", "default", "gateway", "run", "--check", code=78)


@pytest.mark.e2e
@pytest.mark.parametrize("options", [("--supervise", "--background"), ("--supervise", "--resume")])
def test_a_supervisor_starts_a_gateway_by_the_command_line_that_units_have(
    make_installation: Callable[..., Installation], options: tuple[str, ...]
) -> None:
    hermes = make_installation()
    desired.write(hermes.paths.desired, "running", "a test")
    with open(f"{hermes.paths.logs}/out", "wb") as log:
        words = argv("-m", "hermes_cli", "-p", "default", "gateway", "run", *options)
        started = subprocess.Popen(
            words, env=hermes.environment(), cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    found = hermes.ready()
    gateway = psutil.Process(found.identity.pid)
    assert gateway.cmdline()[1:] == argv("-m", "hermes_cli", "-p", "default", "gateway", "run")[1:]
    assert hermes.run("gateway", "uninstall").returncode == 0
    assert started.wait(PATIENCE) == 0
    hermes.gone(found.identity)


def test_what_this_release_runs_of_another_is_what_every_release_has() -> None:
    run_by_name = argv("-m", "hermes_cli", "-p", "work", "gateway", "run")
    assert entry_points.gateway("work") == run_by_name
    assert entry_points.gateway("work", "--supervise", "--resume") == [*run_by_name, "--supervise", "--resume"]
    assert entry_points.argv(entry_points.RESTARTER) == argv("-m", "hermes_cli.restarter")
    assert entry_points.argv(entry_points.PREFLIGHT) == argv("-m", "hermes_cli.update.preflight")
    assert entry_points.argv(entry_points.DEFINITIONS) == argv("-m", "hermes_cli.update.definitions")
    assert entry_points.argv(entry_points.CHAT_UPDATE) == argv("-m", "hermes_cli.update.in_chat")
    assert entry_points.argv(entry_points.ROLLBACK) == argv("-m", "hermes_cli.update.probation")
    assert entry_points.SUPERVISOR_PROOF == "import hermes_cli.services.supervisor, hermes_cli.cli.gateway"


class TestWhatTheShellScriptGreps:
    """It lies outside the package: a script of any release reads files of any other."""

    @pytest.fixture
    def shell(self, paths: Paths) -> str:
        """The script's own functions, to be called."""
        text = restarter_program.text()
        assert "while pending; do" in text
        head = text.partition("while pending; do")[0].replace('here=$(dirname -- "$0")', "here=/nowhere")
        return f"set -- python default {paths.state!r} false\n{head}"

    @staticmethod
    def answers(shell: str, call: str) -> str | None:
        done = subprocess.run(["/bin/sh", "-c", f"{shell}\n{call}"], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    def test_the_steps_of_a_journal(self, paths: Paths, shell: str) -> None:
        begun = Journal(
            path=path_of(paths, ID), intent=ID, source={"kind": "git"}, old="1", new="2", old_shown="1", new_shown="2"
        )
        begun.write()
        assert self.answers(shell, "in_flux") == ""
        begun.note(step="proven")
        assert self.answers(shell, "in_flux") is None
        begun.note(step="undoing")
        assert self.answers(shell, "in_flux") == ""
        assert self.answers(shell, "is_update_cut_off") == ""

    def test_a_stop(self, paths: Paths, shell: str) -> None:
        desired.write(paths.desired, "stopped", "a test")
        assert self.answers(shell, "is_stopped") == ""
        desired.write(paths.desired, "running", "a test")
        assert self.answers(shell, "is_stopped") is None

    def test_the_process_that_a_record_names(self, paths: Paths, shell: str) -> None:
        target = own.new(os.getpid(), "1", "0", 0.0).identity.document()
        record = request.compose(paths.profile, reason="manual", command="a test", target=target, in_tree=False)
        request.submit(paths.intents, record)
        (path,) = Path(paths.pending).iterdir()
        assert self.answers(shell, f"recorded_pid {str(path)!r}") == str(os.getpid())
        assert [one.target.pid for one in paths.queue.unsettled()] == [os.getpid()]
