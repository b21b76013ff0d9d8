"""Where a job's output goes: into a log that the job itself opens.

A manager that opens the log ends the job when that cannot be done (systemd 209/STDOUT, launchd 78), and never makes its
directory. So a shell does it first: it makes the directory, moves a log aside that nobody could rotate because every
start failed, and does without where there is no log to be had. It is replaced by the job, which keeps its pid.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.system.log_file import Bounds

RESTARTER_LOG = "HERMES_RESTARTER_LOG"  # hermes-restarter.sh opens the log that this names, in the same way
_SHELL = (
    '(umask 077; mkdir -p "${{0%/*}}"; n=$(wc -c <"$0") && [ "$n" -gt {limit} ] && mv -f "$0" "$0.1"; : >>"$0") 2>/dev/null'
    ' || exec "$@"; exec "$@" >>"$0" 2>&1'
)


def into(log: str, argv: list[str], bounds: "Bounds") -> list[str]:
    """Return the command line that runs `argv` with its output in `log`."""
    return ["/bin/sh", "-c", _SHELL.format(limit=limit(bounds)), log, *argv]


def limit(bounds: "Bounds") -> int:
    """Return how long a log may be before a shell moves it aside: so long that whoever rotates it was never there."""
    return max(10 * 1024 * 1024, 2 * bounds.size)
