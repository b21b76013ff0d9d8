"""What the outcome of a call means for what was to be said. Pure."""

from dataclasses import dataclass
from typing import Literal

from hermes_cli.gateway.channels.telegram.outcomes import Done, NotSent, Outcome, Unknown

_GONE = ("message to edit not found", "message can't be edited", "message_id_invalid", "no text in the message to edit")
Kind = Literal["done", "later", "gone", "threadless", "moved", "unfit", "never"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do now.

    done: it stands there. later: again after `pause` seconds (0: as one pauses anyway). gone: the message to edit is not
    there, or not ours. threadless: the topic is gone. moved: the chat is `chat` now. unfit: these words are not taken.
    never: nobody will take any.
    """

    kind: Kind
    why: str = ""
    pause: float = 0.0
    chat: str | None = None


def made(outcome: Outcome) -> str | None:
    """Return the id of the message that a call has made, None if it has made none that is known."""
    found = outcome.result if isinstance(outcome, Done) else None
    return str(found["message_id"]) if isinstance(found, dict) and "message_id" in found else None


def of(outcome: Outcome) -> Verdict:
    """Judge the outcome of a message, an edit or a sign of life."""
    if isinstance(outcome, Done):
        return Verdict("done")
    if isinstance(outcome, NotSent | Unknown):
        return Verdict("later", "offline")
    text = outcome.description.lower()
    if outcome.code == 429:
        return Verdict("later", "flood control", outcome.retry_after)
    if "message is not modified" in text:
        return Verdict("done")
    if outcome.migrate_to is not None:
        return Verdict("moved", chat=outcome.migrate_to)
    if any(words in text for words in _GONE):
        return Verdict("gone")
    if "message thread not found" in text or "topic_closed" in text or "topic_deleted" in text:
        return Verdict("threadless", "the topic is gone")
    if outcome.code in {401, 404}:
        return Verdict("later", "the token is refused", 30.0)
    return Verdict("unfit" if outcome.code == 400 else "never", outcome.description)
