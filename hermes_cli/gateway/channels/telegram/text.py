"""Text as Telegram takes it: parts of at most 4096 UTF-16 units, cut at line ends. Pure."""

LONGEST = 4096  # UTF-16 units of a message


def units(text: str) -> int:
    """Return the length that Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split(text: str, longest: int = LONGEST) -> list[str]:
    """Return the parts of a text, at least one; no part is empty or only white space."""
    parts: list[str] = []
    rest = sound(text)
    while units(rest) > longest:
        cut = _fitting(rest, longest)
        at = max(rest.rfind("\n", cut // 2, cut), 0) or max(rest.rfind(" ", cut // 2, cut), 0) or cut
        parts.append(rest[:at])
        rest = rest[at:].removeprefix("\n")
    found = [part for part in (*parts, rest) if part.strip()]
    return found or ["(nothing)"]


def tail(text: str, longest: int = LONGEST) -> str:
    """Return the end of a text that fits into a message."""
    while units(text) > longest:
        text = text[max(1, (units(text) - longest) // 2) :]
    return text


def sound(text: str) -> str:
    """Return the text without what JSON or Telegram cannot carry: single surrogates, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _fitting(text: str, longest: int) -> int:
    """Return how many characters of the text have at most so many units."""
    low, high = longest // 2, min(len(text), longest)
    while low < high:
        middle = (low + high + 1) // 2
        if units(text[:middle]) <= longest:
            low = middle
        else:
            high = middle - 1
    return low
