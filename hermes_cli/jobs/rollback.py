"""Roll back the update after which the gateway crashed again and again. Run by name, see `hermes_cli.jobs`."""


def main(profile: str, update: str, crashes: str) -> int:
    """Roll that update back; the exit code."""
    from hermes_cli.cli.main import run

    return run(["-p", profile, "update", "--rollback", "--after-crashes", update, crashes])
