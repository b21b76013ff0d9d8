"""getUpdates and the methods of the emulator, as the Bot API's server has them."""

import asyncio
import contextlib
import threading
import time

import pytest

httpx2 = pytest.importorskip("httpx2", reason="the extra telegram is not installed")


@pytest.fixture
def call(telegram):
    """Call a method over HTTP. Its status and document."""
    with httpx2.Client(timeout=30) as client:

        def make(method, token=telegram.token, **arguments):
            answer = client.post(f"{telegram.base_url}/bot{token}/{method}", json=arguments)
            return answer.status_code, answer.json()

        yield make


@pytest.fixture
def ann(telegram):
    return telegram.person()


def ids(answer):
    return [update["update_id"] for update in answer[1]["result"]]


def test_only_a_higher_offset_confirms(telegram, call, ann):
    telegram.say(ann, "one")
    telegram.say(ann, "two")
    first, second = ids(call("getUpdates"))
    assert second == first + 1
    assert ids(call("getUpdates", offset=first)) == [first, second]
    assert ids(call("getUpdates", offset=second)) == [second]
    assert ids(call("getUpdates")) == [second]


def test_an_offset_just_beyond_the_tail_forgets_and_one_far_beyond_is_ignored(telegram, call, ann):
    telegram.say(ann, "one")
    (only,) = ids(call("getUpdates"))
    assert ids(call("getUpdates", offset=only + 100)) == [only]
    assert ids(call("GETUPDATES", offset=only + 5)) == []
    assert telegram.pending() == 0


def test_a_long_poll_is_woken_and_a_connection_that_breaks_confirms_nothing(telegram, call, ann):
    found = []
    polling = threading.Thread(target=lambda: found.append(call("getUpdates", timeout=50)))
    polling.start()
    telegram.until(lambda: telegram.calls("getUpdates"), "the poll")
    telegram.say(ann, "hello")
    polling.join(30)
    assert found[0][1]["result"][0]["message"]["text"] == "hello"
    assert telegram.pending() == 1


def test_the_newcomer_throws_out_who_polls_already(telegram, call):
    found = []
    polling = threading.Thread(target=lambda: found.append(call("getUpdates", timeout=50)))
    polling.start()
    telegram.until(lambda: telegram.calls("getUpdates"), "the first poll")
    time.sleep(0.05)  # the journal has the call a moment before it waits
    assert call("getUpdates", offset=5, timeout=1)[0] == 200
    polling.join(30)
    assert found[0][0] == 409
    assert "terminated by other getUpdates" in found[0][1]["description"]


def test_a_webhook_keeps_everybody_from_polling(call):
    call("setWebhook", url="https://example.org")
    assert call("getUpdates")[0] == 409
    assert call("getWebhookInfo")[1]["result"]["url"] == "https://example.org"
    call("deleteWebhook")
    assert call("getUpdates")[0] == 200


def test_updates_live_for_a_day(telegram, ann):
    telegram.say(ann, "old")
    telegram.world.ahead = 86401
    assert telegram.pending() == 0


@pytest.mark.parametrize(("token", "status"), [("123456:another", 401), ("nonsense", 404)])
def test_other_tokens_are_refused(call, token, status):
    assert call("getMe", token=token)[0] == status


def test_what_the_server_refuses(telegram, call, ann):
    said = telegram.say(ann, "hello")
    sent = call("sendMessage", chat_id=ann.id, text="hi")[1]["result"]["message_id"]
    for description, method, arguments in [
        ("Not Found: method not found", "sendNothing", {}),
        ("Bad Request: chat not found", "sendMessage", {"chat_id": 1, "text": "x"}),
        ("Bad Request: message text is empty", "sendMessage", {"text": " "}),
        ("Bad Request: message is too long", "sendMessage", {"text": "😀" * 2049}),
        ("Bad Request: message thread not found", "sendMessage", {"text": "x", "message_thread_id": 9}),
        ("Bad Request: message to edit not found", "editMessageText", {"text": "x", "message_id": 99}),
        ("Bad Request: message can't be edited", "editMessageText", {"text": "x", "message_id": said.id}),
        ("Bad Request: query is too old", "answerCallbackQuery", {"callback_query_id": "1"}),
        (
            "Bad Request: entity is outside",
            "sendMessage",
            {"text": "x", "entities": [{"type": "bold", "offset": 0, "length": 2}]},
        ),
    ]:
        _, document = call(method, **{"chat_id": ann.id, **arguments})
        assert document["ok"] is False
        assert document["description"].startswith(description)
    assert call("editMessageText", chat_id=ann.id, message_id=sent, text="hi")[1]["description"].startswith(
        "Bad Request: message is not modified"
    )
    assert call("editMessageText", chat_id=ann.id, message_id=sent, text="there")[0] == 200
    assert ann.of_bots() == ["there"]


def test_a_blocked_bot_and_a_group_that_has_moved(telegram, call, ann):
    ann.blocked = True
    assert call("sendMessage", chat_id=ann.id, text="x")[1]["description"] == "Forbidden: bot was blocked by the user"
    telegram.upgrade(telegram.group(-5, "Team"), -1005)
    assert call("sendMessage", chat_id=-5, text="x")[1]["parameters"] == {"migrate_to_chat_id": -1005}
    assert call("sendMessage", chat_id=-1005, text="x")[0] == 200


def test_faults_come_by_order(telegram, call, ann):
    telegram.fault("sendMessage", "drop-before")
    telegram.fault("sendMessage", "drop-after", skip=1)
    telegram.flood("sendMessage", 7, skip=2)
    for text in ("never", "unknown"):
        with pytest.raises(httpx2.RemoteProtocolError):
            call("sendMessage", chat_id=ann.id, text=text)
    status, document = call("sendMessage", chat_id=ann.id, text="too many")
    assert (status, document["parameters"]) == (429, {"retry_after": 7})
    assert ann.of_bots() == ["unknown"]


def test_flood_control_begins_anew_with_a_call_in_the_penalty(telegram, call, ann):
    limit = telegram.limit(rate=0.001, burst=1, retry_after=30)
    assert [call("sendMessage", chat_id=ann.id, text=str(number))[0] for number in range(3)] == [200, 429, 429]
    assert limit.within == 1


def test_a_file_is_a_document_and_a_press_is_a_query(telegram, call, ann):
    with httpx2.Client() as client:
        where = f"{telegram.base_url}/bot{telegram.token}/sendDocument"
        client.post(where, data={"chat_id": str(ann.id)}, files={"document": ("log.txt", b"all of it")})
    assert ann.seen()[-1].document == ("log.txt", b"all of it")
    buttons = {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes:1"}]]}
    call("sendMessage", chat_id=ann.id, text="May I?", reply_markup=buttons)
    query = telegram.press(ann, ann.seen()[-1], "Yes")
    assert call("getUpdates")[1]["result"][-1]["callback_query"]["data"] == "yes:1"
    assert call("answerCallbackQuery", callback_query_id=query)[0] == 200
    assert call("answerCallbackQuery", callback_query_id=query)[0] == 400


def test_a_server_that_goes_away_leaves_nothing_behind(telegram, call, ann):
    def poll():
        with contextlib.suppress(httpx2.HTTPError):
            call("getUpdates", timeout=50)

    async def tasks():
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    telegram.fault("sendMessage", "hang")
    polling = threading.Thread(target=poll)
    polling.start()
    with httpx2.Client() as client, pytest.raises(httpx2.ReadTimeout):
        client.post(f"{telegram.base_url}/bot{telegram.token}/sendMessage", json={"chat_id": ann.id}, timeout=0.1)
    telegram.until(lambda: len(telegram.calls()) == 2, "both calls")
    telegram.away()
    assert telegram._run(tasks()) == []
    polling.join(30)
