"""pip, pipx and uv: find which of them keeps this environment, ask what it would install, and have it install that."""

import dataclasses
import importlib.util
import json
import os
import re
import sys
from dataclasses import dataclass

from hermes_cli.config import UpdateConfig
from hermes_cli.environment import scrubbed
from hermes_cli.errors import HermesError
from hermes_cli.system import durable
from hermes_cli.system.command import Ended, run
from hermes_cli.update import output

LOOK_TIMEOUT, TIMEOUT = 300.0, 900.0
_PLANNED = re.compile(r"^ \+ ([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Installer:
    """The installer of one environment. `name`: which program installed hermes there."""

    name: str
    python: str
    prefix: str
    keep: tuple[int, ...] = ()

    @property
    def _speaks_uv(self) -> bool:
        """Whether it takes the options of uv: pipx passes them to the back end that it names in this environment."""
        if self.name != "pipx":
            return self.name == "uv"
        return (durable.read_json(f"{self.prefix}/pipx_metadata.json") or {}).get("backend") == "uv"

    def plan(self, requirement: str, config: UpdateConfig, *, pre: bool) -> dict[str, str]:
        """Return what the requirement would bring, new or changed: versions by name. Raises HermesError."""
        if config.find_links and "://" not in config.find_links and not os.path.exists(config.find_links):
            # pip passes over it in a warning, and finds that nothing is new.
            raise HermesError(
                f"update.find_links: {config.find_links} is not there: nothing was changed; hermes config path"
            )
        if self._speaks_uv:
            name = re.split(r"[\[=]", requirement, maxsplit=1)[0]
            done = self._run(["--dry-run", f"--upgrade-package={name}"], [_any(requirement)], config, pre=pre)
        else:
            options = ["--dry-run", "--quiet", "--report", "-", "--upgrade"]
            done = self._run(options, [_any(requirement)], config, pre=pre)
        if not done.ok:
            where = config.index or config.find_links or "the index"
            offline = "" if config.find_links and not config.index else "; are you offline?"
            raise HermesError(f"{where} has no {requirement} for us ({done.why}): nothing was changed{offline}")
        if self._speaks_uv:
            found = _PLANNED.findall(done.err)
        else:
            try:
                found = [
                    (one["metadata"]["name"], one["metadata"]["version"]) for one in json.loads(done.out)["install"]
                ]
            except (ValueError, KeyError, TypeError) as error:
                raise HermesError(f"{self.name} answers nonsense ({error!r}): update it and repeat") from None
        return {canonical(name): str(version) for name, version in found}

    def install(self, plan: dict[str, str], config: UpdateConfig) -> Ended:
        """Install exactly these versions."""
        pins = [f"{name}=={version}" for name, version in sorted(plan.items())]
        # A pinned pre-release is taken as it is by pip; uv wants to be told.
        return self._run(["--quiet", "--no-deps"], pins, config, pre=self._speaks_uv)

    def install_project(self, project: str, extras: str, *, editable: bool) -> Ended:
        """Install what is in a directory, with the extras in brackets. Raises HermesError."""
        target = [*(["-e"] if editable else []), f"{project}{extras}"]
        return self._run(["--quiet"], target, UpdateConfig(), pre=False)

    def _run(self, options: list[str], requirements: list[str], config: UpdateConfig, *, pre: bool) -> Ended:
        where = []
        if config.index:
            where += ["--index-url", config.index]
        if config.find_links:
            where += ["--find-links", config.find_links, *([] if config.index else ["--no-index"])]
        environment = scrubbed() | {"LC_ALL": "C"}
        if self.name == "pipx":
            argv = [_program("pipx"), "runpip", _other_form(os.path.basename(self.prefix)), "install"]
            environment["PIPX_HOME"] = os.path.dirname(os.path.dirname(self.prefix))
        elif self.name == "uv":
            argv = [_program("uv"), "pip", "install", "--python", self.python]
        else:
            argv = [self.python, "-m", "pip", "install"]
        if self._speaks_uv:
            options = [*options, *(["--prerelease=allow"] if pre else [])]
        else:
            options = [*options, "--disable-pip-version-check", "--no-input", *(["--pre"] if pre else [])]
        # A dry run shares no lock: its updater may die while it waits for a silent network.
        timeout, keep = (LOOK_TIMEOUT, ()) if "--dry-run" in options else (TIMEOUT, self.keep)
        try:
            done = run([*argv, *options, *where, *requirements], timeout, environment=environment, keep=keep)
        except FileNotFoundError:
            raise HermesError(f"{argv[0]} is not there: install it and repeat") from None
        return output.kept(f"{self.name} install", done)


# hermes-agent takes a process for one of its gateways, and ends it with its own update, if a word of its command line is
# `hermes-gateway`, also behind a slash (gateway/status.py of 0.19.0). So no command of ours has that word alone.


def _any(requirement: str) -> str:
    """Return a requirement that names no version as one that takes any."""
    return requirement if re.search(r"[\[=<>~!]", requirement) else f"{requirement}>=0"


def _other_form(name: str) -> str:
    """Return the name of an environment as pipx understands it, too (PEP 503: "-" and "_" are alike)."""
    return name.replace("-", "_")


def find(installed_by: str, keep: tuple[int, ...]) -> Installer:
    """Return who keeps this environment. `installed_by`: what the distribution's INSTALLER file says."""
    prefix, name = sys.prefix, "pip"
    if os.path.exists(f"{prefix}/pipx_metadata.json"):
        name = "pipx"
    elif installed_by == "uv" or os.path.exists(f"{prefix}/uv-receipt.toml"):
        name = "uv"
    return Installer(name, sys.executable, prefix, keep)


def for_project(installed_by: str, keep: tuple[int, ...]) -> Installer:
    """Return who can install a checkout in this environment: who made it, else another who can. Raises HermesError.

    An environment of uv has no pip, and uv may be gone from one that has.
    """
    found, has_pip = find(installed_by, keep), importlib.util.find_spec("pip") is not None
    if found.name == "pip" and not has_pip:
        if _which("uv") is None:
            raise HermesError(f"{found.prefix} has no pip, and uv is not on PATH: {found.python} -m ensurepip")
        return dataclasses.replace(found, name="uv")
    if found.name != "pip" and _which(found.name) is None and has_pip:
        return dataclasses.replace(found, name="pip")
    return found


def canonical(name: str) -> str:
    """Return the one spelling of a distribution's name that all its spellings have in common (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _program(name: str) -> str:
    found = _which(name)
    if found is None:
        raise HermesError(f"hermes was installed with {name}, which is not on PATH: put it there and repeat")
    return found


def _which(name: str) -> str | None:
    import shutil  # with three compressors; every driver imports this module, and few install anything

    return shutil.which(name)
