"""`hermes gateway doctor`: each thing that can keep a restart from happening is named, with its mend."""

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from support.machines.installation import Installation
from support.releases.changes import CRASHES_AT_IMPORT
from support.releases.checkout import Checkout

pytestmark = pytest.mark.e2e


def problems(hermes: Installation) -> tuple[int, str]:
    done = hermes.run("gateway", "doctor")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert all(line.startswith(("ok       ", "problem  ", "         ")) for line in lines), done.stdout
    return done.returncode, "\n".join(line for line in lines if not line.startswith("ok"))


def test_a_healthy_installation_has_no_problem_and_is_left_as_it_was(hermes: Installation) -> None:
    before = hermes.install()
    files = sorted(str(path) for path in Path(hermes.paths.intents).rglob("*"))
    assert problems(hermes) == (0, "")
    assert sorted(str(path) for path in Path(hermes.paths.intents).rglob("*")) == files
    assert hermes.ready().identity == before.identity


def test_before_anything_is_installed_that_is_what_is_missing(hermes: Installation) -> None:
    assert problems(hermes) == (
        1,
        f"problem  the service is not installed\n         HERMES_HOME={shlex.quote(str(hermes.home))} hermes gateway install",
    )


def no_staging(hermes: Installation) -> None:
    staging = Path(hermes.paths.intents, "staging")
    staging.rename(staging.with_name("elsewhere"))
    staging.write_text("")


def open_to_others(hermes: Installation) -> None:
    os.chmod(hermes.paths.pending, 0o777)


def broken_configuration(hermes: Installation) -> None:
    (hermes.home / "config.toml").write_text("nonsense")


def older_definition(hermes: Installation) -> None:
    definition = Path(hermes.paths.state, "service.json")
    definition.write_text(definition.read_text() + "\n")


def no_supervisor(hermes: Installation) -> None:
    supervisor = hermes.supervisor()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (no_staging, "staging is no directory\n         mv "),
        (open_to_others, "pending can be written by others\n         chmod 700 "),
        (broken_configuration, "is not valid TOML"),
        (older_definition, "service.json is not as this release writes it\n         HERMES_HOME="),
        (no_supervisor, "is stopped (SIGSTOP, Ctrl-Z): nobody would start the gateway again"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend(
    hermes: Installation, harm: Callable[[Installation], None], said: str
) -> None:
    hermes.install()
    harm(hermes)
    code, found = problems(hermes)
    assert code == 1
    assert said in found


def codes(hermes: Installation) -> list[str]:
    """What it finds, but for what the whole machine lacks just now."""
    checks = json.loads(hermes.run("gateway", "doctor", "--json").stdout)["checks"]
    return [one["code"] for check in checks for one in check["problems"] if one["code"] != "watches"]


def test_a_start_that_the_configuration_forbids_has_one_cause_and_one_mend(hermes: Installation) -> None:
    hermes.install()
    broken_configuration(hermes)
    assert codes(hermes) == ["config"]
    assert hermes.run("gateway", "stop").returncode == 0
    failed = hermes.run("gateway", "start")
    assert failed.returncode == 78
    assert "is not valid TOML" in failed.stderr
    assert "hermes.supervisor" not in failed.stderr  # it repeats the first line
    found = hermes.status()["problems"]
    assert [one["code"] for one in found] == ["config", "down"]
    assert found[0]["mend"] == f"edit {hermes.home / 'config.toml'}"
    assert "is not valid TOML" in hermes.run("gateway", "status").stdout.partition("service ")[0]
    assert codes(hermes) == ["config", "down"]


def test_a_stopped_supervisor_is_not_waited_for(hermes: Installation) -> None:
    hermes.install()
    no_supervisor(hermes)
    supervisor = hermes.supervisor()
    assert supervisor is not None
    found = hermes.status()
    assert found["restarter"]["detail"].endswith("does not answer (stopped)")
    assert [one["mend"] for one in found["problems"]] == [f"kill -CONT {supervisor.pid}"]


def test_code_that_does_not_start_is_found_before_a_restart_needs_it(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(code=checkout.path)
    before = hermes.install()
    path, old, new = CRASHES_AT_IMPORT
    file = checkout.path / path
    file.write_text(file.read_text().replace(old, new))
    code, found = problems(hermes)
    assert code == 1
    assert (
        f"the installed code does not start (ImportError: a bad day)\n         HERMES_HOME={shlex.quote(str(hermes.home))} hermes update, or install it again"
        in found
    )
    assert hermes.ready().identity == before.identity
