"""What a remote has now: fetched by name, never read from what an earlier fetch has left.

What it had before is remembered by git: that tells a history that was rewritten upstream from the user's own commits.
"""

from hermes_cli.errors import HermesError
from hermes_cli.system.command import Ended, printable
from hermes_cli.update.sources.git.checkout import Checkout

_FETCHED = "refs/hermes/fetched"  # for as long as one fetch takes
_REMEMBERED = 1000  # positions of a branch


def fetch(checkout: Checkout, remote: str, *options: str) -> None:
    """Fetch all that the remote is configured for. Raises HermesError."""
    fetched = checkout.fetch(*options, remote)
    if not fetched.ok:
        raise _unreachable(checkout, remote, fetched)


def fetch_ref(checkout: Checkout, remote: str, ref: str, *options: str) -> str | None:
    """Fetch one ref by its whole name. Return its commit, or None if the remote has no such ref. Raises HermesError."""
    if checkout.line("check-ref-format", ref) is None:
        return None
    spec = f"+{ref}:{_FETCHED}"
    fetched = checkout.fetch(*options, remote, spec)
    if not fetched.ok and "; cannot create 'refs/remotes/" in fetched.err:
        # What an earlier fetch has left, master for one, is in the way of a new name, master/next.
        fetched = checkout.fetch(*options, "--refmap=", remote, spec)
    if fetched.ok:
        commit = checkout.commit(_FETCHED)
        checkout.tell("update-ref", "-d", _FETCHED)
        return commit
    if "couldn't find remote ref" in fetched.err.lower():
        return None
    raise _unreachable(checkout, remote, fetched)


def default_branch(checkout: Checkout, remote: str) -> str | None:
    """Ask the remote for the branch that a new clone would have; None if it does not say."""
    answer = checkout.ask_remote("--symref", remote, "HEAD")
    for line in answer.out.splitlines() if answer.ok else ():
        if line.startswith("ref: refs/heads/") and line.endswith("\tHEAD"):
            return line.removeprefix("ref: refs/heads/").removesuffix("\tHEAD")
    return None


def remembered(checkout: Checkout, remote: str, branch: str) -> tuple[str, ...]:
    """Return where a branch of the remote was at each fetch before, as far as git has kept it."""
    tracking = f"refs/remotes/{remote}/{branch}"
    now = checkout.commit(tracking)
    if now is None:
        return ()
    places = checkout.lines("rev-list", "--walk-reflogs", f"--max-count={_REMEMBERED}", tracking, "--")
    # The first entry of a reflog says where the branch was before it, too; a clone keeps no entry.
    first = checkout.commit(f"{tracking}@{{{len(places)}}}") if places else None
    return tuple(dict.fromkeys(one for one in (now, *places, first) if one))


def _unreachable(checkout: Checkout, remote: str, fetched: Ended) -> HermesError:
    place = printable(checkout.line("config", "--get", f"remote.{remote}.url") or "no address")
    return HermesError(
        f"{remote} ({place}) cannot be fetched from ({fetched.why}): nothing was changed; are you offline?"
    )
