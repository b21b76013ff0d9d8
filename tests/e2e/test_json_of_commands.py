"""Whatever a command prints as JSON is as its shipped schema says, in every state of a gateway; so are metrics and probes."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.machines.installation import REPOSITORY, Installation
from support.releases.checkout import Checkout

from hermes_cli.programs import own

pytestmark = pytest.mark.e2e
SCHEMAS = REPOSITORY / "hermes_cli" / "schemas"
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("gateway", "status", "--json"),
    "list": ("gateway", "list", "--json"),
    "starts": ("gateway", "starts", "--json"),
    "intents": ("gateway", "intents", "list", "--json"),
    "config-show": ("config", "show", "--json"),
    "config-validate": ("config", "validate", "--json"),
    "pairing": ("pairing", "list", "--json"),
    "update-history": ("update", "--history", "--json"),
}


def strict(schema: Any) -> Any:
    """The schema with what it does not name refused, but in records, which keep what other releases wrote."""
    if isinstance(schema, dict):
        found = {name: strict(value) for name, value in schema.items()}
        if "properties" in found and "requested_at" not in found["properties"]:
            found["additionalProperties"] = False
        return found
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


def check(name: str, text: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    found = json.loads(text)
    jsonschema.validate(found, strict(json.loads((SCHEMAS / f"{name}.schema.json").read_text())))
    return found


def check_all(hermes: Installation, state: str, *, doctor: bool = False) -> None:
    for name, words in (*COMMANDS.items(), *([("doctor", ("gateway", "doctor", "--json"))] if doctor else [])):
        done = hermes.run(*words)
        if (name, done.stdout) == ("config-show", ""):  # a file that is wrong
            assert done.returncode == 78
            continue
        if (name, done.stdout) == ("pairing", ""):  # something is in the way of the messages, and says so
            assert (state, done.returncode, done.stderr.count("\n")) == ("crashing", 1, 1)
            assert "messages.sqlite" in done.stderr
            continue
        check(name, done.stdout)
    check_metrics(hermes, state)


def check_metrics(hermes: Installation, state: str) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    families = {one.name: one for one in parser.text_string_to_metric_families(hermes.run("gateway", "metrics").stdout)}
    states = {one.labels["state"]: one.value for one in families["hermes_gateway_state"].samples}
    assert [name for name, value in states.items() if value] == [state]
    assert families["hermes_gateway_ready"].samples[0].value == float(state == "ready")


def probes(hermes: Installation) -> tuple[int, int]:
    """What live and ready say."""
    return tuple(hermes.run("gateway", "probe", kind).returncode for kind in ("live", "ready"))


PROGRAM = """\
schema = 1
name = "files"
argv = ["/bin/cat", "a file"]

[instance]
pid = "manager"
"""


def test_a_taken_over_program_is_named_in_the_same_words_everywhere(hermes: Installation) -> None:
    file = Path(hermes.environment()["HERMES_HOME"]) / "profiles" / "work" / "program.toml"
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_text(PROGRAM)
    command = "/bin/cat 'a file'"
    said = hermes.run("-p", "work", "gateway", "status").stdout
    assert f"taken over files, its file {file}, runs {command}\n" in said
    one = check("status", hermes.run("-p", "work", "gateway", "status", "--json").stdout)
    (row,) = [
        row
        for row in check("list", hermes.run("-p", "work", "gateway", "list", "--json").stdout)["profiles"]
        if row["profile"] == "work"
    ]
    named = {"program": "files", "command": command, "file": str(file)}
    assert (one["kind"], row["kind"]) == ("taken-over", "taken-over")
    assert (one["taken_over"], row["taken_over"]) == (named, named)

    file.write_text("name = ")
    one = check("status", hermes.run("-p", "work", "gateway", "status", "--json").stdout)
    assert one["kind"] == "taken-over"
    assert one["taken_over"]["program"] is None
    (wrong,) = [found for found in one["problems"] if found["code"] == "config"]
    assert (str(file) in wrong["text"], wrong["mend"]) == (True, f"edit {file}")


def test_json_metrics_and_probes_are_as_they_say_in_every_state(hermes: Installation) -> None:
    check_all(hermes, "not installed", doctor=True)
    assert probes(hermes) == (3, 3)
    before = hermes.install()
    check_all(hermes, "ready")
    assert probes(hermes) == (0, 0)
    assert check("restart", hermes.run("gateway", "restart", "--json").stdout)["outcome"] == "restarted"
    after = hermes.ready(other_than=before)
    lines = hermes.run("gateway", "logs", "--json", "--log", "gateway").stdout.splitlines()
    assert len([check("logs", line) for line in lines[-3:]]) == 3
    check("intent", json.dumps(hermes.settled()[0].intent.document | json.loads(one_intent(hermes))))

    let_go = hermes.busy()
    recorded = check("restart", hermes.run("gateway", "restart", "--json", "--no-wait", "--timeout", "900").stdout)
    assert recorded["outcome"] is None
    hermes.in_state("draining")
    check_all(hermes, "draining")
    assert probes(hermes) == (0, 3)
    let_go()
    hermes.settled(2)
    hermes.ready(other_than=after)

    config = hermes.home / "config.toml"
    text = config.read_text()
    config.write_text("nonsense\n")
    check_all(hermes, "ready", doctor=True)
    config.write_text(text)
    assert hermes.run("gateway", "stop").returncode == 0
    check_all(hermes, "stopped")
    assert probes(hermes) == (3, 3)

    shutil.move(hermes.paths.messages, f"{hermes.paths.messages}.away")
    Path(hermes.paths.messages, "in the way").mkdir(parents=True)
    assert check("restart", hermes.run("gateway", "restart", "--json", "--force").stdout)["outcome"] == "failed"
    check_all(hermes, "crashing")


def one_intent(hermes: Installation) -> str:
    return hermes.run("gateway", "intents", "show", hermes.settled()[0].intent.id, "--json").stdout


def test_what_an_update_would_bring_and_what_it_has_brought_are_as_their_schemas_say(
    checkout: Checkout, make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(code=checkout.path)
    look = ("update", "--check", "--json")
    assert check("update-check", hermes.run(*look).stdout)["news"] is False
    checkout.release()
    found = check("update-check", hermes.run(*look).stdout)
    assert (found["news"], len(found["details"])) == (True, 1)
    assert hermes.run("update").returncode == 0
    (brought,) = check("update-history", hermes.run("update", "--history", "--json").stdout)["updates"]
    assert brought["new"] == found["offered"]


def test_a_restart_for_later_and_a_doctor_that_mends_are_as_their_schemas_say(hermes: Installation) -> None:
    hermes.install()
    let_go = hermes.busy()
    later = check("restart", hermes.run("gateway", "restart", "--json", "--when-idle").stdout)
    assert later["outcome"] is None
    check_all(hermes, "ready")
    let_go()
    assert hermes.settled()[0].intent.id == later["id"]
    os.chmod(hermes.paths.pending, 0o777)
    (mended,) = check("doctor", hermes.run("gateway", "doctor", "--fix", "--json").stdout)["fixed"]
    assert (mended["command"][0], mended["exit_code"]) == ("chmod", 0)


def test_a_gateway_that_says_nothing_any_more_is_not_live(hermes: Installation) -> None:
    running = hermes.install()
    os.kill(running.identity.pid, signal.SIGSTOP)
    try:
        record = json.loads(Path(hermes.paths.instance).read_text())
        earlier = {name: record[name] - 3600 for name in ("heartbeat", "heartbeat_since_boot")}
        Path(hermes.paths.instance).write_text(json.dumps({**record, **earlier}))
        assert probes(hermes) == (3, 3)
        config = hermes.home / "config.toml"
        config.write_text(config.read_text().replace("[gateway]", "[gateway]\nheartbeat_interval = 0"))
        assert probes(hermes) == (0, 0)
    finally:
        os.kill(running.identity.pid, signal.SIGCONT)


def test_a_probe_imports_next_to_nothing(run_code: Callable[..., str], home: str) -> None:
    code = (
        "import sys\nfrom hermes_cli.status.probe import quick\n"
        "assert quick(['gateway', 'probe', 'ready']) == 3\nprint(*sys.modules)"
    )
    found = set(run_code(code, environment={"HERMES_HOME": home}).split())
    assert not found & {"click", "dataclasses", "typing", "pathlib", "subprocess", "filelock", "psutil", "tomllib"}
    assert own.__name__ not in found
