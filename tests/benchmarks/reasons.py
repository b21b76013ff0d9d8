"""Why a target is missed, by the line's name: said below each miss, beside the floor that was measured in the same run."""

REASONS = {
    "hermes gateway status": (
        "click, json, subprocess and the value classes that `status` is made of take about 1.7 x click"
        " alone before a line of ours runs: the next line; two answers of git and one of the manager come on top"
    ),
    "gateway ready after exec": (
        "asyncio and sqlite3 are three fifths of it (the floor); the rest is our modules, the database's first commits, and"
        " gateway.json on stable storage before `ready` is said"
    ),
    "in-tree request → fresh ready instance, idle": (
        "a command's start, a drain, an exit and a gateway's start in a row, each waiting for the disk; the floor is two bare starts"
    ),
    "scan of 1,000 records": "each record is checked field by field before it is believed (rule 6); the floor parses JSON only",
}


def of(miss: str) -> str | None:
    """Return the reason of a miss, which begins with the line's name."""
    return next((why for name, why in REASONS.items() if miss.startswith(f"{name}: ")), None)
