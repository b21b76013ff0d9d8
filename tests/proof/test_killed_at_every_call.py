"""Kill every participant at every call into the kernel that matters, refuse it each of them, and see one trigger mend it.

A dry run lists the calls; then the same run is made once for each of them. By default some are passed over, with
HERMES_PROOF=full none is. Invariants: what was acknowledged is settled, there was one restart, and nothing is left.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support import TESTS
from support.faults import injected
from support.faults.injected import Point, Strikes, chosen, kills, points, refusals
from support.faults.recorded import need_strace
from support.machines.installation import PATIENCE, Installation
from support.models import driver_alone
from support.models.driver_alone import GATEWAY, paths_below

from hermes_cli.intents.request import compose, make_directories, submit
from hermes_cli.programs import own

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if os.environ.get("HERMES_PROOF") == "full" else 900)]


@pytest.fixture
def traced(make_installation: Callable[..., Installation]) -> Installation:
    """An installation at a path that strace shows as it is."""
    need_strace()
    found = make_installation("home")
    found.install()
    return found


def run(hermes: Installation, argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=hermes.environment(), cwd="/", capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def known(hermes: Installation) -> set[str]:
    """Every intent that there is, ended or not."""
    return {one.id for one in hermes.paths.queue.unsettled()} | {one.intent.id for one in hermes.paths.queue.history()}


# The requester.

ASK = ("gateway", "restart", "--no-wait")


def asked(hermes: Installation, options: list[str], point: str, error: str | None) -> str:
    """One request with one fault, one surviving trigger, and what must hold; the home."""
    before, had, starts = hermes.ready(), known(hermes), hermes.starts()
    done = run(hermes, injected.hermes(options, hermes.home / "log", *ASK))
    hermes.run("gateway", "status")
    hermes.settled(0)
    fresh = known(hermes) - had
    said = f"{point}\n{done.returncode} {done.stdout}{done.stderr}"
    assert len(fresh) <= 1, said
    if "recorded" in done.stdout or (error is not None and done.returncode == 0):
        assert fresh, said
    if error is not None and done.returncode != 0:
        assert not fresh, said
        assert "Traceback" not in done.stderr, said
    for identifier in fresh:
        found = hermes.paths.queue.find(identifier)
        assert found is not None, said
        assert found.outcome == "restarted", f"{said}\n{found}"
        hermes.ready(other_than=before)
    assert hermes.starts() == starts + len(fresh), said
    if not fresh:
        assert hermes.ready().identity == before.identity, said
    return str(hermes.home)


def asking_points(hermes: Installation) -> list[Point]:
    log = hermes.home / "log"
    for _ in range(2):  # the first one looks ahead, which those after it need not
        before = hermes.ready()
        assert run(hermes, injected.hermes([], log, *ASK)).returncode == 0
        hermes.ready(other_than=before)
        hermes.settled()
    return points(log, str(hermes.home))


def test_a_requester_killed_at_every_call(traced: Installation) -> None:
    strikes = Strikes(traced.home / "log")
    for point in chosen(kills(asking_points(traced)), 6):
        strikes.strike(point, None, lambda options, said: asked(traced, options, said, None))
    strikes.told("killed")
    assert len(known(traced)) >= 2, "none was killed after its record"


def test_a_requester_that_is_refused_every_call(traced: Installation) -> None:
    strikes = Strikes(traced.home / "log")
    for point, error in chosen(refusals(asking_points(traced)), 32):
        strikes.strike(point, error, lambda options, said, error=error: asked(traced, options, said, error))
    strikes.told("refused")


# The gateway on its way out.


def left(hermes: Installation, options: list[str], point: str) -> str:
    """One restart with one fault in the gateway that leaves, one surviving trigger, and what must hold; the home."""
    before, had, starts = hermes.ready(), known(hermes), hermes.starts()
    with injected.attach(before.identity.pid, options, hermes.home / "log") as tracer:
        hermes.run("gateway", "restart", "--no-wait")
        hermes.ready(other_than=before)
        hermes.run("gateway", "status")
        hermes.settled(0)
        tracer.wait(PATIENCE)
    (fresh,) = known(hermes) - had
    found = hermes.paths.queue.find(fresh)
    assert found is not None, point
    assert found.outcome == "restarted", f"{point}: {found}"
    assert hermes.starts() == starts + 1, point
    return str(hermes.home)


def leaving_points(hermes: Installation) -> tuple[list[Point], list[Point]]:
    """What a gateway does between the signal and its exit, and the exit handler's last steps: state, poke, end."""
    for _ in range(2):  # the first one has the messages' tables to write, too
        left(hermes, [], "nothing is wrong")
    found = points(hermes.home / "log", str(hermes.home))
    begins = max(index for index, point in enumerate(found) if point.name == "openat" and "gateway.json." in point.line)
    exiting = found[begins:]
    assert {"rename", "connect", "sendto", "exit_group"} <= {point.name for point in exiting}
    return found[:begins], exiting


def test_a_gateway_killed_at_every_call_on_its_way_out(traced: Installation) -> None:
    strikes = Strikes(traced.home / "log")
    draining, exiting = leaving_points(traced)
    for point in [*chosen(kills(draining), 36), *chosen(kills(exiting), 6)]:
        strikes.strike(point, None, lambda options, said: left(traced, options, said))
    strikes.told("killed")


def test_a_gateway_that_is_refused_every_call_on_its_way_out(traced: Installation) -> None:
    strikes = Strikes(traced.home / "log")
    draining, exiting = leaving_points(traced)
    for point, error in [*chosen(refusals(draining), 96), *chosen(refusals(exiting), 24)]:
        strikes.strike(point, error, lambda options, said: left(traced, options, said))
    strikes.told("refused")


# The driver.


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """A restart that is carried out by drivers alone: run one with a fault, another without, and see what must hold."""
    need_strace()
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{TESTS.parent}")
    made: list[str] = []

    def restart(options: list[str], what: object) -> str:
        home = f"{tmp_path}/{len(made)}"
        os.mkdir(home, 0o700)
        made.append(home)
        paths = paths_below(home)
        make_directories(paths.intents)
        with subprocess.Popen([sys.executable, str(GATEWAY), home], stdout=subprocess.PIPE) as old:
            assert old.stdout is not None
            assert old.stdout.readline() == b"ready\n"
            named = own.read_alive(paths)
            assert named is not None
            asking = compose(
                paths.profile,
                reason="manual",
                command="proof",
                target=named.identity.document(),
                in_tree=False,
                drain_timeout=1,
            )
            identifier = submit(paths.intents, asking)
            argv = [sys.executable, driver_alone.__file__, home]
            log = tmp_path / "log"
            subprocess.run([*injected.argv(options, log), *argv], timeout=PATIENCE, capture_output=True, check=False)
            last = subprocess.run(argv, timeout=PATIENCE, capture_output=True, text=True, check=False)
            if last.returncode != 0 or not os.listdir(paths.queue.settled):
                old.kill()
            assert last.returncode == 0, f"{what}\n{last.stderr}"
            assert old.wait(PATIENCE) == 75, what
        fresh = own.read_alive(paths)
        assert fresh is not None, f"no gateway runs after {what}: {own.read(paths)}"
        found = paths.queue.find(identifier)
        assert found is not None, f"not settled after {what}: {sorted(os.listdir(paths.intents))}"
        assert found.outcome == "restarted", f"{what}: {found}"
        ran = Path(home, "starts").read_text().split()
        assert ran == [str(old.pid), str(fresh.identity.pid)], f"{what}: {ran}"
        assert os.listdir(paths.pending) == []
        psutil.Process(fresh.identity.pid).send_signal(signal.SIGKILL)
        return home

    yield restart
    for process in psutil.process_iter(["pid", "cmdline"]):
        if any(argument.startswith(f"{tmp_path}/") for argument in process.info["cmdline"] or ()):
            process.kill()


def driving_points(alone: Callable[..., str], tmp_path: Path) -> list[Point]:
    home = alone([], None)
    return points(tmp_path / "log", home)


def test_a_driver_killed_at_every_call(alone: Callable[..., str], tmp_path: Path) -> None:
    strikes = Strikes(tmp_path / "log")
    for point in chosen(kills(driving_points(alone, tmp_path)), 36):
        strikes.strike(point, None, alone)
    strikes.told("killed")


def test_a_driver_that_is_refused_every_call(alone: Callable[..., str], tmp_path: Path) -> None:
    strikes = Strikes(tmp_path / "log")
    for point, error in chosen(refusals(driving_points(alone, tmp_path)), 150):
        strikes.strike(point, error, alone)
    strikes.told("refused")
