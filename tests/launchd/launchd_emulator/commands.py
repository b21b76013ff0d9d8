"""The subcommands of launchctl, by name. Each raises, or answers through its call, now or later."""

from collections.abc import Callable

from launchd_emulator import errors, look_commands, old_commands, service_commands
from launchd_emulator.call import Call, UsageError
from launchd_emulator.errors import Refused
from launchd_emulator.server import Reply

_USAGE = "Usage: launchctl <subcommand> ... | help [subcommand]\n"
_SUBCOMMANDS: dict[str, Callable[[Call, list[str]], None]] = {
    "bootstrap": service_commands.bootstrap,
    "bootout": service_commands.bootout,
    "enable": service_commands.enable,
    "disable": service_commands.disable,
    "kickstart": service_commands.kickstart,
    "kill": service_commands.kill,
    "print": look_commands.print_target,
    "print-disabled": look_commands.print_disabled,
    "list": look_commands.list_services,
    "managername": look_commands.manager_name,
    "version": look_commands.version,
    "load": old_commands.load,
    "unload": old_commands.unload,
    "start": old_commands.start,
    "stop": old_commands.stop,
    "submit": old_commands.submit,
    "remove": old_commands.remove,
}


def run(call: Call) -> None:
    """Carry out one launchctl command."""
    name, *rest = call.arguments or [""]
    subcommand = _SUBCOMMANDS.get(name)
    if subcommand is None:
        call.answer(Reply(errors.USAGE, err=_USAGE))
        return
    try:
        subcommand(call, rest)
    except UsageError:
        call.answer(Reply(errors.USAGE, err=_USAGE))
    except Refused as refused:
        call.answer(Reply(refused.code, err=f"{refused.text}\n" if refused.text else ""))
