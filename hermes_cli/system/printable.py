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


def printable_lines(text: object) -> str:
    """Return `text` with its ends of lines, each line made fit."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def spelled(text: str) -> str:
    """Return `text` with its ends of lines and tabs, and whatever else is no letter by its number, as Python writes it.

    For what a person decides on: marks that nobody sees, or that change the order in which others are shown, stand there.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1] for letter in text)


def printable_log(line: bytes, limit: int = 1 << 20) -> bytes:
    """Return a line of a log, which a child may have written, made fit for a terminal; tabs become spaces."""
    if line.isascii() and line.rstrip(b"\n").decode("ascii").isprintable():
        return line
    return printable(line.decode("utf-8", "replace").rstrip("\n").expandtabs(), limit).encode() + b"\n"
