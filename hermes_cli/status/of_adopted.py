"""Whether an adopted program is on this machine as its program file says: its home, its files, its probes, its hook."""

import os
import re
import shlex
from collections.abc import Iterator

from hermes_cli.environment import scrubbed
from hermes_cli.errors import Advice, Problem
from hermes_cli.programs import probes, program_file
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.services.adopted import hook
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.system import durable
from hermes_cli.system.command import run

_ASK = 10.0  # seconds for an interpreter to say whether it has a module
_IS_THERE = (
    "import importlib.util as u, sys\ntry: sys.exit(u.find_spec(sys.argv[1]) is None)\nexcept ImportError: sys.exit(1)"
)


def problems(program: DeclaredProgram, manager: Adopted) -> Iterator[Problem]:
    """Find each fact of the program file that does not hold here."""
    adoption = program.adoption
    name = adoption.program
    if not os.path.isdir(adoption.home):
        text = f"{name}'s home {adoption.home} is not there"
        yield Problem("adopted-home", text, Advice(f"{again(program)} with --home DIR"))
        return
    for place in dict.fromkeys(os.path.dirname(path) for path in program.files()):
        if not os.path.isdir(place):
            yield Problem(
                "adopted-files", f"{place} is not there, in which {name} should write", Advice("start it once")
            )
    yield from code_problems(program)
    view = manager.view()
    if view.disabled:
        yield Problem("adopted-disabled", f"{adoption.name} is disabled in {manager.name}", Advice("enable it there"))
    running = program.observe()
    if view.running is not None and running is None:
        text = f"{manager.name} runs {adoption.name} as pid {view.running}, and its files do not say so"
        yield Problem("adopted-undescribed", text, Advice("hermes gateway doctor, in a while"))
    ready = program.file.get("instance", "ready")
    if running is not None and isinstance(ready, dict) and "alive_for" not in ready:
        answer = probes.ask(ready, adoption.fill)
        if not answer.holds:
            yield Problem("adopted-probe", f"its probe does not hold: {answer.why}", Advice("see its own log"))
    yield from _of_hook(program, manager)


def code_problems(program: DeclaredProgram) -> Iterator[Problem]:
    """Find out whether what its definition runs is there: its interpreter is asked for the module."""
    adoption = program.adoption
    python, module = adoption.values.get("python"), _module(durable.read_text(adoption.definition) or "")
    mend = Advice(f"install {adoption.program} again, or hermes gateway release")
    if python is None:
        return
    if not os.path.exists(python):
        yield Problem("adopted-program", f"{adoption.definition} runs {python}, which is not there", mend)
    elif module is not None and run([python, "-P", "-c", _IS_THERE, module], _ASK, environment=scrubbed()).code == 1:
        yield Problem("adopted-program", f"{adoption.definition} runs {module}, and {python} has no such module", mend)


def _module(definition: str) -> str | None:
    """Return what `-m` names in a plist or a unit."""
    found = re.search(r"(?:<string>-m</string>\s*<string>|\s-m\s+)([\w.]+)", definition)
    return found[1] if found else None


def _of_hook(program: DeclaredProgram, manager: Adopted) -> Iterator[Problem]:
    running = program.observe()
    for path, text in hook.files(program.adoption, program.file, manager.demand_start_of_resident()).items():
        if durable.read_text(path) != text:
            yield Problem("adopted-hook", f"the hook {path} is not as it was written", again(program))
            return
    if running is not None and hook.is_newer(program.adoption, program.file, running.started_at):
        place = hook.folder(program.adoption, program.file)
        older = f"pid {running.identity.pid} is older than the hook {place} and has not loaded it"
        yield Problem("adopted-hook", older, Advice("nothing: it is loaded at its next start"))


def again(program: DeclaredProgram) -> str:
    """Return the command that adopts it anew, as it is adopted now."""
    adoption = program.adoption
    is_known = adoption.program in program_file.BUILT_IN
    words = ["hermes", "gateway", "adopt", adoption.program if is_known else program.path]
    words += ["--as", program.profile, "--home", adoption.home, "--unloaded", adoption.unloaded]
    return shlex.join(words if adoption.hook else [*words, "--no-hook"])
