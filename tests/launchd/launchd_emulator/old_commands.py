"""load, unload, start, stop, submit, remove: the old subcommands, which name no domain."""

import getopt
import os

from launchd_emulator import definition, errors
from launchd_emulator.call import Call, UsageError, exactly, options
from launchd_emulator.errors import Refused, failure_line
from launchd_emulator.job import Job
from launchd_emulator.server import Reply


def load(call: Call, rest: list[str]) -> None:
    """Answer `load [-w] PLIST…`: bootstrap, with exit code 0 in any case."""
    chosen, paths = options(rest, "wF")
    domain = call.core.session_domain()
    text = ""
    for path in _whole(call, paths):
        try:
            domain.require()
            if "w" in chosen:
                domain.override(definition.read(path, call.core.host.user).label, disabled=False)
            domain.load_file(path)
        except Refused as refused:
            text += f"{path}: {failure_line('Load failed', refused)}"
    call.answer(Reply(err=text))


def unload(call: Call, rest: list[str]) -> None:
    """Answer `unload [-w] PLIST…`: bootout, with exit code 0 in any case."""
    chosen, paths = options(rest, "wF")
    domain = call.core.session_domain()
    text = ""
    for path in _whole(call, paths):
        try:
            label = definition.read(path, call.core.host.user).label
            if "w" in chosen:
                domain.override(label, disabled=True)
            domain.require_loaded(label, errors.IO_ERROR).remove("unload")
        except Refused as refused:
            text += f"{path}: {failure_line('Unload failed', refused)}"
    call.answer(Reply(err=text))


def start(call: Call, rest: list[str]) -> None:
    """Answer `start LABEL`: start on demand."""
    _loaded(call, rest).demand("start")
    call.answer(Reply())


def stop(call: Call, rest: list[str]) -> None:
    """Answer `stop LABEL`: the job stays loaded, and KeepAlive starts it again."""
    _loaded(call, rest).stop("stop")
    call.answer(Reply())


def remove(call: Call, rest: list[str]) -> None:
    """Answer `remove LABEL`."""
    _loaded(call, rest).remove("remove")
    call.answer(Reply())


def submit(call: Call, rest: list[str]) -> None:
    """Answer `submit -l LABEL [-p PROGRAM] [-o PATH] [-e PATH] [--] COMMAND…`: kept alive until removed."""
    try:
        pairs, arguments = getopt.getopt(rest, "l:p:o:e:")
    except getopt.GetoptError:
        raise UsageError from None
    given = dict(pairs)
    if "-l" not in given or not (arguments or "-p" in given):
        raise UsageError
    domain = call.core.session_domain()
    domain.require()
    made = definition.submitted(given["-l"], arguments, given.get("-p"), given.get("-o"), given.get("-e"))
    domain.load(made)
    call.answer(Reply())


def _loaded(call: Call, rest: list[str]) -> Job:
    return call.core.session_domain().require_loaded(exactly(rest, 1)[0], errors.NO_SUCH_PROCESS)


def _whole(call: Call, paths: list[str]) -> list[str]:
    if not paths:
        raise UsageError
    return [os.path.join(call.directory, path) for path in paths]
