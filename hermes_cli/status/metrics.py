"""Figures of every profile's gateway in Prometheus's text format 0.0.4. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hermes_cli.programs.starts import crashes_in_a_row
from hermes_cli.status.gather import Status
from hermes_cli.status.overview import Row
from hermes_cli.status.problems import problems

_STATES = ("ready", "starting", "draining", "stopped", "down", "crashing", "not installed", "unknown")


@dataclass
class _Family:
    name: str
    help: str
    samples: list[str] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        if value is not None:
            named = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            self.samples.append(f"{self.name}{{{named}}} {value:.17g}")


def text(rows: Iterable[Row]) -> str:
    """Return the figures of these profiles; all are gauges, for they are looked at, not counted."""
    families = {
        name: _Family(f"hermes_gateway_{name}", text)
        for name, text in (
            ("ready", "1: the gateway takes messages."),
            ("state", "1 for the state that the gateway is in, else 0."),
            ("info", "Always 1: what runs, and who keeps it running."),
            ("start_time_seconds", "When the running gateway was started, in epoch seconds."),
            ("heartbeat_time_seconds", "When the running gateway last gave a sign of life, in epoch seconds."),
            ("active_turns", "Turns that run now."),
            ("pending_restarts", "Restarts that were asked for and are not settled."),
            ("known_restarts", "Starts after the first one, as far as they are kept."),
            ("crashes_in_a_row", "Ends soon after a start that nobody asked for, without a good run since."),
            ("last_restart_time_seconds", "When the newest intent was settled, in epoch seconds."),
            ("last_restart_duration_seconds", "From the request to the outcome of the newest intent."),
            ("last_restart_succeeded", "1: the newest intent ended in a fresh, ready gateway."),
            ("problem", "1 for each problem that status shows, by its code."),
        )
    }
    for row in rows:
        families["ready"].add(float(row.state == "ready"), profile=row.profile)
        for state in _STATES:
            families["state"].add(float(row.state == state), profile=row.profile, state=state)
        families["info"].add(
            1.0, profile=row.profile, manager=row.manager, kind=row.kind, revision=row.revision or "unknown"
        )
        families["pending_restarts"].add(float(row.pending), profile=row.profile)
        families["known_restarts"].add(row.restarts, profile=row.profile)
        if row.status is not None:
            _of_status(families, row.status)
        elif row.worst is not None:
            families["problem"].add(1.0, profile=row.profile, code=row.worst.code)
    return "".join(_lines(families.values()))


def _of_status(families: dict[str, _Family], status: Status) -> None:
    profile, running, last = status.profile, status.instance, status.last
    if running is not None:
        families["start_time_seconds"].add(running.started_at, profile=profile)
        families["heartbeat_time_seconds"].add(running.heartbeat or None, profile=profile)
        families["active_turns"].add(float(running.active_turns), profile=profile)
    families["crashes_in_a_row"].add(float(crashes_in_a_row(status.runs)), profile=profile)
    if last is not None:
        families["last_restart_time_seconds"].add(last.settled_at, profile=profile)
        families["last_restart_duration_seconds"].add(last.took, profile=profile)
        families["last_restart_succeeded"].add(
            float(last.outcome in {"restarted", "already-satisfied"}), profile=profile
        )
    for code in sorted({one.code for one in problems(status)}):
        families["problem"].add(1.0, profile=profile, code=code)


def _lines(families: Iterable[_Family]) -> Iterator[str]:
    for one in families:
        if one.samples:
            yield f"# HELP {one.name} {one.help}\n# TYPE {one.name} gauge\n"
            yield "".join(f"{sample}\n" for sample in one.samples)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
