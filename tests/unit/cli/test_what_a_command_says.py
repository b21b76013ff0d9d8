"""What a command says: its help, the profile, near misses of what was typed, settings that nobody reads."""

import json
import os
import re
from pathlib import Path

import pytest
from support.commands.bad_input import assert_one_line

from hermes_cli.cli import line, main
from hermes_cli.cli.line import profile_of
from hermes_cli.intents.request import submit


@pytest.mark.parametrize("command", [(), ("gateway",), ("gateway", "intents")], ids=" ".join)
def test_a_group_alone_prints_its_help(hermes, command):
    alone, asked = hermes(*command), hermes(*command, "--help")
    assert (alone.returncode, alone.stdout, alone.stderr) == (0, asked.stdout, "")
    assert alone.stdout.count("\n") > 5


def test_the_version_is_said_in_every_way_that_people_ask_for_it(hermes):
    assert hermes("-V").stdout == hermes("--version").stdout != ""
    for word, option in (("version", "--version"), ("help", "--help")):
        done = hermes(word)
        assert_one_line(done, 2)
        assert f"did you mean {option}?" in done.stderr


@pytest.mark.parametrize(("typed", "meant"), [("status", "status"), ("restrat", "restart"), ("logs", "logs")])
def test_a_command_of_the_gateway_is_found_where_it_was_typed_alone(hermes, typed, meant):
    done = hermes(typed)
    assert_one_line(done, 2)
    assert f"did you mean gateway {meant}?" in done.stderr


def test_where_nothing_runs_and_nothing_is_wrong_status_says_how_it_is_started(hermes, home):
    last = hermes("gateway", "status").stdout.splitlines()[-1]
    assert (last[:11], last[-23:]) == ("next       ", " hermes gateway install")
    os.makedirs(f"{home}/state/profiles/work")
    assert hermes("-p", "work", "gateway", "status").stdout.endswith(" hermes -p work gateway install\n")


def test_the_last_of_no_intents_is_said_to_be_none(hermes):
    done = hermes("gateway", "intents", "show", "last")
    assert_one_line(done, 2)
    assert "there is no intent yet" in done.stderr


@pytest.mark.parametrize(
    ("typed", "profile", "rest"),
    [
        (["gateway", "status", "-p", "work"], "work", ["gateway", "status"]),
        (["gateway", "-pwork", "status"], "work", ["gateway", "status"]),
        (["gateway", "status", "--profile=work"], "work", ["gateway", "status"]),
        (["-p", "a", "gateway", "status", "--profile", "work"], "work", ["gateway", "status"]),
        (["chat", "--", "-p", "work"], None, ["chat", "--", "-p", "work"]),
        (["gateway", "status", "-p"], None, ["gateway", "status", "-p"]),
        (["gateway", "install", "--print"], None, ["gateway", "install", "--print"]),
    ],
)
def test_the_profile_may_be_named_anywhere(typed, profile, rest):
    assert profile_of(typed) == (profile, rest)


def test_a_profile_named_last_is_the_one_that_is_shown(hermes, home):
    os.makedirs(f"{home}/state/profiles/work")
    assert json.loads(hermes("gateway", "status", "--json", "-p", "work").stdout)["profile"] == "work"


@pytest.mark.parametrize(
    "command", [("gateway", "stop"), ("gateway", "restart"), ("gateway", "start"), ("gateway", "logs")]
)
def test_an_unknown_profile_is_said_with_those_that_are_there_and_nothing_is_made(hermes, home, command):
    os.makedirs(f"{home}/state/profiles/work")
    done = hermes("-p", "wrok", *command)
    assert_one_line(done, 4)
    assert "there is no profile 'wrok' (there are: default, work): hermes -p wrok gateway install" in done.stderr
    assert not os.path.exists(f"{home}/state/profiles/wrok")


def test_status_of_an_unknown_profile_shows_that_there_is_none(hermes, home):
    done = hermes("-p", "wrok", "gateway", "status", "--json")
    assert done.returncode == 4
    assert [one["code"] for one in json.loads(done.stdout)["problems"]] == ["unknown-profile"]


def test_the_mend_names_the_profile_of_who_asked(hermes, home):
    os.makedirs(f"{home}/state/profiles/work")
    assert "hermes -p work gateway install" in hermes("-p", "work", "gateway", "restart").stderr
    assert (
        "hermes -p work gateway install" in hermes("gateway", "restart", environment={"HERMES_PROFILE": "work"}).stderr
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("gateway", "stauts"), "did you mean status"),
        (("gatway",), "did you mean gateway"),
        (("updat",), "did you mean update"),
    ],
)
def test_a_near_miss_names_what_was_meant(hermes, typed, meant):
    done = hermes(*typed)
    assert_one_line(done, 2)
    assert meant in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gatway]\ndrain_timeout = 5", "[gatway] is no section, did you mean gateway?"),
        ("drain_timeout = 5", "drain_timeout belongs below [gateway]"),
        ("[gateway]\ndrain_timout = 5", "gateway.drain_timout is not a setting, did you mean drain_timeout?"),
        ("[restart]\nmax_attempts = 2.7", "a number of at least 1, a whole one"),
        ("[gateway]\nstart_timeout = 0", "a number of at least 0.1"),
    ],
)
def test_a_setting_that_nobody_would_read_is_refused(hermes, home, text, said):
    with open(f"{home}/config.toml", "w", encoding="utf-8") as file:
        file.write(text)
    problems = json.loads(hermes("gateway", "status", "--json").stdout)["problems"]
    assert [one["code"] for one in problems] == ["config"]
    assert said in problems[0]["text"]


@pytest.mark.parametrize("number", ["nan", "inf", "1e300"])
def test_a_timeout_must_be_a_number_of_seconds(hermes, number):
    assert_one_line(hermes("gateway", "restart", "--timeout", number), 2)


def test_what_a_release_is_proven_by_takes_no_look_and_starts_nothing(hermes, queued, new_record):
    submit(queued.intents, new_record())
    done = hermes("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert hermes("gateway", "run", "--check").stderr == ""


@pytest.mark.parametrize("words", sorted(line.PLAIN), ids=" ".join)
@pytest.mark.parametrize("state", ["nothing", "a typo", "stopped"])
def test_a_line_that_needs_no_parser_says_what_the_parser_would_have_it_say(hermes, home, monkeypatch, words, state):
    if state == "stopped":
        os.makedirs(f"{home}/state")
        Path(f"{home}/state/desired.json").write_text(json.dumps({"schema": 1, "state": "stopped"}))
    if state == "a typo":
        Path(home).mkdir(exist_ok=True)
        Path(f"{home}/config.toml").write_text("[gateway]\ndrain_timout = 1\n")
    plain = hermes(*words)
    asked = []
    monkeypatch.setattr(line, "PLAIN", {})
    monkeypatch.setattr(main, "run", lambda *given, run=main.run: asked.append(given) or run(*given))
    parsed = hermes(*words)
    assert asked == [(None, list(words))]
    assert plain.returncode == parsed.returncode
    assert plain.stderr == parsed.stderr
    assert _timeless(plain.stdout) == _timeless(parsed.stdout)


def _timeless(text):
    return re.sub(r"[0-9]{10}\.[0-9]+|[0-9]{8}T[-0-9.Za-f]+", "T", text)


def test_only_a_look_ends_without_taking_the_interpreter_apart():
    looks = {words for words in line.PLAIN if line.is_look(["-p", "work", *words])}
    assert {words[1] for words in looks} == {"status", "list", "ls"}
    assert not line.is_look(["gateway", "status", "--watch"])
