"""An update from end to end, short of a real gateway."""

import json
import os
import py_compile
import signal
from pathlib import Path

import pytest
from checkouts import Source, git
from support.faults.places import fault
from support.machines.installation import PATIENCE, Installation

from hermes_cli.intents.instance import Instance
from hermes_cli.system.process import Handle
from hermes_cli.update.sources.git import checkout as git_checkout

pytestmark = pytest.mark.e2e
BROKEN = {"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n", "added.txt": "1"}
# The new release proves to be sound, and then destroys itself.
VANISHING = """

_sound_check = _check


def _check(paths):
    import hermes_cli
    from pathlib import Path

    found = _sound_check(paths)
    for path in Path(hermes_cli.__file__).parent.rglob("*.py"):
        path.write_text("raise SystemExit('garbage')")
    return found
"""
STOPPED_MEANWHILE = """

def _check(paths):
    from hermes_cli.intents.tidying import tidy

    for one in paths.queue.unsettled():
        paths.queue.settle(one, "cancelled", "stop", trigger="cli")
    tidy(paths.queue)
    return 0
"""


def test_nothing_new_is_said_and_no_intent_is_written(hermes: Installation, source: Source) -> None:
    done = hermes.run("update")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == f"already up to date ({source.short()})"
    assert not hermes.pending()
    assert not hermes.paths.queue.history()


def test_a_running_gateway_on_other_code_is_pointed_out(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    source.publish({"new.txt": "1"})
    git(source.clone, "pull", "--quiet")
    said = hermes.run("update").stdout
    assert f"the running gateway is on {stand_in.revision}: hermes gateway restart" in said


def test_check_says_what_is_new_and_changes_nothing(hermes: Installation, source: Source) -> None:
    old = source.head()
    source.publish({"new.txt": "1"}, "Add a file")
    new = source.publish({"new.txt": "2"}, "Change \x1b[2Jit")
    done = hermes.run("update", "--check")
    assert done.returncode == 100
    lines = done.stdout.splitlines()
    assert lines[1] == f"{source.short()} → {source.short(new)}, 2 commits"
    assert lines[2].endswith("Change ?[2Jit")
    assert lines[3].endswith("Add a file")
    done = hermes.run("update", "--check", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["news"], found["offered"]) == (100, True, source.short(new))
    assert len(found["details"]) == 2
    assert source.is_exactly(old)


def test_check_is_0_where_nothing_is_new(hermes: Installation, source: Source) -> None:
    assert hermes.run("update", "--check").returncode == 0
    found = json.loads(hermes.run("update", "--check", "--json").stdout)
    assert found == {
        "schema": 1,
        "news": False,
        "installed": source.short(),
        "offered": None,
        "headline": "",
        "details": [],
    }


def test_the_checkout_is_brought_to_the_upstream_commit(hermes: Installation, source: Source) -> None:
    old = source.short()
    new = source.publish({"hermes_cli/added.py": "", "README.md": "new", "LICENSE": None})
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert source.is_exactly(new)
    assert f"updated {old} → {source.short()}\nthe gateway is not running\n" in done.stdout
    assert not os.listdir(hermes.paths.updates_under_way)


def test_what_is_said_is_also_kept_in_the_log(hermes: Installation, source: Source) -> None:
    source.publish({"new.txt": "1"})
    done = hermes.run("update")
    log = Path(hermes.paths.logs, "update.log").read_text()
    assert [line.split(" ", 2)[2] for line in log.splitlines()] == done.stdout.splitlines()


def test_a_reader_that_goes_away_does_not_stop_an_update_half_way(hermes: Installation, source: Source) -> None:
    new = source.publish({"new.txt": "1"})
    with hermes.start("update") as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(PATIENCE)
    assert source.is_exactly(new)
    assert "updated" in Path(hermes.paths.logs, "update.log").read_text()


def test_without_restart_the_gateway_is_left_alone_and_called_stale(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    source.publish({"new.txt": "1"})
    done = hermes.run("update", "--no-restart")
    assert done.returncode == 0
    assert f"the running gateway is on {stand_in.revision}: hermes gateway restart" in done.stdout
    assert not hermes.pending()
    assert stand_in.identity.is_alive()


def test_in_tree_it_returns_at_once_with_the_restart_recorded_and_the_gateway_signalled(
    hermes: Installation, source: Source, stand_in: Instance, in_tree: dict[str, str]
) -> None:
    old = source.short()
    source.publish({"new.txt": "1"})
    done = hermes.run("update", **in_tree)
    assert done.returncode == 0, done.stderr
    (intent,) = hermes.pending()
    assert f"restart recorded, will be completed by the supervisor (intent {intent.id})" in done.stdout
    assert (intent.reason, intent.revision, intent.expires_at) == ("update", old, None)
    hermes.gone(stand_in.identity)


def test_code_that_does_not_start_is_put_back_and_the_gateway_not_touched(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    old = source.head()
    new = source.publish(BROKEN)
    done = hermes.run("update")
    assert done.returncode == 1
    assert done.stderr == (
        f"hermes: {source.short(new)} does not start (RuntimeError: boom): {source.short()} was put back, "
        "the running gateway was not touched\n"
    )
    assert source.is_exactly(old)
    assert stand_in.identity.is_alive()


def test_the_intent_of_an_update_that_was_put_back_is_cancelled_with_the_reason(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    source.publish(BROKEN)
    hermes.run("update")
    (settled,) = hermes.paths.queue.history()
    assert (settled.outcome, settled.trigger) == ("cancelled", "cli")
    assert "RuntimeError: boom" in settled.detail
    assert not hermes.pending()
    assert not os.listdir(hermes.paths.updates_under_way)
    assert not os.listdir(hermes.paths.queue.holds)


def test_old_code_compiled_in_the_same_second_does_not_hide_that_new_code_is_broken(
    hermes: Installation, source: Source
) -> None:
    name = "hermes_cli/gateway/run.py"
    sound = (source.clone / name).read_text()
    broken = sound.replace("import asyncio", "import asynciX", 1)
    source.publish({name: broken})
    stop = fault(
        "stop", git_checkout.Checkout.forget_bytecode, once=hermes.home / "stopped", program="hermes_cli update"
    )
    with hermes.start("update", fault=stop) as process:
        os.waitpid(process.pid, os.WUNTRACED)
        path = source.clone / name
        path.write_text(sound)
        py_compile.compile(str(path))
        as_compiled = path.stat()
        path.write_text(broken)
        os.utime(path, ns=(as_compiled.st_atime_ns, as_compiled.st_mtime_ns))
        process.send_signal(signal.SIGCONT)
        _, err = process.communicate(timeout=PATIENCE)
    assert "asynciX" in err


def test_an_interrupted_update_puts_the_old_code_back(hermes: Installation, source: Source, stand_in: Instance) -> None:
    old = source.head()
    source.publish({"hermes_cli/gateway/run.py": "import threading\nthreading.Event().wait()\n"})
    with hermes.start("update") as process:
        assert process.stdout is not None
        while "proving" not in process.stdout.readline():
            continue
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert source.is_exactly(old)
    (settled,) = hermes.paths.queue.history()
    assert settled.outcome == "cancelled"
    end = f"interrupted: {source.short()} was put back, the running gateway was not touched"
    assert (settled.detail, said.splitlines()[-1]) == (end, f"hermes: {end}")


def test_a_restart_cancelled_during_the_update_is_not_carried_out(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    name = "hermes_cli/cli/gateway.py"
    source.publish({name: (source.clone / name).read_text() + STOPPED_MEANWHILE})
    done = hermes.run("update")
    assert "the restart was cancelled meanwhile: stop" in done.stdout
    assert done.returncode == 0
    assert stand_in.identity.is_alive()


def test_the_updater_needs_nothing_of_the_package_once_the_code_has_changed(
    hermes: Installation, source: Source, stand_in: Instance, in_tree: dict[str, str]
) -> None:
    name = "hermes_cli/cli/gateway.py"
    source.publish({name: (source.clone / name).read_text() + VANISHING})
    done = hermes.run("update", **in_tree)
    assert (source.clone / name).read_text().startswith("raise SystemExit")
    assert done.returncode == 0, done.stderr
    assert "restart recorded, will be completed by the supervisor" in done.stdout
    hermes.gone(stand_in.identity)


def test_waiting_for_the_outcome_needs_nothing_of_the_changed_package_either(
    hermes: Installation, source: Source, stand_in: Instance
) -> None:
    name = "hermes_cli/cli/gateway.py"
    source.publish({name: (source.clone / name).read_text() + VANISHING})
    with hermes.start("update") as process, Handle(stand_in.identity) as gateway:
        assert gateway.wait(PATIENCE)
        (intent,) = hermes.pending()
        assert hermes.paths.queue.settle(intent, "restarted", "said the test", trigger="cli")
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "restarted: said the test" in out
