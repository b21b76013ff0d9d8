"""launchctl's exit codes, and their texts."""

NO_SUCH_PROCESS = 3
IO_ERROR = 5
IN_PROGRESS = 36
ALREADY = 37
USAGE = 64
BAD_PLIST = 109
NO_LABEL = 110
NO_PROGRAM = 111
NO_DOMAIN = 112
NO_SERVICE = 113
DISABLED = 119
BAD_OWNERSHIP = 122
TEARING_DOWN = 124
UNSUPPORTED = 125
WRONG_SESSION = 134

TEXTS = {
    NO_SUCH_PROCESS: "No such process",
    IO_ERROR: "Input/output error",
    IN_PROGRESS: "Operation now in progress",
    ALREADY: "Operation already in progress",
    BAD_PLIST: "Invalid property list",
    NO_LABEL: "Invalid or missing service identifier",
    NO_PROGRAM: "Invalid or missing Program/ProgramArguments",
    NO_DOMAIN: "Could not find specified domain",
    NO_SERVICE: "Could not find specified service",
    DISABLED: "Service is disabled",
    BAD_OWNERSHIP: "Path had bad ownership/permissions",
    TEARING_DOWN: "Domain is tearing down",
    UNSUPPORTED: "Domain does not support specified action",
    WRONG_SESSION: "Service cannot load in requested session",
}
PLAIN = {BAD_PLIST, NO_LABEL, NO_PROGRAM, BAD_OWNERSHIP, WRONG_SESSION}  # what is often shown as 5 instead
RETRY_AS_ROOT = "Try re-running the command as root for richer errors."


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """An answer with an exit code other than 0."""

    def __init__(self, code: int, text: str | None = None) -> None:
        self.code = code
        self.text = TEXTS[code] if text is None else text
        super().__init__(f"{code}: {self.text}")


def failure_line(action: str, refused: Refused) -> str:
    """Return launchctl's report of one failure; `action` is, for example, "Bootstrap failed"."""
    line = f"{action}: {refused.code}: {refused.text}\n"
    return line + f"{RETRY_AS_ROOT}\n" if refused.code == IO_ERROR else line
