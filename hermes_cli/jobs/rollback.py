"""Roll back the update after which the gateway crashed again and again. Run by name, see `hermes_cli.jobs`."""

from hermes_cli import user_environment
from hermes_cli.errors import exit_code_of
from hermes_cli.paths import resolve
from hermes_cli.restart import wake
from hermes_cli.update.options import Options
from hermes_cli.update.rollback import Rollback
from hermes_cli.update.run import Update


def main(profile: str, update: str, crashes: str) -> int:
    """Roll back that update, if it is the newest, and return the exit code."""

    def run() -> int:
        paths = resolve(profile)
        user_environment.apply_or_say(paths)
        wake.announce(paths)
        back = Rollback(f"gateway, after {crashes} crashes", of=update)
        return Update(paths, Options(back=back)).run()

    return exit_code_of(run)
