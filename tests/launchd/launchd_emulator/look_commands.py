"""print, print-disabled, list, managername, version: the subcommands that change nothing."""

from launchd_emulator import errors, render
from launchd_emulator.call import Call, domain_of, exactly, service_of
from launchd_emulator.domain import Domain
from launchd_emulator.errors import Refused
from launchd_emulator.server import Reply

VERSION = "launchd emulator, after Darwin Bootstrapper Control Interface Version 7.0.0"


def print_target(call: Call, rest: list[str]) -> None:
    """Answer `print DOMAIN` or `print DOMAIN/LABEL`."""
    target = exactly(rest, 1)[0]
    try:
        if target == "system" or (target.count("/") == 1 and not target.startswith("system/")):
            call.answer(Reply(out=_print_domain(domain_of(call, target))))
        else:
            domain, label = service_of(call, target)
            _require_visible(domain)
            noise = call.core.host.knobs.print_noise
            call.answer(Reply(out=render.with_noise(render.service(domain.job(label)), noise)))
    except Refused as refused:
        call.answer(Reply(refused.code, err=f"Bad request.\n{refused.text}\n"))


def _print_domain(domain: Domain) -> str:
    _require_visible(domain)
    return render.domain(domain.name, list(domain.jobs.values()), domain.disabled())


def _require_visible(domain: Domain) -> None:
    if domain.state == "absent":
        raise Refused(errors.NO_DOMAIN, f"Could not find domain for {domain.described}")


def print_disabled(call: Call, rest: list[str]) -> None:
    """Answer `print-disabled DOMAIN`."""
    call.answer(Reply(out=render.disabled(domain_of(call, *exactly(rest, 1)).disabled())))


def list_services(call: Call, rest: list[str]) -> None:
    """Answer `list [LABEL]`."""
    domain = call.core.session_domain()
    if not rest:
        call.answer(Reply(out=render.table(list(domain.jobs.values()))))
        return
    label = exactly(rest, 1)[0]
    if label not in domain.jobs:
        raise Refused(errors.NO_SERVICE, f'Could not find service "{label}" in domain for port')
    call.answer(Reply(out=render.dictionary(domain.jobs[label])))


def manager_name(call: Call, rest: list[str]) -> None:
    """Answer `managername`."""
    exactly(rest, 0)
    call.answer(Reply(out=f"{call.core.session_domain().session}\n"))


def version(call: Call, rest: list[str]) -> None:
    """Answer `version`."""
    call.answer(Reply(out=f"{VERSION}\n"))
