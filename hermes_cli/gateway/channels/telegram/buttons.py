"""The buttons below a question for approval, and what it means to press one. Pure."""

import re
from typing import Any

from hermes_cli.gateway.approvals import PREFIX

_PRESSED = re.compile(r"(approve|deny):([a-z0-9]{1,32})")


def below(identifier: str) -> dict[str, Any] | None:
    """Return the keyboard of the message with this id, None where there is nothing to press."""
    if not identifier.startswith(PREFIX):
        return None
    code = identifier.removeprefix(PREFIX).partition(":")[0]
    row = [{"text": word.capitalize(), "callback_data": f"{word}:{code}"} for word in ("approve", "deny")]
    return {"inline_keyboard": [row]}


def typed(data: str) -> str | None:
    """Return the command that does what a pressed button says, None for a button of somebody else's."""
    found = _PRESSED.fullmatch(data)
    return f"/{found[1]} {found[2]}" if found else None
