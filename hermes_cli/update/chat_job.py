"""`hermes update` for a conversation: outside the gateway's tree, its output in a file that the gateway follows.

    <updates>/chat/JOB.json   which message asked; written by the gateway
    <updates>/chat/JOB.out    what the update says; locked (flock) by the update from its first moment to its end

`jobs/chat_update` is what the service manager runs.
"""

from hermes_cli.installation import entry_points
from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def folder(paths: Paths) -> str:
    """Return the directory of the jobs."""
    return f"{paths.updates}/chat"


def argv(paths: Paths, job: str, options: "Sequence[str]") -> list[str]:
    """Return the command line that the service manager is to run."""
    return entry_points.argv(entry_points.CHAT_UPDATE, paths.profile, job, *options)
