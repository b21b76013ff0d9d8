"""Every problem has a mend that ends it when it is run as it stands, in a profile that is not the default one.

What no command can end has its reason here; a problem that has neither a walk nor a reason fails the last test.
"""

import ast
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import PATIENCE
from support.machines.installation import REPOSITORY, SHORT_CLOCKS, Installation, argv_of
from support.machines.worlds import World

from hermes_cli import paths
from hermes_cli.intents import desired
from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own
from hermes_cli.status.fixes import words_of

pytestmark = pytest.mark.e2e

WHY_NOT = {
    **dict.fromkeys(
        (
            "adopted-disabled",
            "adopted-files",
            "adopted-home",
            "adopted-hook",
            "adopted-probe",
            "adopted-program",
            "adopted-undescribed",
        ),
        "of an adopted program, which is not ours to mend; most are advice",
    ),
    "config": "no command knows what was meant: the file has to be edited",
    "crash-loop": "why it crashes is in its log, which is what the command shows",
    "crashes": "walked by tests/e2e/test_update_probation.py: update --rollback",
    "code": "the code has to come from somewhere: update, or a new installation",
    "definition-refused": "walked by tests/e2e/launchd: install writes it again with its mode",
    "down": "walked below; of an adopted program: the resident sees to it",
    "driver-silent": "whoever stopped the driver has to continue or end it; the command names the lock's holder",
    "environment": "walked below where it is a mode; a file that cannot be read has to be edited",
    "hook": "a program of the user's own: the commands show which, and what it said",
    "installation": "which of two installations is meant is a choice",
    "no-boot": "takes root, and a new login",
    "no-linger": "loginctl asks the machine's logind, which these tests have none of",
    "not-an-intent": "whoever looks moves it to rejected/, so it is gone before anything can be pasted",
    "program-gone": "walked by tests/services/test_look_ahead.py: a restart writes the definition anew by itself",
    "queue": "walked below; what belongs to somebody else is a choice",
    "restarter-missing": "walked below under launchd; an embedded gateway starts another supervisor by itself",
    "rolled-back": "only the next release ends it",
    "room": "somebody has to choose what goes",
    "service-foreign": "whose the name shall be is a choice",
    "start-held-back": "launchd ends it by itself; a demand start is admitted meanwhile",
    "status": "permissions of somebody else's making",
    "telegram": "walked by tests/gateway/test_telegram.py; what ends it lies with Telegram, another poller or the bot's token",
    "undescribed": "it ends by itself at the next heartbeat; the command looks again",
    "storm": "it ends by itself; the command shows who asks again and again",
    "unknown": "walked below where it is a supervisor that was stopped; else a manager that does not answer has to be asked again",
    "unmanaged": "walked by tests/services/test_conformance.py: a gateway started by hand is taken in by a restart",
    "unreadable": "of `list`: the problem that `status` of that profile shows",
    "watches": "a limit of the machine, which root raises",
}
Harm = Callable[["Desk"], object]
Step = tuple[str, Harm] | tuple[str, Harm, Harm]  # the problem, what makes it, and what a person has mended meanwhile


ONLY_DOCTOR = {"environment", "not-installed", "queue"}


class Desk:
    """Profile `work` of an installation, and what a person pastes."""

    def __init__(self, hermes: Installation, folder: Path, profile: str = "work") -> None:
        """`folder` gets a `hermes` of this code: commands are run by that name."""
        self.hermes, self.profile = hermes, profile
        home = str(hermes.home)
        self.paths = paths.Paths(profile, f"{home}/state", home, f"{home}/logs", home)
        self.bin = folder / "bin"
        self.bin.mkdir(exist_ok=True)
        program = self.bin / "hermes"
        program.write_text(f'#!/bin/sh\nexec {hermes.python} -m hermes_cli "$@"\n')
        program.chmod(0o755)
        Path(self.paths.config).parent.mkdir(parents=True, exist_ok=True)
        Path(self.paths.config).write_text(SHORT_CLOCKS)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.hermes.run("-p", self.profile, *words)

    def ready(self) -> Instance:
        return self.hermes.until(
            lambda: next((one for one in [own.read_alive(self.paths)] if one and one.ready), None), "a ready instance"
        )

    def problems(self) -> list[dict[str, Any]]:
        """What doctor finds: what status finds, and more."""
        return [
            p
            for check in json.loads(self.run("gateway", "doctor", "--json").stdout)["checks"]
            for p in check["problems"]
        ]

    def look(self, code: str) -> list[dict[str, Any]]:
        """What status finds, which is quicker, or doctor where only that knows the problem."""
        if code in ONLY_DOCTOR:
            return self.problems()
        found: list[dict[str, Any]] = json.loads(self.run("gateway", "status", "--json").stdout)["problems"]
        return found

    def find(self, code: str) -> dict[str, Any]:
        found = self.look(code)
        assert code in [one["code"] for one in found], found
        return next(one for one in found if one["code"] == code)

    def paste(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run it with a home and a profile in the environment that are not this one's."""
        environment = self.hermes.environment(PATH=f"{self.bin}:{self.hermes.environment()['PATH']}")
        if command[0] == "env":
            environment.pop("HERMES_HOME")
        return subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def is_ended(self, code: str) -> bool:
        return code not in [one["code"] for one in self.look(code)]


def nothing(_: Desk) -> None:
    """Nothing is installed."""


def killed(desk: Desk) -> None:
    for one in desk.hermes.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGSTOP)
    for one in desk.hermes.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)


def older_definition(desk: Desk) -> None:
    definition = Path(desk.paths.state, "service.json")
    definition.write_text(definition.read_text() + "\n")


def stopped_but_runs(desk: Desk) -> None:
    desired.write(desk.paths.desired, "stopped", "a test")


def open_to_others(desk: Desk) -> None:
    os.chmod(desk.paths.pending, 0o777)


def no_directory(desk: Desk) -> None:
    settled = Path(desk.paths.queue.settled)
    shutil.move(settled, settled.with_name("elsewhere"))
    settled.write_text("")


def readable_environment(desk: Desk) -> None:
    file = Path(desk.paths.config).with_name("environment")
    file.write_text("A=1\n")
    file.chmod(0o644)


def other_code(desk: Desk) -> None:
    os.kill(desk.ready().identity.pid, signal.SIGSTOP)  # its heartbeat would write what is true
    record = Path(desk.paths.instance)
    found = json.loads(record.read_text())
    found["revision"] = "0123456789ab"
    record.write_text(json.dumps(found))


def goes_on(desk: Desk) -> None:
    os.kill(desk.ready().identity.pid, signal.SIGCONT)


def failed_restart(desk: Desk) -> None:
    messages = Path(desk.paths.messages)
    desk.run("gateway", "stop")
    shutil.move(messages, f"{messages}.away")
    Path(messages, "in the way").mkdir(parents=True)
    assert desk.run("gateway", "restart", "--force").returncode == 1


def restart_can_work(desk: Desk) -> None:
    messages = Path(desk.paths.messages)
    shutil.rmtree(messages)
    shutil.move(f"{messages}.away", messages)


def no_heartbeat(desk: Desk) -> None:
    os.kill(desk.ready().identity.pid, signal.SIGSTOP)
    record = Path(desk.paths.instance)
    found = json.loads(record.read_text())
    for name in ("heartbeat", "heartbeat_since_boot"):
        found[name] -= 3600
    record.write_text(json.dumps(found))


def suspended(desk: Desk) -> None:
    supervisor = next(one for one in desk.hermes.processes() if {"--supervise", desk.profile} <= {*argv_of(one)})
    os.kill(supervisor.pid, signal.SIGSTOP)


def in_the_way(desk: Desk) -> None:
    Path(desk.paths.socket).rename(f"{desk.paths.socket}.away")
    Path(desk.paths.socket, "x").mkdir(parents=True)


def nonsense(desk: Desk) -> None:
    Path(desk.paths.desired).write_text("{")


EMBEDDED: list[Step] = [
    ("not-installed", nothing),
    ("down", killed),
    ("definition-drift", older_definition),
    ("unknown", suspended),
    ("desired-stopped", stopped_but_runs),
    ("queue", open_to_others),
    ("queue", no_directory),
    ("environment", readable_environment),
    ("skew", other_code, goes_on),
    ("last-restart-failed", failed_restart, restart_can_work),
    ("silent", no_heartbeat),
    ("unusable", in_the_way),
    ("desired-nonsense", nonsense),
]


def walk(desk: Desk, steps: list[Step]) -> None:
    """Do each harm, paste the mend of what is found, and see it end."""
    for code, harm, *meanwhile in steps:
        harm(desk)
        found = desk.find(code)
        for mended in meanwhile:
            mended(desk)
        command = found["command"]
        assert command, found
        if words_of(command)[0] in {"gateway", "update"}:
            assert command[:2] == ["env", f"HERMES_HOME={desk.hermes.home}"]
            assert command[2:5] == ["hermes", "-p", desk.profile]
        done = desk.paste(command)
        assert done.returncode == 0, (code, command, done.stderr, desk.hermes.log())
        desk.hermes.until(lambda code=code: desk.is_ended(code), f"the end of {code}")
        desk.ready()


@pytest.mark.parametrize("world", ["embedded"], indirect=True)
def test_pasting_the_mend_ends_the_problem(world: World, tmp_path: Path) -> None:
    walk(Desk(world.hermes, tmp_path), EMBEDDED)


@pytest.mark.parametrize("world", ["embedded"], indirect=True)
def test_doctor_mends_by_itself_what_takes_nothing_away(world: World, tmp_path: Path) -> None:
    desk = Desk(world.hermes, tmp_path)
    assert desk.run("gateway", "install").returncode == 0
    older_definition(desk)
    open_to_others(desk)
    no_directory(desk)
    killed(desk)
    done = desk.run("gateway", "doctor", "--fix")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nfix ") == 4
    assert desk.run("gateway", "status").returncode == 0


def test_doctor_makes_no_profile_that_nobody_made(hermes: Installation) -> None:
    done = hermes.run("-p", "wrok", "gateway", "doctor", "--fix")
    assert done.returncode == 1
    assert "fix " not in done.stdout
    assert not Path(hermes.paths.state, "profiles", "wrok").exists()
    found = json.loads(hermes.run("-p", "wrok", "gateway", "status", "--json").stdout)["problems"]
    assert [one["command"][-4:] for one in found if one["code"] == "unknown-profile"] == [
        ["-p", "wrok", "gateway", "install"]
    ]


# --- the managers that have definitions of their own


def systemctl(desk: Desk, *words: str) -> None:
    subprocess.run(
        ["systemctl", "--user", "-q", *words],
        env=desk.hermes.environment(),
        check=True,
        timeout=PATIENCE,
        capture_output=True,
    )


def units(desk: Desk) -> Any:
    from hermes_cli.services.systemd.units import Names

    return Names(desk.paths)


def edited(desk: Desk) -> None:
    unit = next(Path(one) for one in definitions(desk) if one.endswith(units(desk).service))
    unit.write_text(unit.read_text() + "# by hand\n")


def definitions(desk: Desk) -> list[str]:
    shown = desk.run("gateway", "install", "--print").stdout
    return [line[2:] for line in shown.splitlines() if line.startswith("# /")]


SYSTEMD: list[Step] = [
    ("not-installed", nothing),
    ("service-disabled", lambda desk: systemctl(desk, "disable", units(desk).service)),
    ("restarter-watch", lambda desk: systemctl(desk, "stop", units(desk).path)),
    ("definition-stale", edited),
    ("down", lambda desk: systemctl(desk, "stop", units(desk).service)),
]


@pytest.mark.parametrize("world", ["systemd"], indirect=True)
def test_pasting_the_mend_ends_the_problem_under_systemd(world: World, tmp_path: Path) -> None:
    walk(Desk(world.hermes, tmp_path), SYSTEMD)


def launchctl(desk: Desk, verb: str, suffix: str = "") -> None:
    label = f"ai.hermes.gateway{names_suffix(desk)}{suffix}"
    domain = json.loads(desk.run("gateway", "status", "--json").stdout)["service"]["domain"]
    subprocess.run(
        ["launchctl", verb, f"{domain}/{label}"],
        env=desk.hermes.environment(),
        check=True,
        timeout=PATIENCE,
        capture_output=True,
    )


def names_suffix(desk: Desk) -> str:
    from hermes_cli.services.job import names

    return names.suffix(desk.paths)


LAUNCHD: list[Step] = [
    ("not-installed", nothing),
    ("service-unloaded", lambda desk: launchctl(desk, "bootout")),
    ("restarter-missing", lambda desk: launchctl(desk, "bootout", ".restarter")),
]


@pytest.mark.parametrize("world", ["launchd"], indirect=True)
def test_pasting_the_mend_ends_the_problem_under_launchd(world: World, tmp_path: Path) -> None:
    walk(Desk(world.hermes, tmp_path), LAUNCHD)


# --- nothing is left out


def codes() -> Iterator[str]:
    """The code of every problem that the package can make."""
    for file in (REPOSITORY / "hermes_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "Problem"
                and node.args
            ):
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    yield code.value


def test_every_problem_is_walked_or_says_why_not() -> None:
    walked = {step[0] for step in (*EMBEDDED, *SYSTEMD, *LAUNCHD)} | {"unknown-profile"}
    assert set(codes()) - walked - set(WHY_NOT) == set()
