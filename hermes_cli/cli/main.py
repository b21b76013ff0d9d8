"""The command tree: each command's module is imported when it is called, a wrong line becomes one line and an exit code."""

import importlib
import sys

import click

from hermes_cli import __version__
from hermes_cli.errors import called
from hermes_cli.system.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Words that people type for an option.
_OPTIONS = {"version": "--version", "help": "--help"}


class LazyGroup(click.Group):
    """A group whose commands are named `name: (module, attribute, one line)` and imported on use."""

    def __init__(self, *args: object, lazy: dict[str, tuple[str, str, str]], **kwargs: object) -> None:
        """`lazy` in the order of --help."""
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # click's own keyword arguments
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click asks with it
        """Names in the order they were given, without second names, which have no line."""
        return [name for name, (_, _, text) in self._lazy.items() if text]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click asks with it
        """Import the command now and return it."""
        if cmd_name not in self._lazy:
            return None
        module, attribute, _ = self._lazy[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands that begin so, without importing them, or the group's options."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=text)
            for name, (_, _, text) in self._lazy.items()
            if text and name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or name those that look like what was typed. Raises click.UsageError."""
        typed = args[0]
        if typed not in self._lazy and not typed.startswith("-"):
            from difflib import get_close_matches

            close = [_OPTIONS[typed]] if typed in _OPTIONS else get_close_matches(typed, self._lazy, n=2, cutoff=0.5)
            if not close and self._lazy is _TOP:
                close = [f"gateway {one}" for one in get_close_matches(typed, _GATEWAY, n=1, cutoff=0.7)]
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            ctx.fail(f"No such command {typed!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  click asks with it
        """Write the list without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self._lazy.items() if text])


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
    "list": ("hermes_cli.cli.list_", "list_", "Show every profile's gateway at a glance."),
    "ls": ("hermes_cli.cli.list_", "list_", ""),
    "status": ("hermes_cli.cli.status", "status", "Show service, instance, restarter and pending intents."),
    "starts": ("hermes_cli.cli.starts", "starts_", "Show when the gateway was started, why, and how each run ended."),
    "dashboard": ("hermes_cli.cli.dashboard", "dashboard", "Show every profile in the browser, live."),
    "intents": ("hermes_cli.cli.main", "intents", "The queue of restart intents."),
    "logs": ("hermes_cli.cli.logs", "logs", "Show the gateway's log."),
    "notify": ("hermes_cli.cli.notify", "notify", "Tell outcomes to the command of [notify] now."),
    "adopt": ("hermes_cli.cli.adopt", "adopt", "Keep another program's gateway alive beside its own service."),
    "release": ("hermes_cli.cli.adopt", "release", "Stop keeping an adopted gateway alive."),
    "probe": ("hermes_cli.cli.probe", "probe", "Say whether the gateway is live or ready."),
    "metrics": ("hermes_cli.cli.metrics", "metrics", "Print figures for Prometheus."),
    "doctor": ("hermes_cli.cli.doctor", "doctor", "Check what can keep a restart from happening."),
}
_CONFIG = {
    "get": ("hermes_cli.cli.config", "get", "Print the value of a setting."),
    "set": ("hermes_cli.cli.config", "set_", "Write a setting; comments and the rest stay as they are."),
    "unset": ("hermes_cli.cli.config", "unset", "Take a setting out; its default holds."),
    "validate": ("hermes_cli.cli.config", "validate", "Say whether config.toml is right, and where it is not."),
    "path": ("hermes_cli.cli.config", "path", "Print where config.toml is."),
    "show": ("hermes_cli.cli.config", "show", "Show every setting with its value."),
}
_PAIRING = {
    "list": ("hermes_cli.cli.pairing", "list_", "Show who was let in by a code, and who waits for it."),
    "approve": ("hermes_cli.cli.pairing", "approve", "Let in whom the bot has told this code."),
    "revoke": ("hermes_cli.cli.pairing", "revoke", "End what somebody may who was let in by a code."),
}
_TOP = {
    "gateway": ("hermes_cli.cli.main", "gateway", "The gateway service."),
    "update": ("hermes_cli.cli.update", "update", "Update the installation and restart the gateway."),
    "chat": ("hermes_cli.cli.chat", "chat", "Talk to the gateway."),
    "config": ("hermes_cli.cli.main", "config", "The settings in config.toml."),
    "pairing": ("hermes_cli.cli.main", "pairing", "Who may write to the bot by a code."),
    "completion": ("hermes_cli.cli.completion", "completion", "Print what makes a shell complete commands."),
}
_ASKS_FOR_HELP = getattr(click.exceptions, "NoArgsIsHelpError", ())  # click 8.1 shows the help itself
_SETTINGS = {"help_option_names": ["-h", "--help"]}

intents = LazyGroup("intents", lazy=_INTENTS, help="The queue of restart intents.", context_settings=_SETTINGS)
config = LazyGroup("config", lazy=_CONFIG, help="The settings in config.toml.", context_settings=_SETTINGS)
pairing = LazyGroup("pairing", lazy=_PAIRING, help="Who may write to the bot by a code.", context_settings=_SETTINGS)
gateway = LazyGroup("gateway", lazy=_GATEWAY, help="The gateway service.", context_settings=_SETTINGS)


@click.group(cls=LazyGroup, lazy=_TOP, context_settings=_SETTINGS)
@click.option("-p", "--profile", metavar="NAME", help="The profile to act on.  [env: HERMES_PROFILE]")
@click.version_option(__version__, "-V", "--version", prog_name="hermes")
@click.pass_context
def hermes(context: click.Context, profile: str | None) -> None:
    """Run a chat gateway as a user service, with a restart that is never lost."""
    from hermes_cli.paths import resolve

    context.obj = resolve(profile)


def run(profile: str | None, words: list[str]) -> int:
    """Run one command line, as `line` has taken it apart; the exit code. Raises HermesError."""
    named = [] if profile is None else ["--profile", profile]
    try:
        result = hermes.main([*named, *words], prog_name=called(), standalone_mode=False)
    except click.ClickException as error:
        if isinstance(error, _ASKS_FOR_HELP):
            print(error.format_message())
            return 0
        print(f"{called()}: {printable(_one_line(error))}", file=sys.stderr)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except SystemExit:
        if type(sys.stdout).__module__ == "click.utils":  # its way with a reader that has gone: something quiet there
            return 141
        raise
    return result if isinstance(result, int) else 0


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text}: see {context.command_path} --help" if context is not None else text
