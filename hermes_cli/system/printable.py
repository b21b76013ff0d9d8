"""What was read from a file or came from a peer, made fit for a terminal and a log."""

_LIMIT = 2000  # letters


def printable(text: object, limit: int = _LIMIT) -> str:
    """Return `text` in one line of `limit` letters, with `?` for what is no letter.

    These are controls, escapes, ends of lines, and the marks that change the order in which others are shown.
    """
    found = str(text)
    if len(found) > limit:
        found = found[: limit - 1] + "…"
    if found.isprintable():
        return found
    return "".join(letter if letter.isprintable() else "?" for letter in found)
