"""Soak: a whole installation under random faults, a minute under each manager, or `--hours N`: `python tests/soak.py`.

Restarts from outside and inside, messages, kills and stops of every participant and of the restarter, cancelled intents,
garbage in pending/, stops and starts, what a person does to the manager by hand; under launchd in every world of its matrix.
At rest between the rounds it counts processes, descriptors, memory and files: the last third must not be above the
first, and over half an hour or more the slope of the memory must not be above 1 MB an hour with certainty (95 %). Exit code 1 when a request or an answer is lost, or when something grows. `--manager NAME` takes one of them.
"""

import argparse
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), str(TESTS / "launchd"), str(TESTS.parent)]

import psutil  # noqa: E402
from support.machines.soak_world import MANAGERS, Soaked, make  # noqa: E402
from support.machines.user_manager import NoManagerError  # noqa: E402

# What each may grow by between the first third and the last, beyond noise: absolute, and as a share.
ALLOWED = {"processes": (0, 0.0), "descriptors": (4, 0.05), "memory_kb": (6000, 0.10), "files": (12, 0.0)}
ENDS = {"restarted", "already-satisfied", "cancelled"}
STEEPEST = 1000.0  # kB of memory in an hour
LEAST_HOURS = 0.5  # below it a slope is shown and not judged: a start-up's last allocations are most of it
PATIENCE = 90.0  # seconds for whoever asks; more than every clock of the configuration


def held_by(processes: list[psutil.Process]) -> dict[str, float]:
    """What these processes have."""
    found = {"processes": 0.0, "descriptors": 0.0, "memory_kb": 0.0}
    for process in processes:
        try:
            found["descriptors"] += process.num_fds()
            found["memory_kb"] += process.memory_info().rss / 1024
            found["processes"] += 1
        except psutil.Error:
            continue
    return found


def measured(soaked: Soaked) -> dict[str, float]:
    """What there is at rest; what the manager itself has is told, and not judged."""
    hermes = soaked.hermes
    found = held_by(hermes.processes())
    # Of settled/ the newest 200 are kept, and rejected/ is for a person: neither may count as growth here.
    kept = ("/settled", "/rejected")
    found["files"] = sum(
        len(files)
        for place in (hermes.home, *soaked.places)
        for folder, _, files in os.walk(place)
        if not folder.endswith(kept)
    )
    return {**found, **{f"its {name}": value for name, value in held_by(soaked.of_manager()).items()}}


# --- the faults


def strike(process: psutil.Process, number: int) -> bool:
    """Whether it was still there."""
    try:
        process.send_signal(number)
    except psutil.Error:
        return False
    return True


def is_restarter(process: psutil.Process) -> bool:
    """Whether it is a driver, or the shell that runs one."""
    try:
        return any("hermes-restarter" in word or word == "hermes_cli.restarter" for word in process.cmdline())
    except psutil.Error:
        return False


def kill_someone(soaked: Soaked, chance: random.Random) -> None:
    """Whoever runs."""
    if living := soaked.hermes.processes():
        strike(chance.choice(living), signal.SIGKILL)


def stop_someone(soaked: Soaked, chance: random.Random) -> None:
    """For up to a second, as a debugger or a busy machine does."""
    if living := soaked.hermes.processes():
        victim = chance.choice(living)
        if strike(victim, signal.SIGSTOP):
            time.sleep(chance.random())  # the length of the fault
            strike(victim, signal.SIGCONT)


def kill_restarter(soaked: Soaked, chance: random.Random) -> None:
    """As soon as there is one, all of it or a part."""
    hermes = soaked.hermes

    def look() -> list[psutil.Process] | bool:
        return [one for one in hermes.processes() if is_restarter(one)] or not hermes.pending()

    found = hermes.until(look, "a restarter, or nothing left for one")
    if isinstance(found, list):
        for one in chance.sample(found, chance.randint(1, len(found))):
            strike(one, signal.SIGKILL)


def leave_garbage(soaked: Soaked, chance: random.Random) -> None:
    """What is no record lies in pending/."""
    Path(soaked.hermes.paths.pending, f"garbage-{chance.getrandbits(32):08x}").write_bytes(chance.randbytes(50))


def cancel(soaked: Soaked, _: random.Random) -> None:
    """Whatever is pending."""
    for one in soaked.hermes.pending():
        soaked.hermes.run("gateway", "intents", "cancel", one.id)


def stop_and_start(soaked: Soaked, chance: random.Random) -> None:
    """By a person, who lets some time pass."""
    stopped = soaked.hermes.run("gateway", "stop")
    assert stopped.returncode == 0, f"stop: {stopped.stdout}{stopped.stderr}"
    time.sleep(chance.random())  # the person
    started = soaked.hermes.run("gateway", "start")
    assert started.returncode == 0, f"start: {started.stdout}{started.stderr}"


FAULTS = {
    "nothing": lambda *_: None,
    "kill": kill_someone,
    "pause": stop_someone,
    "kill of the restarter": kill_restarter,
    "garbage": leave_garbage,
    "cancel": cancel,
    "stop and start": stop_and_start,
}


# --- a round


def one_round(soaked: Soaked, chance: random.Random, number: int) -> list[str]:
    """One restart with one fault, or two after each other; what was done. Raises AssertionError."""
    hermes = soaked.hermes
    soaked.turn(chance)
    before = hermes.ready()
    faults = chance.sample([*FAULTS, *soaked.by_hand], chance.choice([1, 1, 2]))
    asked = chance.choice([("chat", "!hermes gateway restart"), ("gateway", "restart", "--no-wait")])
    print(f"{number}: {asked[0]}, {', '.join(faults)}", file=sys.stderr, flush=True)
    asking = hermes.start(*asked)
    for fault in faults:
        time.sleep(chance.random() * 0.8)  # the moment of the blow, not a synchronisation
        if fault in FAULTS:
            FAULTS[fault](soaked, chance)
        else:
            soaked.by_hand[fault]()
    out, _ = asking.communicate(timeout=PATIENCE)
    hermes.run("gateway", "status")  # the next invocation, whoever makes it
    hermes.until(lambda: not os.listdir(hermes.paths.pending), "an empty queue", PATIENCE)
    after = hermes.ready()
    if "recorded" in out and "cancel" not in faults:
        assert not after.identity.is_same_as(before.identity), f"acknowledged and not restarted: {out}"
    assert hermes.chat("!echo alive", session=f"round-{number % 5}") == "alive\n", "an answer was lost"
    ends = {one.intent.id: f"{one.outcome}: {one.detail}" for one in hermes.ever_settled() if one.outcome not in ENDS}
    assert not ends, f"not carried out: {ends}"
    return faults


def come_to_rest(soaked: Soaked) -> None:
    """Nobody is left but who always runs, and hermes finds nothing wrong."""
    hermes = soaked.hermes
    hermes.until(lambda: len(hermes.processes()) == soaked.resting, "the processes of a rest")
    # Of one that a fault has ended twice soon after its start, that is told for a minute.
    problems = [one for one in hermes.status()["problems"] if one["code"] != "crash-loop"]
    assert not problems, f"at rest: {problems}"


def grown(samples: list[dict[str, float]]) -> list[str]:
    """What grew from the first third to the last."""
    third = max(1, len(samples) // 3)
    found = []
    for name in samples[0]:
        first = statistics.median(sample[name] for sample in samples[:third])
        last = statistics.median(sample[name] for sample in samples[-third:])
        print(f"{name:16} {first:9.0f} → {last:9.0f}")
        absolute, share = ALLOWED.get(name, (float("inf"), 0.0))
        if last > first + max(absolute, first * share):
            found.append(name)
    return found


def slope(times: list[float], values: list[float]) -> tuple[float, float]:
    """Return how much a value grows in an hour, by least squares, and half the width of its 95 % confidence interval."""
    mean = statistics.fmean(times)
    spread = sum((at - mean) ** 2 for at in times)
    found = statistics.linear_regression(times, values)
    left = sum((value - found.intercept - found.slope * at) ** 2 for at, value in zip(times, values, strict=True))
    return 3600 * found.slope, 3600 * 1.96 * (left / (len(times) - 2) / spread) ** 0.5


def steep(samples: list[dict[str, float]], times: list[float]) -> list[str]:
    """Show the slope of what is at rest; what climbs for certain."""
    found = []
    for name, steepest in (("memory_kb", STEEPEST), ("descriptors", 2.0)):
        rate, about = slope(times, [sample[name] for sample in samples])
        print(f"{name:16} {rate:+9.1f} an hour, {rate - about:+.1f} to {rate + about:+.1f} (95 %)")
        if times[-1] - times[0] >= LEAST_HOURS * 3600 and rate - about > steepest:
            found.append(f"{name}, by its slope")
    return found


def soak(manager: str, seconds: float, chance: random.Random) -> bool:
    """One manager, for so long; whether nothing was lost and nothing grew. Raises NoManagerError."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    samples: list[dict[str, float]] = []
    times: list[float] = []
    faults: Counter[str] = Counter()
    try:
        with make(manager, folder) as soaked:
            soaked.hermes.install()
            end = time.monotonic() + seconds
            while time.monotonic() < end or len(samples) < 6:
                faults.update(one_round(soaked, chance, len(samples)))
                come_to_rest(soaked)
                samples.append(measured(soaked))
                times.append(time.monotonic())
    except NoManagerError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, it came of a round
        lines = "".join(traceback.format_exception(error)).splitlines()
        print("\n".join([*lines[:40], "…", *lines[-60:]] if len(lines) > 100 else lines))
        print(f"{manager}: FAILED in round {len(samples)}, see {folder}")
        return False
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{manager}: {len(samples)} rounds: {', '.join(f'{count} {name}' for name, count in sorted(faults.items()))}")
    more = grown(samples) + steep(samples, times)
    print(f"grown: {', '.join(more)}" if more else "flat", flush=True)
    return not more


def main() -> int:
    """Soak; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1 / 60, help="under each manager")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--manager", choices=MANAGERS, help="one of them; without it each in turn")
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    sound = True
    for manager in [options.manager] if options.manager else MANAGERS:
        try:
            sound &= soak(manager, options.hours * 3600, random.Random(f"{options.seed} {manager}"))
        except NoManagerError as error:
            print(f"{manager}: left out: {error}")
            sound &= options.manager is None
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
