"""What the distribution is called: `hermes-gateway`, and `hermes-cli` in what release 0.1.0 has installed.

`hermes-cli` on the public index is somebody else's. It is asked for only where an index of one's own is configured.
"""

NAME, FORMER = "hermes-gateway", "hermes-cli"
NAMES = (NAME, FORMER)


def version_in(plan: dict[str, str]) -> str | None:
    """Return the version of hermes, by whichever name, among the versions by name; None when it is not there."""
    return plan.get(NAME) or plan.get(FORMER)
