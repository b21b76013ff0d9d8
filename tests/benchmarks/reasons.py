"""Why a target is missed, by the line's name: said below each miss, beside the floor that was measured in the same run."""

REASONS = {
    "gateway ready after exec": (
        "asyncio and sqlite3 are three fifths of it (the floor); the rest is our modules, the database's first commits, and"
        " gateway.json on stable storage before `ready` is said"
    ),
    "in-tree request → fresh ready instance, idle": (
        "a command's start, a drain, an exit and a gateway's start in a row, each waiting for the disk; the floor is two bare starts."
        " The page of one restart has the floor of each phase: together they take 170 ms on this machine, half of it"
    ),
    "ready, Telegram unreachable": (
        "asyncio comes with OpenSSL where a server is spoken to, and without where none is, as in the floor"
    ),
    "scan of 1,000 records": "each record is checked field by field before it is believed (rule 6); the floor parses JSON only",
}


def of(miss: str) -> str | None:
    """Return the reason of a miss, which begins with the line's name."""
    return next((why for name, why in REASONS.items() if miss.startswith(f"{name}: ")), None)
