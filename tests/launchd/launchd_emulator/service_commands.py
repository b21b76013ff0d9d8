"""bootstrap, bootout, enable, disable, kickstart, kill: the subcommands that change a service."""

import os
import signal

from launchd_emulator import definition, errors
from launchd_emulator.call import Call, UsageError, domain_of, exactly, options, service_of
from launchd_emulator.domain import Domain
from launchd_emulator.errors import Refused, failure_line
from launchd_emulator.job import Job
from launchd_emulator.server import Reply


def bootstrap(call: Call, rest: list[str]) -> None:
    """Answer `bootstrap DOMAIN PLIST…`; a folder stands for its plists."""
    if not rest:
        raise UsageError
    domain = domain_of(call, rest[0])
    code, text = 0, ""
    try:
        domain.require()
    except Refused as refused:
        call.answer(Reply(refused.code, err=failure_line("Bootstrap failed", refused)))
        return
    for path in _plists(call, rest[1:]):
        try:
            domain.load_file(path)
        except Refused as refused:
            code, text = refused.code, text + failure_line("Bootstrap failed", refused)
    call.answer(Reply(code, err=text))


def _plists(call: Call, paths: list[str]) -> list[str]:
    found: list[str] = []
    for path in paths:
        whole = os.path.join(call.directory, path)
        if os.path.isdir(whole):
            found += (os.path.join(whole, name) for name in sorted(os.listdir(whole)) if name.endswith(".plist"))
        else:
            found.append(whole)
    return found


def bootout(call: Call, rest: list[str]) -> None:
    """Answer `bootout DOMAIN/LABEL`, `bootout DOMAIN PLIST…`, or `bootout DOMAIN`, which is a logout."""
    if not rest or rest[0].startswith("-"):
        raise UsageError  # also --wait, which only the newest release has
    try:
        if len(rest) > 1:
            domain = domain_of(call, rest[0])
            domain.require()
            _bootout_labels(call, domain, _labels(call, domain, rest[1:]), "path")
        elif rest[0] in call.core.domains:
            _bootout_domain(call, domain_of(call, rest[0]))
        else:
            domain, label = service_of(call, rest[0])
            domain.require()
            _bootout_labels(call, domain, [label], "label")
    except Refused as refused:
        call.answer(Reply(refused.code, err=failure_line("Boot-out failed", refused)))


def _labels(call: Call, domain: Domain, paths: list[str]) -> list[str]:
    return [definition.read(path, call.core.host.user).label for path in _plists(call, paths)]


def _bootout_domain(call: Call, domain: Domain) -> None:
    domain.require()
    if domain is call.core.gui:
        call.core.logout()
    else:
        raise Refused(errors.UNSUPPORTED)
    call.answer(Reply())


def _bootout_labels(call: Call, domain: Domain, labels: list[str], form: str) -> None:
    if any(label not in domain.jobs for label in labels):
        raise Refused(errors.NO_SUCH_PROCESS)
    knobs = call.core.host.knobs
    jobs = [domain.jobs[label] for label in labels]
    fresh = [job for job in jobs if not job.removing]
    left = {job.label for job in fresh}
    blocks = bool(fresh) and knobs.bootout_client_blocks in {form, "both"}
    code = 0 if len(fresh) == len(jobs) else knobs.second_bootout_rc
    if knobs.bootout_rc and any(job.run is not None and knobs.hits(job.label) for job in fresh):
        code = knobs.bootout_rc
    reply = Reply(code, err=failure_line("Boot-out failed", Refused(code)) if code else "")

    def removed(job: Job) -> None:
        left.discard(job.label)
        if blocks and not left:
            call.answer(reply)

    for job in fresh:
        call.core.host.trace.add("bootout", job.label, pid=job.pid, domain=domain.name, form=form)
        job.remove("bootout", removed)
    if not blocks:
        call.answer(reply)


# --- enable, disable, kickstart, kill


def enable(call: Call, rest: list[str]) -> None:
    """Answer `enable DOMAIN/LABEL`, which starts nothing."""
    domain, label = service_of(call, *exactly(rest, 1))
    domain.override(label, disabled=False)
    call.answer(Reply())


def disable(call: Call, rest: list[str]) -> None:
    """Answer `disable DOMAIN/LABEL`, which stops nothing."""
    domain, label = service_of(call, *exactly(rest, 1))
    domain.override(label, disabled=True)
    call.answer(Reply())


def kickstart(call: Call, rest: list[str]) -> None:
    """Answer `kickstart [-k] [-p] DOMAIN/LABEL`."""
    chosen, rest = options(rest, "kp")
    domain, label = service_of(call, *exactly(rest, 1))
    host = call.core.host

    def refuse(refused: Refused) -> None:
        if refused.code == errors.NO_SERVICE or not refused.text:
            text = f"{refused.text}\n" if refused.text else ""
        else:
            text = failure_line(f'Could not kickstart service "{label}"', refused)
        call.answer(Reply(refused.code, err=text))

    def done(refused: Refused | None) -> None:
        if refused is not None:
            refuse(refused)
            return
        pid = domain.jobs[label].pid if label in domain.jobs else None
        line = "" if "p" not in chosen or pid is None else f"{pid}\n"
        call.answer(Reply(out=f"service spawned with pid: {line}" if line and call.terminal else line))

    def act() -> None:
        try:
            domain.require()
            domain.job(label).kickstart(done, kill="k" in chosen)
        except Refused as refused:
            refuse(refused)

    once = host.knobs.kickstart_rc_once
    hang = host.knobs.hang_of(label)
    if once is not None and host.knobs.hits(label):
        host.change(kickstart_rc_once=None)
        refuse(_kickstart_refusal(domain, label, once))
    elif hang > 0:
        host.trace.add("hang", label, domain=domain.name, effect=host.knobs.kickstart_hang_effect)
        host.later(hang, act if host.knobs.kickstart_hang_effect == "done-late" else lambda: done(None))
    else:
        act()


def _kickstart_refusal(domain: Domain, label: str, code: int) -> Refused:
    texts = {
        errors.ALREADY: "",
        errors.NO_SERVICE: f'Could not find service "{label}" in domain for {domain.described}',
    }
    return Refused(code, texts.get(code))


def kill(call: Call, rest: list[str]) -> None:
    """Answer `kill SIGNAL DOMAIN/LABEL`."""
    name, target = exactly(rest, 2)
    number = _signal(name)
    domain, label = service_of(call, target)
    domain.require()
    domain.job(label).signal(number, "kill")
    call.answer(Reply())


def _signal(name: str) -> int:
    if name.isdigit() and int(name) in set(signal.Signals):
        return int(name)
    try:
        return signal.Signals[name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"]
    except KeyError:
        raise UsageError from None
