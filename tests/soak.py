"""Soak: a whole installation under random faults for a minute, or `--hours N`: `python tests/soak.py`.

Restarts from outside and inside, messages, kills and stops of every participant, cancelled intents, garbage in pending/.
At rest between the rounds it counts processes, descriptors, memory and files: the last third must not be above the
first. Exit code 1 when a request or an answer is lost, or when something grows. `--manager` names the service manager.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent / "support"), str(Path(__file__).parent.parent)]

import psutil  # noqa: E402
from installation import Installation, end_processes_below  # noqa: E402

# What each may grow by between the first third and the last, beyond noise: absolute, and as a share.
ALLOWED = {"processes": (0, 0.0), "descriptors": (4, 0.05), "memory_kb": (6000, 0.10), "files": (12, 0.0)}


def measured(hermes: Installation) -> dict[str, float]:
    """What there is at rest."""
    found = {"processes": 0.0, "descriptors": 0.0, "memory_kb": 0.0}
    for process in hermes.processes():
        try:
            found["descriptors"] += process.num_fds()
            found["memory_kb"] += process.memory_info().rss / 1024
            found["processes"] += 1
        except psutil.Error:
            continue
    # Of settled/ the newest 200 are kept, and rejected/ is for a person: neither may count as growth here.
    kept = ("/settled", "/rejected")
    found["files"] = sum(len(files) for folder, _, files in os.walk(hermes.home) if not folder.endswith(kept))
    return found


def one_round(hermes: Installation, chance: random.Random, number: int) -> str:
    """One restart with one fault; what was done. Raises AssertionError."""
    before = hermes.ready()
    in_tree = chance.random() < 0.5
    asked = ("chat", "!hermes gateway restart") if in_tree else ("gateway", "restart", "--no-wait")
    asking = hermes.start(*asked)
    time.sleep(chance.random() * 0.6)  # the moment of the blow, not a synchronisation
    fault = chance.choice(["kill", "stop", "garbage", "cancel", "nothing"])
    victim = chance.choice(hermes.processes() or [psutil.Process()])
    if fault in {"kill", "stop"} and victim.pid != os.getpid():
        try:
            victim.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGSTOP)
            if fault == "stop":
                time.sleep(chance.random())
                victim.send_signal(signal.SIGCONT)
        except psutil.Error:
            fault += " (too late)"
    elif fault == "garbage":
        Path(hermes.paths.pending, f"garbage-{number}").write_bytes(chance.randbytes(50))
    elif fault == "cancel":
        for one in hermes.pending():
            hermes.run("gateway", "intents", "cancel", one.id)
    out, _ = asking.communicate(timeout=60)
    hermes.run("gateway", "status")  # the next invocation, whoever makes it
    hermes.until(lambda: not os.listdir(hermes.paths.pending), "an empty queue")
    after = hermes.ready()
    if "recorded" in out and fault != "cancel":
        assert not after.identity.is_same_as(before.identity), f"acknowledged and not restarted: {out}"
    assert hermes.chat("!echo alive", session=f"round-{number % 5}") == "alive\n", "an answer was lost"
    return fault


def at_rest(hermes: Installation) -> None:
    """Only the gateway and its supervisor are left."""
    hermes.until(lambda: len(hermes.processes()) == 2, "the processes of a rest")


def grown(samples: list[dict[str, float]]) -> list[str]:
    """What grew from the first third to the last."""
    third = max(1, len(samples) // 3)
    found = []
    for name, (absolute, share) in ALLOWED.items():
        first = statistics.median(sample[name] for sample in samples[:third])
        last = statistics.median(sample[name] for sample in samples[-third:])
        print(f"{name:12} {first:9.0f} → {last:9.0f}")
        if last > first + max(absolute, first * share):
            found.append(name)
    return found


def main() -> int:
    """Soak; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=1 / 60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--manager", default="embedded")
    options = parser.parse_args()
    os.environ["HERMES_SERVICE_MANAGER"] = options.manager
    print(f"--seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    samples, faults = [], {}
    with tempfile.TemporaryDirectory() as folder:
        hermes = Installation(Path(folder) / "home")
        try:
            hermes.install()
            end = time.monotonic() + options.hours * 3600
            number = 0
            while time.monotonic() < end or number < 6:
                fault = one_round(hermes, chance, number)
                faults[fault] = faults.get(fault, 0) + 1
                at_rest(hermes)
                samples.append(measured(hermes))
                number += 1
        except AssertionError as error:
            print(f"round {len(samples)}: {error}")
            return 1
        finally:
            end_processes_below(Path(folder))
    print(f"{len(samples)} rounds: {', '.join(f'{count} {name}' for name, count in sorted(faults.items()))}")
    more = grown(samples)
    print(f"grown: {', '.join(more)}" if more else "flat")
    return 1 if more else 0


if __name__ == "__main__":
    sys.exit(main())
