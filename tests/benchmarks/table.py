"""The two tables, as text."""

from collections.abc import Sequence

from measure import TIMES, Figure, Row, Samples


def floors(rows: Sequence[Row]) -> str:
    """Each line of ours beside its floor; milliseconds."""
    head = ("", "floor", "median", "p99", "ours", "p99", "ratio", "p99", "target", "")
    body = [
        (
            row.name,
            row.floor_name,
            _ms(row.floor.median),
            _tail(row.floor),
            _ms(row.ours.median),
            _tail(row.ours),
            f"{row.ratio:.2f}{TIMES}",
            f"{row.tail:.2f}{TIMES}",
            str(row.limits),
            _verdict(row.misses),
        )
        for row in rows
    ]
    return _columns([head, *body], left={0, 1, 8, 9})


def figures(found: Sequence[Figure]) -> str:
    """Whole processes, each with its own unit."""
    head = ("", "median", "worst", "n", "floor", "ratio", "aim", "hermes-agent 0.19", "")
    body = [
        (
            one.name,
            f"{one.ours.median * one.scale:.1f} {one.unit}",
            f"{max(one.ours.values) * one.scale:.1f} {one.unit}",
            str(len(one.ours.values)),
            "" if one.floor is None else f"{one.floor.median * one.scale:.1f} {one.unit}",
            "" if one.ratio is None else f"{one.ratio:.2f}{TIMES}",
            "" if one.aim is None else f"≤ {one.aim:g} {one.unit}",
            one.before,
            "" if one.aim is None else _verdict(one.misses),
        )
        for one in found
    ]
    return _columns([head, *body], left={0, 8})


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.3f}" if seconds < 0.01 else f"{seconds * 1e3:.1f}"


def _tail(samples: Samples) -> str:
    return f"{_ms(samples.worst)}{'*' if samples.is_few else ''}"


def _verdict(misses: list[str]) -> str:
    return "MISS" if misses else "pass"


def _columns(lines: Sequence[Sequence[str]], left: set[int]) -> str:
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
