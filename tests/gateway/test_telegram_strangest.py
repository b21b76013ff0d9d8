"""What nobody sends on purpose, and what Telegram does on its own: a gateway goes on, and every chat reads as one would wish."""

import pytest
from support.models.model_server import runs, says
from support.models.telegram_bot import ANN, answered
from telegram_emulator import User

pytest.importorskip("httpx2", reason="the extra telegram is not installed")
pytestmark = pytest.mark.e2e

HELLO = "You said: hello. Type /help."
NO_MESSAGE = (None, True, "x", [], {"from": [], "chat": 3}, {"from": {"id": {}}})


def test_updates_and_answers_of_another_form_end_no_polling(telegram, bot, ann, start):
    for count, result in enumerate((None, True, "x", {"id": 3}, [None, 3, "x", {"update_id": "x"}])):
        telegram.fault("getUpdates", "instead", skip=count, result=result)
    telegram.fault("getMe", "instead", result=True)
    for document in NO_MESSAGE:
        telegram.update("message", document)
        telegram.update("callback_query", document)
    for kind in ("edited_message", "channel_post", "poll_answer", "of_next_year"):
        telegram.update(kind, {"message_id": 1})
    start().ready()
    telegram.say(ann, "hello")
    assert answered(telegram, ann, HELLO) == 1
    telegram.until(lambda: telegram.bot.updates.pending() == [], "the confirmation of all of it")


def test_a_message_whose_id_is_not_told_is_sent_again(telegram, bot, ann, start):
    telegram.fault("sendMessage", "instead", result=True)
    start().ready()
    telegram.say(ann, "hello")
    assert answered(telegram, ann, HELLO) == 1


def test_what_somebody_edits_is_not_run_again(telegram, bot, ann, start, tmp_path):
    start().ready()
    said = telegram.say(ann, f"!echo once >> {tmp_path}/done; echo done")
    answered(telegram, ann, "done")
    telegram.edit(ann, said, f"!echo twice >> {tmp_path}/done; echo done")
    telegram.say(ann, "hello")
    answered(telegram, ann, HELLO)
    assert ann.of_bots() == ["done", HELLO]
    assert (tmp_path / "done").read_text() == "once\n"


@pytest.mark.parametrize("part", [0, 1], ids=["the whole", "a part of it"])
def test_words_that_telegram_does_not_take_leave_no_placeholder(telegram, bot, ann, start, part):
    start().ready()
    times = 1 + part  # what is code is refused with its entities first
    telegram.refuse("editMessageText", 400, "Bad Request: message text is empty", times, skip=part)
    telegram.say(ann, "!seq -w 1 1000" if part else "hello")
    refused = "[Telegram does not take what stands here: Bad Request: message text is empty]"
    answered(telegram, ann, refused)
    assert len(ann.of_bots()) == part + 1
    telegram.say(ann, "hello")
    assert answered(telegram, ann, HELLO) == 1


def test_a_group_that_becomes_a_supergroup_stays_allowed(telegram, bot, start):
    bot(f"terminal = [{ANN}]\ngroups = [-5]")
    small, user = telegram.group(-5, "Small"), User(ANN, "Ann")
    first = start().ready()
    telegram.say(small, "@hermes_test_bot hello", user=user)
    answered(telegram, small, HELLO)
    big = telegram.upgrade(small, -100555)
    telegram.say(big, "@hermes_test_bot hello", user=user)
    answered(telegram, big, HELLO)
    first.process.kill()
    first.exit_code()
    start().ready()
    telegram.say(big, "@hermes_test_bot again", user=user)
    answered(telegram, big, "You said: again. Type /help.")


def test_a_question_in_a_group_is_decided_as_it_says(telegram, bot, start, model, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    command = f"rm -rf {kept} # \u202e\u00a0"
    model.script = [runs(command), says("So be it.")]
    bot(f"terminal = [{ANN}]\ngroups = [-100123]", model.config)
    group, user = telegram.group(), User(ANN, "Ann")
    start().ready()
    telegram.until(lambda: telegram.calls("getUpdates"), "the first poll")
    telegram.say(group, "@hermes_test_bot clean up", user=user)
    telegram.until(lambda: any(one.buttons for one in group.seen()), "the question")
    (question,) = [one for one in group.seen() if one.buttons]
    assert f"\n\nrm -rf {kept} # \\u202e\\xa0\n\n" in question.text  # whatever cannot be seen is spelled
    telegram.say(group, question.text.rpartition(" or ")[0].rpartition("\n")[2], user=user)
    telegram.until(model.results, "the result of the command")
    assert not kept.exists()


def test_who_opens_the_bot_is_told_what_it_can(telegram, bot, ann, start):
    start().ready()
    telegram.say(ann, "/start")
    telegram.until(lambda: any("/approve" in text for text in ann.of_bots()), "the commands")
