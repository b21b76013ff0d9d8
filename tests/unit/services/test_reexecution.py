"""What a supervisor hands to its new code, whatever release that is, and when new code is proved."""

import errno
import json
import os

import pytest
from support.models.driver_alone import GATEWAY

from hermes_cli.services.embedded import reexecution
from hermes_cli.services.embedded.reexecution import Carried, Proof


@pytest.mark.parametrize(
    ("document", "carried"),
    [
        ({"lock": 3, "gateway": 42, "since": 7.5, "crashes": 2}, Carried(3, 42, 7.5, 2)),
        ({"lock": 3, "gateway": None}, Carried(3)),  # of a release that carried no more
        ({"lock": 3, "news": [1]}, Carried(3)),
        ({"lock": 3, "gateway": "42", "since": "now", "crashes": None}, Carried(3)),
    ],
)
def test_any_releases_state_is_read_and_what_is_missing_has_a_default(document, carried, monkeypatch) -> None:
    monkeypatch.setenv("HERMES_SUPERVISOR_STATE", json.dumps(document))
    assert reexecution.inherited() == carried
    assert "HERMES_SUPERVISOR_STATE" not in os.environ
    assert reexecution.inherited() == Carried()


@pytest.fixture
def new_gateway(paths, children, tmp_path):
    """One on other code than ours, ready."""
    gateway = children(str(GATEWAY), str(tmp_path), "revision=other")
    assert gateway.stdout.readline() == "ready\n"


@pytest.mark.usefixtures("new_gateway")
def test_new_code_is_proved_once_and_again_when_the_proof_came_at_a_bad_moment(paths) -> None:
    begun = []
    proof = Proof(paths, lambda argv: begun.append(argv) or 4242)
    proof.look()
    proof.look()  # one at a time
    assert (len(begun), proof.pid, proof.revision) == (1, 4242, "other")
    assert proof.exited(0)
    proof.look()
    assert len(begun) == 1
    proof.put_off()
    proof.look()
    assert len(begun) == 2
    assert not proof.exited(1)
    proof.look()
    assert len(begun) == 2


@pytest.mark.usefixtures("new_gateway")
def test_a_proof_that_cannot_be_started_is_tried_at_the_next_look(paths) -> None:
    refusals = [OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))]

    def spawn(_argv: list[str]) -> int:
        if refusals:
            raise refusals.pop()
        return 4242

    proof = Proof(paths, spawn)
    proof.look()
    assert proof.pid is None
    proof.look()
    assert proof.pid == 4242
