"""NousResearch/hermes-agent#11932 under a real systemd user manager."""

import pytest
from installation import Installation
from user_manager import UserManager

pytestmark = pytest.mark.e2e
SERVICE = "hermes-gateway.service"


def test_a_restart_typed_in_the_agents_terminal_brings_up_a_new_process(
    hermes: Installation, user_manager: UserManager
) -> None:
    before = hermes.install()
    assert user_manager.show(SERVICE, "MainPID") == str(before.identity.pid)
    answer = hermes.chat("!hermes gateway restart")
    after = hermes.ready(other_than=before)
    assert "recorded, will be completed by the systemd restarter" in answer
    assert f"restarted: gateway is back as pid {after.identity.pid}" in answer
    assert user_manager.show(SERVICE, "MainPID") == str(after.identity.pid)
