"""Wheels in an environment of pip, pipx or uv as a source of updates. The way back needs no network."""

import dataclasses
import os
from typing import Any, Self

from hermes_cli.config import UpdateConfig
from hermes_cli.errors import HermesError
from hermes_cli.installation import origin
from hermes_cli.system.command import printable
from hermes_cli.update import proof
from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources.names import FORMER, NAME, NAMES, version_in
from hermes_cli.update.sources.wheel import distributions, extras
from hermes_cli.update.sources.wheel.installers import Installer, find


class SitePackages:
    """The environment that hermes is installed in.

    `journal.notes`: `plan`, the versions that the update brings, by name. A rollback has also `taken`, the versions
    that it removes, and `kept`, the directory of the files that it brings back.
    """

    kind = "wheel"

    def __init__(self, site: str, installer: Installer, config: UpdateConfig, tables: frozenset[str]) -> None:
        """`tables` are the names of those in config.toml: an extra is kept if one is called like it."""
        self.place = site
        self._tables = tables
        self._installer = installer
        self._config = config

    @classmethod
    def look(cls, config: UpdateConfig, tables: frozenset[str], keep: tuple[int, ...]) -> Self | None:
        """Return the environment of the installed package, or None if no installer put it there. Raises HermesError."""
        site = os.path.dirname(origin.package())
        found = [info for _, _, info in distributions.ours(site)]
        if not found or not distributions.recorded(site, found[0]):
            return None
        place = distributions.direct_url(found[0])
        if ("dir_info" in place or "vcs_info" in place) and not (config.index or config.find_links):
            raise HermesError(
                f"hermes was installed from {printable(str(place.get('url')))}, not from an index: install it from there "
                "again, then hermes gateway restart; or name an index in config.toml, [update] index or find_links"
            )
        return cls(site, find(distributions.installer(found[0]), keep), config, tables)

    def document(self) -> dict[str, Any]:
        """Return the environment, and who keeps it."""
        one = self._installer
        return {"kind": self.kind, "site": self.place, "tool": one.name, "python": one.python, "prefix": one.prefix}

    def keeping(self, descriptor: int) -> Self:
        """Return the same source with one more lock."""
        more = dataclasses.replace(self._installer, keep=(*self._installer.keep, descriptor))
        return type(self)(self.place, more, self._config, self._tables)

    def candidate(self, selection: Selection, say: LineSink) -> Candidate:
        """Ask the installer what it would do."""
        for name in ("stash", "rewritten"):
            if getattr(selection, name):
                raise HermesError(f"--{name} is for a git checkout, and hermes was installed as a wheel: leave it out")
        old = ", ".join(self._versions())
        say(f"asking {self._installer.name} what is new")
        if selection.to and not all(letter.isalnum() or letter in ".!+-_" for letter in selection.to):
            raise HermesError(f"{printable(selection.to)} is no version: use one like 1.2.3")
        plan = self._ask_installer(selection)
        new = version_in(plan) or old
        details = _others(plan)
        return Candidate(
            old=old,
            new=new,
            old_shown=old,
            new_shown=new,
            is_new=new != old,
            headline=f"{old} → {new}, {self._installer.name}"
            + (f", {len(details)} other package{'' if len(details) == 1 else 's'}" if details else ""),
            details=details,
            notes={"plan": plan},
        )

    def way_back(self, receipt: Journal, selection: Selection, say: LineSink) -> Candidate:
        """Return the way to the files of before, or to the version of before if they or the update's own files are gone."""
        plan, taken = distributions.kept(receipt.files), _plan(receipt)
        as_left = version_in(taken) == receipt.new and distributions.is_whole(self.place, taken)
        if version_in(plan) != receipt.old or not as_left or selection.stash:
            return self.candidate(dataclasses.replace(selection, to=receipt.old), say)
        return Candidate(
            old=receipt.new,
            new=receipt.old,
            old_shown=receipt.new_shown,
            new_shown=receipt.old_shown,
            is_new=True,
            headline=f"{receipt.new_shown} → {receipt.old_shown}, from the files of before",
            details=_others(plan),
            notes={"plan": plan, "taken": taken, "kept": receipt.files},
        )

    def refuse(self, candidate: Candidate, selection: Selection) -> None:  # noqa: ARG002  the protocol's
        """Refuse an environment that cannot be written to."""
        if not os.access(self.place, os.W_OK):
            raise HermesError(f"{self.place} is not writable: update it as who installed it")

    def begin(self, journal: Journal, selection: Selection) -> None:  # noqa: ARG002  the protocol's
        """Keep the files of everything that will be replaced."""
        distributions.keep(self.place, sorted({*_plan(journal), *_plan(journal, "taken"), *NAMES}), journal.files)

    def change(self, journal: Journal, say: LineSink) -> None:
        """Have the installer do it, or bring back the files of before."""
        say(f"installing {journal.new_shown}")
        if "kept" in journal.notes:
            distributions.put_back(self.place, _plan(journal, "taken"), str(journal.notes["kept"]))
        else:
            done = self._installer.install(_plan(journal), self._config)
            if not done.ok:
                raise HermesError(f"{self._installer.name} could not install {journal.new_shown} ({done.why})")
            distributions.take_place(self.place, NAME if NAME in _plan(journal) else FORMER)
        if self._versions() != [journal.new]:
            raise HermesError(f"{self._installer.name} did not install {journal.new_shown} in {self.place}")

    def complete(self, journal: Journal, say: LineSink) -> None:  # noqa: ARG002  the protocol's
        """Remove what is left of the old release: what pip has put aside, and the bytecode."""
        distributions.forget_moved(self.place, journal.files)
        proof.forget_bytecode(f"{self.place}/hermes_cli")

    def failure(self, profile: str) -> str | None:
        """Prove the package of this environment."""
        return proof.failure(profile, f"{self.place}/hermes_cli")

    def moved_on(self, journal: Journal) -> bool:
        """Return whether a third version is installed."""
        return bool(set(self._versions()) - {journal.old, journal.new})

    def is_whole(self, journal: Journal) -> bool:
        """Return whether the installer got to its end."""
        return distributions.is_whole(self.place, _plan(journal)) and self._versions() == [journal.new]

    def put_back(self, journal: Journal, say: LineSink) -> None:  # noqa: ARG002  the protocol's
        """Put the files back one by one."""
        distributions.put_back(self.place, _plan(journal), journal.files)
        proof.forget_bytecode(f"{self.place}/hermes_cli")

    def end(self, journal: Journal) -> None:
        """Forget nothing: what was kept goes with the journal."""

    def _versions(self) -> list[str]:
        """Return every version that is installed, or half, by whichever name."""
        return [version for _, version, _ in distributions.ours(self.place)]

    def _ask_installer(self, selection: Selection) -> dict[str, str]:
        """Return what would be installed. Raises HermesError.

        An index of one's own may have nothing but the old name. Nobody else is asked for that.
        """
        what = extras.shown(extras.wanted(self.place, self._installer.prefix, self._tables))
        what += f"=={selection.to}" if selection.to else ""
        try:
            return self._installer.plan(f"{NAME}{what}", self._config, pre=selection.pre)
        except HermesError:
            if not (self._config.index or self._config.find_links) or distributions.versions(self.place, NAME):
                raise
            try:
                return self._installer.plan(f"{FORMER}{what}", self._config, pre=selection.pre)
            except HermesError:
                pass
            raise


def of(journal: Journal, config: UpdateConfig, tables: frozenset[str], keep: tuple[int, ...]) -> SitePackages | None:
    """Return the environment that a journal names, or None if the journal does not say enough."""
    found = journal.source
    words = [found.get(name) for name in ("site", "tool", "python", "prefix")]
    if not all(isinstance(word, str) and word for word in words) or not isinstance(journal.notes.get("plan"), dict):
        return None
    site, tool, python, prefix = (str(word) for word in words)
    return SitePackages(site, Installer(tool, python, prefix, keep), config, tables)


def _others(plan: dict[str, str]) -> tuple[str, ...]:
    """Return the packages of a plan beside hermes itself, for a person."""
    return tuple(f"{name} {version}" for name, version in sorted(plan.items()) if name not in NAMES)


def _plan(journal: Journal, which: str = "plan") -> dict[str, str]:
    return {str(name): str(version) for name, version in journal.notes.get(which, {}).items()}
