"""Which requests the page's server answers."""

import pytest

from hermes_cli.dashboard import acts, guard
from hermes_cli.errors import UsageError
from hermes_cli.paths import Paths

PORT, TOKEN = 4711, "s3cret"
OURS = {"Host": "127.0.0.1:4711", "Authorization": f"Bearer {TOKEN}"}
POSTED = {**OURS, "Content-Type": "application/json", "Content-Length": "20", "Origin": "http://127.0.0.1:4711"}
INTENT = "20261123T160511.123456Z-4321-9f3a"


def refused(method, path, headers):
    found = guard.refusal(method, path, headers, PORT, TOKEN)
    return found[0] if found is not None else None


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Host": "127.0.0.1:4711"}, None),  # the page itself holds no secret
        ("GET", "/app.js", {"Host": "localhost:4711"}, None),
        ("GET", "/api/events", OURS, None),
        ("POST", "/api/act", POSTED, None),
        ("GET", "/", {}, 421),
        ("GET", "/", {"Host": "127.0.0.1"}, 421),
        ("GET", "/", {"Host": "evil.example:4711"}, 421),  # DNS rebinding
        ("GET", "/api/events", {**OURS, "Host": "evil.example:4711"}, 421),
        ("GET", "/api/events", {**OURS, "Origin": "http://evil.example"}, 403),
        ("GET", "/api/events", {**OURS, "Origin": "null"}, 403),
        ("GET", "/api/events", {**OURS, "Origin": "http://127.0.0.1:4712"}, 403),  # another program of this machine
        ("GET", "/", {"Host": "127.0.0.1:4711", "Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/", {"Host": "127.0.0.1:4711", "Sec-Fetch-Site": "same-site"}, 403),
        ("GET", "/api/events", {"Host": "127.0.0.1:4711"}, 401),
        ("GET", "/api/events", {**OURS, "Authorization": "Bearer s3cre"}, 401),
        ("GET", "/api/events", {**OURS, "Authorization": "Bearer "}, 401),
        ("GET", "/api/events", {**OURS, "Authorization": f"Basic {TOKEN}"}, 401),
        ("GET", "/api/events", {**OURS, "Authorization": "Bearer \udcff\u2603"}, 401),
        ("POST", "/api/act", {**POSTED, "Content-Type": "text/plain"}, 415),  # what a form can send without asking
        ("POST", "/api/act", {**POSTED, "Content-Length": "5000"}, 413),
        ("POST", "/api/act", {**POSTED, "Content-Length": "-1"}, 413),
        ("POST", "/api/act", OURS | {"Content-Type": "application/json"}, 413),
        ("POST", "/", POSTED, 405),
        ("DELETE", "/api/act", POSTED, 405),
    ],
)
def test_a_request_is_answered_only_if_the_page_itself_sends_it_for_who_has_the_url(method, path, headers, status):
    assert refused(method, path, headers) == status


def test_no_page_may_frame_it_and_nothing_of_others_is_run_in_it():
    policy = guard.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {},
        {"profile": "default", "act": "restart"},
        {"profile": "default", "act": "restart", "confirmed": "yes"},
        {"profile": "default", "act": "uninstall", "confirmed": True},
        {"profile": "nosuch", "act": "restart", "confirmed": True},
        {"profile": "--help", "act": "restart", "confirmed": True},
        {"profile": ["default"], "act": "restart", "confirmed": True},
        {"profile": "default", "act": "cancel", "confirmed": True},
        {"profile": "default", "act": "cancel", "id": "../../x", "confirmed": True},
    ],
)
def test_nothing_but_a_confirmed_act_on_a_profile_that_is_there_becomes_a_command(paths: Paths, asked):
    with pytest.raises(UsageError):
        acts.argv(paths, asked)


def test_an_act_is_a_command_line(paths: Paths):
    found = acts.argv(paths, {"profile": "default", "act": "cancel", "id": INTENT, "confirmed": True})
    assert found[1:] == ["-P", "-m", "hermes_cli", "-p", "default", "gateway", "intents", "cancel", INTENT]
