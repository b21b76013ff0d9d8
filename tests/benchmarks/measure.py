"""Samples taken in turns, and what is said about them: what disturbs one side disturbs the other too."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

TIMES = "\N{MULTIPLICATION SIGN}"
Probe = Callable[[], float]  # takes one sample, in seconds


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds, or for memory MB."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def is_few(self) -> bool:
        """Whether a 99th percentile would only be the largest."""
        return len(self.values) < 100

    @property
    def worst(self) -> float:
        """The 99th percentile; of fewer than 100 the largest."""
        return sorted(self.values)[math.ceil(len(self.values) * 0.99) - 1]


@dataclass(frozen=True, slots=True)
class Limits:
    """What to aim for: `ratio` of the medians, `tail` of the 99th percentiles, `seconds` for our median."""

    ratio: float | None = None
    tail: float | None = None
    seconds: float | None = None

    def __str__(self) -> str:
        parts = [
            f"≤ {self.ratio}{TIMES}" if self.ratio is not None else "",
            f"p99 ≤ {self.tail}{TIMES}" if self.tail is not None else "",
            f"≤ {self.seconds * 1e3:.0f} ms" if self.seconds is not None else "",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of floors."""

    name: str
    floor_name: str
    floor: Samples
    ours: Samples
    limits: Limits

    @property
    def ratio(self) -> float:
        return self.ours.median / self.floor.median

    @property
    def tail(self) -> float:
        return self.ours.worst / self.floor.worst

    @property
    def misses(self) -> list[str]:
        limits, found = self.limits, []
        if limits.ratio is not None and self.ratio > limits.ratio:
            found.append(f"{self.name}: {self.ratio:.2f}{TIMES} its floor, not ≤ {limits.ratio}{TIMES}")
        if limits.tail is not None and self.tail > limits.tail:
            found.append(f"{self.name}: p99 {self.tail:.2f}{TIMES} that of its floor, not ≤ {limits.tail}{TIMES}")
        if limits.seconds is not None and self.ours.median > limits.seconds:
            found.append(f"{self.name}: {self.ours.median * 1e3:.1f} ms, not ≤ {limits.seconds * 1e3:.0f} ms")
        return found


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table of whole-process figures: the median counts. `before` is hermes-agent 0.19.

    `floor`: what the same process cannot do without, taken in turns with it.
    """

    name: str
    ours: Samples
    unit: str
    scale: float
    aim: float | None = None
    before: str = ""
    floor: Samples | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.floor is None else self.ours.median / self.floor.median

    @property
    def misses(self) -> list[str]:
        found = self.ours.median * self.scale
        if self.aim is None or found <= self.aim:
            return []
        beside = "" if self.ratio is None else f"; {self.ratio:.2f}{TIMES} its floor"
        return [f"{self.name}: {found:.0f} {self.unit}, not ≤ {self.aim:g} {self.unit}{beside}"]


def interleave(count: int, probes: Sequence[Probe], warm_up: int = 2) -> list[Samples]:
    """`count` samples of each probe, one of each in turn. Who goes first changes each time: the one leaves the
    other its dirty pages and a warm cache.
    """
    taken: list[list[float]] = [[] for _ in probes]
    for number in range(-warm_up, count):
        order = range(len(probes)) if number % 2 else reversed(range(len(probes)))
        for index in order:
            seconds = probes[index]()
            if number >= 0:
                taken[index].append(seconds)
    return [Samples(tuple(values)) for values in taken]


def timed(call: Callable[[], object]) -> float:
    """How long one call takes."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before
