"""A command from config.toml as a source of updates: for gateways whose code hermes knows nothing about.

`[update] command`, `revision` (prints what is installed) and, optional, `rollback`, which finds the revision to go back
to in HERMES_UPDATE_REVISION. What a journal says is only ever compared: what is run is what the configuration says now.
"""

import sys
from typing import Any, Self

from hermes_cli.config import UpdateConfig
from hermes_cli.environment import scrubbed
from hermes_cli.errors import HermesError
from hermes_cli.system.command import Ended, printable, run
from hermes_cli.update.candidate import Candidate, LineSink, Selection
from hermes_cli.update.journal import Journal

LOOK_TIMEOUT, TIMEOUT = 60.0, 1800.0
UNKNOWN = "?"  # the revision that a command will bring, before it has run
# Keeps the deadline if the updater dies: the command has inherited its locks, and nobody would get them again.
_GUARD = """
import os, signal, sys
signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
signal.alarm(int(sys.argv[1]))
child = os.fork()
if not child:
    os.execvp(sys.argv[2], sys.argv[2:])
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
"""
_GRACE = 15  # seconds for the updater, which ends the command first if it lives


class ConfiguredCommand:
    """An update by the command that the configuration names. `journal.notes`: `done`, the command has ended well."""

    kind = "command"

    def __init__(self, config: UpdateConfig, keep: tuple[int, ...] = ()) -> None:
        self.place = config.command[0]
        self._config = config
        self._keep = keep

    def document(self) -> dict[str, Any]:
        """Return the command, for a person to read."""
        return {"kind": self.kind, "command": list(self._config.command)}

    def keeping(self, descriptor: int) -> Self:
        """Return the same source with one more lock."""
        return type(self)(self._config, (*self._keep, descriptor))

    def candidate(self, selection: Selection, say: LineSink) -> Candidate:  # noqa: ARG002  the protocol's
        """Ask what is installed; only the command itself shows what is new."""
        self._refuse_options(selection)
        old = self._revision()
        headline = f"{old} → what {printable(' '.join(self._config.command))} brings"
        return Candidate(old, UNKNOWN, old, UNKNOWN, is_new=True, headline=headline)

    def way_back(self, receipt: Journal, selection: Selection, say: LineSink) -> Candidate:  # noqa: ARG002  the protocol's
        """Return what the rollback command is to bring."""
        self._refuse_options(selection)
        if not self._config.rollback:
            raise HermesError(f"{receipt.old_shown} cannot be brought back: name a command in [update] rollback")
        old = self._revision()
        headline = f"{old} → {receipt.old_shown}, by {printable(' '.join(self._config.rollback))}"
        return Candidate(old, receipt.old, old, receipt.old_shown, is_new=old != receipt.old, headline=headline)

    @staticmethod
    def _refuse_options(selection: Selection) -> None:
        if selection.to or selection.pre or selection.stash or selection.rewritten:
            raise HermesError("[update] command takes no --to, --pre, --stash or --rewritten: leave them out")

    def refuse(self, candidate: Candidate, selection: Selection) -> None:
        """Refuse nothing: hermes knows nothing that could be in the way."""

    def begin(self, journal: Journal, selection: Selection) -> None:
        """Keep nothing: hermes does not know what the command changes."""

    def change(self, journal: Journal, say: LineSink) -> None:
        """Run the command, or in a rollback the rollback command."""
        argv, more = self._config.command, {}
        if journal.rolls_back:
            argv, more = self._config.rollback, {"HERMES_UPDATE_REVISION": journal.new}
        say(f"running {printable(' '.join(argv))}")
        done = self._run(argv, TIMEOUT, **more)
        if not done.ok:
            raise HermesError(f"{argv[0]} failed ({done.why})")
        journal.note(notes={**journal.notes, "done": True})

    def complete(self, journal: Journal, say: LineSink) -> None:
        """Run the command again if it was cut off, and ask what it has brought."""
        if not journal.notes.get("done"):
            self.change(journal, say)
        new = self._revision()
        if journal.rolls_back and new != journal.new:
            raise HermesError(f"{self._config.rollback[0]} has brought {new}, not {journal.new_shown}")
        journal.note(new=new, new_shown=new)

    def failure(self, profile: str) -> str | None:  # noqa: ARG002  the protocol's
        """Return None: the restart is the proof, as there is nothing that hermes could try."""
        return None

    def moved_on(self, journal: Journal) -> bool:  # noqa: ARG002  the protocol's
        """Return False: nobody can tell."""
        return False

    def is_whole(self, journal: Journal) -> bool:
        """Return whether the command has changed anything; `complete` does the rest."""
        return bool(journal.notes.get("done")) or self._revision() != journal.old

    def put_back(self, journal: Journal, say: LineSink) -> None:
        """Run the rollback command if there is something to roll back."""
        if self._revision() == journal.old:
            return
        if not self._config.rollback:
            raise HermesError(f"{journal.old_shown} cannot be put back: name a command in [update] rollback")
        say(f"running {printable(' '.join(self._config.rollback))}")
        done = self._run(self._config.rollback, TIMEOUT, HERMES_UPDATE_REVISION=journal.old)
        if not done.ok or self._revision() != journal.old:
            raise HermesError(f"{self._config.rollback[0]} did not bring {journal.old_shown} back ({done.why})")

    def end(self, journal: Journal) -> None:
        """Forget nothing: nothing was kept."""

    def _revision(self) -> str:
        done = self._run(self._config.revision, LOOK_TIMEOUT)
        lines = done.out.split()
        if not done.ok or not lines:
            why = done.why if not done.ok else "it prints nothing"
            raise HermesError(f"[update] revision does not say what is installed ({why}): mend it and repeat")
        return printable(lines[0])

    def _run(self, argv: tuple[str, ...], timeout: float, **more: str) -> Ended:
        import shutil

        if shutil.which(argv[0]) is None:
            raise HermesError(f"{argv[0]} is no program that can be run: mend [update] in config.toml")
        guard = [sys.executable, "-ISc", _GUARD, str(int(timeout) + _GRACE)]
        return run([*guard, *argv], timeout, environment=scrubbed() | more, keep=self._keep)
