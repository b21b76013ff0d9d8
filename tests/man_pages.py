"""Write docs/man/hermes.1 and hermesctl.1 from the command line itself: `python tests/man_pages.py`.

The wheel installs them below share/man; tests/unit/test_man_pages.py sees that they are what this writes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import click

from hermes_cli import __version__
from hermes_cli.cli.main import hermes

FOLDER = Path(__file__).parent.parent / "docs" / "man"
HEAD = f"""\
.\\" Written by tests/man_pages.py.
.TH HERMES 1 "" "hermes {__version__}" "User Commands"
.SH NAME
hermes, hermesctl \\- run a chat gateway as a user service, with a restart that is never lost
.SH SYNOPSIS
.B hermes
[\\fB\\-p\\fR \\fINAME\\fR] \\fICOMMAND\\fR [\\fIOPTION\\fR]...
.SH DESCRIPTION
A chat gateway that systemd, launchd or a supervisor of its own keeps running, is updated, and is restarted on request: also when
the request comes from inside it. A request is a record on the disk before anything is touched; whoever comes by next finishes it.
.PP
\\fB\\-p\\fR \\fINAME\\fR, the profile to act on, may stand anywhere. \\fBhermesctl\\fR is the same program.
.SH COMMANDS
"""
TAIL = """\
.SH ENVIRONMENT
.TP
.B HERMES_HOME
The directory of state, configuration and logs; else the platform's own.
.TP
.B HERMES_PROFILE
The profile, where \\fB\\-p\\fR names none.
.TP
.B HERMES_SERVICE_MANAGER
auto, launchd, systemd or embedded: what \\fBinstall\\fR takes.
.SH EXIT STATUS
0 done or recorded; 1 failed; 2 usage; 3 the gateway does not run; 4 the service is not installed; 5 cannot tell; 75 try again later;
78 the configuration is wrong.
.SH SEE ALSO
.BR systemctl (1),
.BR launchctl (1)
"""


def pages() -> dict[str, str]:
    """Return the text of each page by its name."""
    commands = "".join("".join(_command(path, found)) for path, found in _commands(hermes, "hermes"))
    return {"hermes.1": HEAD + commands + TAIL, "hermesctl.1": ".so man1/hermes.1\n"}


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from _commands(found, f"{path} {name}")
        elif not found.hidden:
            yield f"{path} {name}", found


def _command(path: str, command: click.Command) -> Iterator[str]:
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    context = click.Context(command)
    yield f".SS {_said(' '.join([path, *(one.make_metavar(context) for one in arguments)]))}\n"
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        yield f"{'.PP' if number else ''}\n{_said(' '.join(paragraph.split()))}\n".lstrip("\n")
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            value = "" if option.is_flag else f" \\fI{_said(option.make_metavar(context))}\\fR"
            names = ", ".join(f"\\fB{_said(name)}\\fR" for name in option.opts)
            yield f".TP\n{names}{value}\n{_said(option.help or '')}\n"


def _said(text: str) -> str:
    """Return text in which roff sees nothing of its own."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="ascii")
