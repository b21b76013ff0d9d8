"""A domain: its state, and the labels loaded into it."""

import os
from collections.abc import Callable
from typing import Literal

from launchd_emulator import definition, errors
from launchd_emulator.definition import Definition
from launchd_emulator.errors import Refused
from launchd_emulator.host import Host
from launchd_emulator.job import Job
from launchd_emulator.overrides import Overrides
from launchd_emulator.triggers import JobTriggers

State = Literal["present", "absent", "tearing_down"]
_SESSIONS = {"gui": "Aqua", "user": "Background", "system": "System"}


class Domain:
    """One of the domains system, user/UID and gui/UID."""

    def __init__(self, host: Host, overrides: Overrides, kind: str, user: int) -> None:
        self.kind = kind
        self.user = user
        self.name = kind if kind == "system" else f"{kind}/{user}"
        self.session = _SESSIONS[kind]
        self.state: State = "present"
        self.jobs: dict[str, Job] = {}
        self._host = host
        self._overrides = overrides
        self._on_empty: Callable[[], None] = lambda: None

    # --- who is there

    def require(self) -> None:
        """Raise Refused unless requests are taken."""
        if self.state == "tearing_down":
            raise Refused(errors.TEARING_DOWN)
        if self.state == "absent":
            raise Refused(errors.UNSUPPORTED)

    def job(self, label: str) -> Job:
        """Return the loaded job. Raises Refused."""
        if label not in self.jobs:
            raise Refused(errors.NO_SERVICE, f'Could not find service "{label}" in domain for {self.described}')
        return self.jobs[label]

    def require_loaded(self, label: str, code: int) -> Job:
        """Return the loaded job. Raises Refused with this code."""
        if label not in self.jobs:
            raise Refused(code)
        return self.jobs[label]

    @property
    def described(self) -> str:
        """The domain's name in launchctl's messages."""
        return {"gui": f"user gui: {self.user}", "user": f"uid: {self.user}"}.get(self.kind, "system")

    # --- labels

    def is_disabled(self, loaded: Definition) -> bool:
        """Return whether a label is disabled: by its override if there is one, else by its plist."""
        return self._overrides.of(self.name).get(loaded.label, loaded.disabled)

    def disabled(self) -> dict[str, bool]:
        """Return all overrides."""
        return dict(self._overrides.of(self.name))

    def override(self, label: str, *, disabled: bool) -> None:
        """Enable or disable a label, loaded or not."""
        self._overrides.set(self.name, label, disabled=disabled)
        self._host.trace.add("disable" if disabled else "enable", label, domain=self.name)

    def load_file(self, path: str) -> None:
        """Load a plist. Raises Refused."""
        try:
            found = self._read(path)
        except Refused as refused:
            if self._host.knobs.plain_errors and refused.code in errors.PLAIN:
                raise Refused(errors.IO_ERROR) from refused
            raise
        if self._host.spend("bootstrap_eio", found.label):
            raise Refused(errors.IO_ERROR)
        if self.is_disabled(found):
            raise Refused(errors.DISABLED if self.kind == "system" else errors.IO_ERROR)
        self.load(found)

    def _read(self, path: str) -> Definition:
        found = definition.read(path, self._host.user)
        if self.session not in found.sessions:
            raise Refused(errors.WRONG_SESSION)
        return found

    def load(self, found: Definition) -> None:
        """Load a definition. Raises Refused."""
        if found.label in self.jobs:
            raise Refused(errors.IO_ERROR)
        job = Job(self._host, self.name, found, lambda job: JobTriggers(self._host, job), self._forget)
        self.jobs[found.label] = job
        self._host.trace.add("bootstrap", found.label, domain=self.name, path=found.path)
        job.load()

    def load_folder(self, folder: str) -> None:
        """Load what can be loaded of a folder, as at login."""
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if name.endswith(".plist"):
                try:
                    self.load_file(os.path.join(folder, name))
                except Refused as refused:
                    self._host.trace.add("not-loaded", domain=self.name, path=name, rc=refused.code)

    # --- the end

    def tear_down(self, cause: str, on_empty: Callable[[], None]) -> None:
        """Stop every job. Call `on_empty` when the last of them is gone."""
        self._on_empty = on_empty
        self.state = "tearing_down"
        for job in list(self.jobs.values()):
            job.remove(cause)
        self._tell_if_empty()

    def _forget(self, job: Job) -> None:
        if self.jobs.get(job.label) is job:
            del self.jobs[job.label]
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if not self.jobs:
            call, self._on_empty = self._on_empty, lambda: None
            call()
