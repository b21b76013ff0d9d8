"""Which line of what a command printed says why it failed. git, pip and uv end with advice, not with the reason."""

import re

_MARKED = re.compile(r"(?:remote: )?(?:fatal|error|ERROR): ?\S")
_BROKEN_CONNECTION = re.compile(r"connection broken by ['\"](.+)['\"]: ")
# Marked lines that only say that there was a reason: it is in the line before.
_VAGUE = (
    "fatal: Could not read from remote repository",
    "fatal: the remote end hung up",
    "fatal: early EOF",
    "error: subprocess-exited-with-error",
)
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning)\b")
_QUOTED_END = "[end of output]"  # pip quotes what a build printed


def reason(text: str) -> str | None:
    """Return the line of a failed command's output that says why, or None if it printed nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    for line in lines:
        if broken := _BROKEN_CONNECTION.search(line):
            return broken[1]
    if _QUOTED_END in lines[1:]:
        return lines[lines.index(_QUOTED_END, 1) - 1]
    if _EXCEPTION.match(lines[-1]) and any(line.startswith("Traceback ") for line in lines):
        return lines[-1]
    marked = [index for index, line in enumerate(lines) if _MARKED.match(line)]
    for index in marked:
        if not lines[index].startswith(_VAGUE):
            return _with_cause(lines, index)
        if index and lines[index - 1][-1] not in "?!":
            return lines[index - 1]
    if marked:
        return lines[marked[0]]
    boxed = next((index for index, line in enumerate(lines) if line.startswith("\N{MULTIPLICATION SIGN}")), None)
    return " ".join(lines[boxed:]) if boxed is not None else lines[-1]


def _with_cause(lines: list[str], index: int) -> str:
    """Return a line and, if uv says what it was caused by, the innermost cause."""
    causes = [line for line in lines[index + 1 :] if line.startswith("Caused by:")]
    return f"{lines[index]}; {causes[-1]}" if causes else lines[index]
