"""Whether an adopted program is on this machine as its program file says: its home, its files, its probes, its hook."""

import os
import shlex
from collections.abc import Iterator

from hermes_cli.errors import Advice, Problem
from hermes_cli.programs import probes, program_file
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.services.adopted import code, hook
from hermes_cli.services.adopted.base import Adopted
from hermes_cli.system import durable


def problems(program: DeclaredProgram, manager: Adopted) -> Iterator[Problem]:
    """Find each fact of the program file that does not hold here."""
    adoption = program.adoption
    name = adoption.program
    if not os.path.isdir(adoption.home):
        text = f"{name}'s home {adoption.home} is not there"
        yield Problem("adopted-home", text, Advice("start it once, or hermes gateway release"))
        return
    for place in dict.fromkeys(os.path.dirname(path) for path in program.files()):
        if not os.path.isdir(place):
            yield Problem(
                "adopted-files", f"{place} is not there, in which {name} should write", Advice("start it once")
            )
    yield from code_problems(adoption)
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


def code_problems(adoption: Adoption) -> Iterator[Problem]:
    """Find out whether what its definition runs is there."""
    if (why := code.missing(adoption)) is not None:
        mend = Advice(f"install {adoption.program} again, or hermes gateway release")
        yield Problem("adopted-program", f"{adoption.definition} {why}", mend)


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
