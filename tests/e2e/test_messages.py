"""Messages sent throughout restarts: none lost, none answered twice, none carried out twice."""

import signal
import threading

import pytest
from support.machines.installation import PATIENCE, Installation

from hermes_cli.system import process

pytestmark = pytest.mark.e2e


def test_messages_sent_throughout_five_restarts_are_answered_once_each(hermes: Installation) -> None:
    hermes.install()
    tally = hermes.home / "tally"
    stop = threading.Event()
    answers: dict[str, str] = {}

    def talk(session: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            word = f"{session}-{number}"
            done = hermes.run("chat", "--session", session, f"!echo {word} >> '{tally.name}' && echo {word}")
            answers[word] = done.stdout

    config = hermes.home / "config.toml"
    config.write_text(config.read_text() + f'\n[terminal]\nshell = "{make_shell(hermes)}"\n')
    hermes.run("gateway", "restart")
    talkers = [threading.Thread(target=talk, args=(session,)) for session in ("one", "two")]
    for talker in talkers:
        talker.start()
    outcomes = [hermes.run("gateway", "restart").stdout.partition(":")[0] for _ in range(5)]
    hermes.until(lambda: len(answers) > 10, "enough of a conversation")
    stop.set()
    for talker in talkers:
        talker.join(PATIENCE)
    assert outcomes == ["restarted"] * 5
    assert len(answers) > 10
    assert {word: text for word, text in answers.items() if text.split() != [word]} == {}
    assert sorted(tally.read_text().split()) == sorted(answers)


def test_a_message_that_arrives_while_draining_is_answered_by_the_next_instance(hermes: Installation) -> None:
    before = hermes.install()
    release = hermes.busy()
    hermes.run("gateway", "restart", "--no-wait")
    hermes.in_state("draining")
    late = hermes.start("chat", "--session", "late", "!echo done by $PPID")
    hermes.until(lambda: "your message is kept" in late.stderr.readline(), "the word that it is kept")
    release()
    after = hermes.ready(other_than=before)
    out, _ = late.communicate(timeout=PATIENCE)
    assert out == f"done by {after.identity.pid}\n"


def test_a_turn_cut_off_by_a_killed_gateway_is_reported_and_not_run_again(hermes: Installation) -> None:
    before = hermes.install()
    tally = hermes.home / "tally"
    turn = hermes.start("chat", f'!echo once >> "$HERMES_HOME/{tally.name}"; sleep 1000')
    hermes.until(lambda: tally.exists() and tally.read_text(), "the command's first effect")
    process.send(before.identity, signal.SIGKILL)
    hermes.ready(other_than=before)
    out, _ = turn.communicate(timeout=PATIENCE)
    assert "cut off" in out
    assert tally.read_text() == "once\n"


def make_shell(hermes: Installation) -> str:
    """A shell that works in the home, whose name no command line has to quote."""
    shell = hermes.home / "shell"
    shell.write_text('#!/bin/sh\ncd "$HERMES_HOME" && exec /bin/sh "$@"\n')
    shell.chmod(0o700)
    return str(shell).replace("\\", "\\\\").replace('"', '\\"')
