"""The first install says what starts the gateway at boot, as it is and not as one would wish."""

import pytest

from hermes_cli.cli import what_now


@pytest.mark.parametrize(
    ("manager", "codes", "said"),
    [
        ("launchd", set(), "launchd starts it when you log in"),
        ("systemd", set(), "systemd starts it"),
        ("systemd", {"no-linger"}, "systemd starts it when you log in, and ends it when you log out"),
        ("embedded", {"no-boot"}, "nothing starts it"),
        (
            "embedded",
            set(),
            "nothing starts it, unless a container or an init of yours runs: hermes gateway run --supervise",
        ),
    ],
)
def test_what_starts_it_at_boot_is_said(manager: str, codes: set[str], said: str) -> None:
    assert what_now._at_boot(manager, codes) == said
