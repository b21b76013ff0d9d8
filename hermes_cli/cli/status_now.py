"""One look of `hermes gateway status`, without a parser: it must feel instant."""

import json

from hermes_cli.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermes_cli.status.gather import Status


def show(paths: Paths, *, as_json: bool) -> int:
    """Look and print. Return the exit code: 0 running, 3 not running, 4 not installed, 5 cannot tell. Raises HermesError."""
    found = look(paths)
    print(shown(found, as_json=as_json), flush=True)
    return found.exit_code


def look(paths: Paths) -> "Status":
    """Return what there is to see now. Raises HermesError."""
    from hermes_cli.installation import revision
    from hermes_cli.programs import description

    running = description.read(paths.instance)
    query = revision.query(running.revision if running is not None else None)  # git looks while we look ourselves
    from hermes_cli.errors import HermesError
    from hermes_cli.services import choose
    from hermes_cli.status.gather import gather

    try:
        return gather(paths, choose(paths), query)
    except OSError as error:
        from hermes_cli.system import refusal

        how, _ = refusal.mend(error.filename or paths.state, error.errno or 0)
        raise HermesError(f"{error.filename} cannot be read ({error.strerror}): {how}") from None


def shown(found: "Status", *, as_json: bool) -> str:
    """Return the status as text, or as the JSON of docs/status-json.md."""
    from hermes_cli.status.document import document
    from hermes_cli.status.text import text

    return json.dumps(document(found), indent=2) if as_json else text(found)
