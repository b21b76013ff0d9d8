"""The command tree: each command's module is imported when it is called, errors become one line and an exit code."""

import importlib
import sys

import click

from hermes_cli import __version__
from hermes_cli.errors import HermesError, exit_code_of

# What is started while a restart goes on, or is itself the driver, must not look for one.
_NO_LOOK = ({"gateway", "run"}, {"gateway", "intents", "drive"})
# What says itself that the installed code is not the code that runs, or is about to end that.
_SAYS_SKEW_ITSELF = (
    {"update"},
    {"gateway", "status"},
    {"gateway", "doctor"},
    {"gateway", "restart"},
    {"gateway", "stop"},
    {"--version"},
    {"--help"},
    {"-h"},
)


class LazyGroup(click.Group):
    """A group whose commands are named `name: (module, attribute, one line)` and imported on use."""

    def __init__(self, *args: object, lazy: dict[str, tuple[str, str, str]], **kwargs: object) -> None:
        """`lazy` in the order of --help."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own keyword arguments
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click asks with it
        """Names in the order they were given."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click asks with it
        """Import the command now and return it."""
        if cmd_name not in self._lazy:
            return None
        module, attribute, _ = self._lazy[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click asks with it
        """Write the list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self._lazy.items()])


_INTENTS = {
    "list": ("hermes_cli.cli.intents", "list_", "Show the queue, settled intents too."),
    "show": ("hermes_cli.cli.intents", "show", "Show one intent."),
    "cancel": ("hermes_cli.cli.intents", "cancel", "Dismiss a pending intent."),
    "retry": ("hermes_cli.cli.intents", "retry", "Ask again for what a settled intent asked."),
    "drive": ("hermes_cli.cli.intents", "drive", "Run a driver now."),
}
_GATEWAY = {
    "run": ("hermes_cli.cli.gateway", "run", "Run the gateway in the foreground."),
    "install": ("hermes_cli.cli.service", "install", "Install the service, start it, wait until it is ready."),
    "uninstall": ("hermes_cli.cli.service", "uninstall", "Stop the service and remove it."),
    "start": ("hermes_cli.cli.service", "start", "Start the service."),
    "stop": ("hermes_cli.cli.service", "stop", "Stop the service; pending restarts are cancelled."),
    "restart": ("hermes_cli.cli.restart", "restart", "Restart the gateway, also from inside it."),
    "status": ("hermes_cli.cli.status", "status", "Show service, instance, restarter and pending intents."),
    "intents": ("hermes_cli.cli.main", "intents", "The queue of restart intents."),
    "logs": ("hermes_cli.cli.logs", "logs", "Show the gateway's log."),
    "doctor": ("hermes_cli.cli.doctor", "doctor", "Check what can keep a restart from happening."),
}
_TOP = {
    "gateway": ("hermes_cli.cli.main", "gateway", "The gateway service."),
    "update": ("hermes_cli.cli.update", "update", "Update the installation and restart the gateway."),
    "chat": ("hermes_cli.cli.chat", "chat", "Talk to the gateway."),
}
_SETTINGS = {"help_option_names": ["-h", "--help"]}

intents = LazyGroup("intents", lazy=_INTENTS, help="The queue of restart intents.", context_settings=_SETTINGS)
gateway = LazyGroup("gateway", lazy=_GATEWAY, help="The gateway service.", context_settings=_SETTINGS)


@click.group(cls=LazyGroup, lazy=_TOP, context_settings=_SETTINGS)
@click.option("-p", "--profile", metavar="NAME", help="The profile to act on.  [env: HERMES_PROFILE]")
@click.version_option(__version__, prog_name="hermes")
@click.pass_context
def hermes(context: click.Context, profile: str | None) -> None:
    """Run a chat gateway as a user service, with a restart that is never lost."""
    from hermes_cli.paths import resolve

    context.obj = resolve(profile)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code."""
    if sys.platform == "win32":
        print("hermes: Windows is not supported: run it inside WSL", file=sys.stderr)
        return 1
    _look(arguments)
    return exit_code_of(lambda: _command(arguments))


def _command(arguments: list[str]) -> int:
    try:
        result = hermes.main(arguments, prog_name="hermes", standalone_mode=False)
    except click.ClickException as error:
        print(f"hermes: {_one_line(error)}", file=sys.stderr)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    return result if isinstance(result, int) else 0


def _one_line(error: click.ClickException) -> str:
    text = error.format_message().replace("\n", " ").rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text}: see {context.command_path} --help" if context is not None else text


def _look(arguments: list[str]) -> None:
    """Take the look at pending/ that comes before every command; it must never keep a command from working."""
    words = set(arguments)
    if any(without <= words for without in _NO_LOOK):
        return
    from hermes_cli.paths import resolve
    from hermes_cli.restart.wake import announce

    try:
        paths = resolve(_profile(arguments))
        if announce(paths) or any(one <= words for one in _SAYS_SKEW_ITSELF):
            return
        from hermes_cli.restart import skew

        line = skew.line(paths)
    except (HermesError, OSError):
        return  # the command itself meets the same cause and says it
    if line is not None:
        print(f"hermes: {line}", file=sys.stderr)


def _profile(arguments: list[str]) -> str | None:
    for index, argument in enumerate(arguments):
        if argument in {"-p", "--profile"} and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--profile="):
            return argument.partition("=")[2]
        if argument.startswith("-p"):
            return argument[2:]
        if not argument.startswith("-"):
            return None
    return None
