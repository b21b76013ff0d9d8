"""The protocol's model, checked by spin in every order of steps; and each step taken away, to see spin find out."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support import PATIENCE

MODEL = Path(__file__).parent.parent.parent / "docs" / "model" / "restart.pml"
PROPERTIES = ("safe", "settles", "restarts")
# The step that is taken away, and the property that it is there for.
MUTANTS = {
    "RECORD_FIRST": "settles",
    "DRIVER_SIGNALS": "settles",
    "DEMAND_START": "restarts",
    "TRIGGER_SURVIVES": "settles",
    "WAIT_FOR_FRESH": "restarts",
    "IDENTITY": "safe",
    "LOOK_BEFORE_ACTION": "safe",
    "LINK_HAS_ONE_WINNER": "safe",
    "STOP_LOOKED_AT_LAST": "safe",
}


def errors(folder: Path, claim: str, *defines: str) -> int:
    """How many errors spin finds in the model; the search must have been complete, or have found one."""
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    subprocess.run(["spin", *defines, "-a", str(MODEL)], cwd=folder, check=True, capture_output=True, timeout=PATIENCE)
    flags = ["-O2", "-w", "-DNFAIR=3", "-DMEMLIM=3000"]
    subprocess.run(["gcc", *flags, "-o", "pan", "pan.c"], cwd=folder, check=True, timeout=PATIENCE)
    fair = [] if claim == "safe" else ["-f"]
    done = subprocess.run(
        ["./pan", "-a", *fair, "-m1000000", "-N", claim],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    found = re.search(r"errors: (\d+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    states = re.search(r"(\d+) states, stored", done.stdout)
    print(f"{claim} {' '.join(defines)}: {states[1] if states else '?'} states, {found[1]} errors")
    if found[1] == "0":
        assert "Search not completed" not in done.stdout, done.stdout
        assert "max search depth too small" not in done.stdout, done.stdout
    return int(found[1])


@pytest.mark.parametrize("claim", PROPERTIES)
def test_the_protocol_keeps_its_promises_in_every_order_of_steps(tmp_path, claim):
    assert errors(tmp_path, claim) == 0


@pytest.mark.nightly  # 13 million states, 2 GB
def test_two_drivers_at_once_break_nothing_because_locks_only_save_work(tmp_path):
    assert errors(tmp_path, "safe", "-DDRIVERS=2") == 0


@pytest.mark.parametrize(("step", "claim"), MUTANTS.items())
def test_each_step_is_missed_when_it_is_taken_away(tmp_path, step, claim):
    assert f"NO_{step}" in MODEL.read_text()
    assert errors(tmp_path, claim, f"-DNO_{step}") > 0, f"without {step} the model is still {claim}"
