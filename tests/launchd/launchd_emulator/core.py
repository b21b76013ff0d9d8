"""The daemon's state as a whole: three domains, and the events that concern all of them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from launchd_emulator import clock
from launchd_emulator.domain import Domain
from launchd_emulator.host import Host
from launchd_emulator.job import Job
from launchd_emulator.overrides import Overrides

if TYPE_CHECKING:
    from launchd_emulator.timers import Timer


_SHUTDOWN_PATIENCE = 30  # seconds after which a reboot goes on without the jobs that never end


class Core:
    """The state of launchd."""

    def __init__(self, host: Host, agents: Path | None) -> None:
        self.host = host
        self.agents = agents
        self.overrides = overrides = Overrides(host.folder / "disabled.json")
        domains = [Domain(host, overrides, kind, host.user) for kind in ("gui", "user", "system")]
        self.gui = domains[0]
        self.domains = {one.name: one for one in domains}
        self._mode_timer: Timer | None = None
        self._login_timer: Timer | None = None
        self._login_callers: list[Callable[[], None]] = []
        self._wants_login = False

    # --- the whole

    def boot(self) -> None:
        """Come up as the knobs say."""
        self.host.trace.add("daemon-start")
        self._keep_disabled_database()
        self._follow_on_demand_only()
        self.gui.state = "absent"
        self._follow_gui_domain()

    def shut_down(self, then: Callable[[], None]) -> None:
        """Stop every job of every domain, as a reboot does."""
        self.host.trace.add("daemon-stop")
        left = len(self.domains)
        self.host.set_clocks(held=False)  # or a job that does not end by itself would never be killed
        self.host.grace.later(_SHUTDOWN_PATIENCE, then)

        def empty() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                then()

        for domain in self.domains.values():
            domain.tear_down("shutdown", empty)

    def jobs(self) -> list[Job]:
        """Return all loaded jobs."""
        return [job for domain in self.domains.values() for job in domain.jobs.values()]

    def session_domain(self) -> Domain:
        """Return the domain in which the old subcommands look, since they name none."""
        return self.gui if self.gui.state != "absent" else self.domains[f"user/{self.host.user}"]

    # --- the clock, and knobs that are more than a value

    def advance(self, seconds: float) -> None:
        """Move launchd's clock forward and do what falls due on the way at its moment. Raises ValueError."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"the clock does not go {seconds!r} seconds forward")
        self.host.trace.add("advance", seconds=seconds)
        clock.advance([self.host.clock, self.host.grace], seconds)

    def turn(self, changes: dict[str, Any]) -> None:
        """Turn knobs and apply what follows from the new values."""
        self.host.change(**changes)
        self.host.trace.add("knob", changes=changes)
        if "disabled_db" in changes:
            self._keep_disabled_database()
        if "on_demand_only" in changes:
            self._follow_on_demand_only()
        if "gui_domain" in changes:
            self._follow_gui_domain()
        if "keepalive_deferral_s" in changes or "on_demand_holds" in changes:
            self._reconsider()
        for job in self.jobs():
            if "watch_depth" in changes or "watch_missing" in changes:
                job.triggers.rearm()
            if "spurious_watch_events" in changes:
                job.triggers.inject(self.host.knobs.spurious_watch_events)

    def _keep_disabled_database(self) -> None:
        for label, disabled in self.host.knobs.disabled_db.items():
            self.gui.override(label, disabled=disabled)
        if self.host.knobs.disabled_db:
            self.host.change(disabled_db={})  # or a restart would undo what was enabled meanwhile

    def _follow_on_demand_only(self) -> None:
        if self._mode_timer is not None:
            self._mode_timer.cancel()
        setting = self.host.knobs.on_demand_only
        self.host.on_demand_only = bool(setting)
        if setting and setting is not True:
            self._mode_timer = self.host.later(setting, self._end_on_demand_only)
        self._reconsider()

    def _end_on_demand_only(self) -> None:
        self.turn({"on_demand_only": False})

    def _reconsider(self) -> None:
        for job in self.jobs():
            job.reconsider()

    def _follow_gui_domain(self) -> None:
        if self._login_timer is not None:
            self._login_timer.cancel()
        setting = self.host.knobs.gui_domain
        if setting == "present":
            self.login(lambda: None)
        elif setting == "tearing_down":
            self.gui.tear_down("logout", lambda: None)
        else:
            self.logout()
            if not isinstance(setting, str):
                self._login_timer = self.host.later(setting, lambda: self.turn({"gui_domain": "present"}))

    # --- login and logout

    def logout(self) -> None:
        """Tear the gui domain down."""
        self._wants_login = False
        if self.gui.state != "absent":
            self.host.trace.add("logout")
            self.gui.tear_down("logout", self._logged_out)

    def _logged_out(self) -> None:
        self.gui.state = "absent"
        self.host.trace.add("domain-gone")
        if self._wants_login:
            self._log_in()

    def login(self, done: Callable[[], None]) -> None:
        """Create the gui domain again once the old one is gone, load the user's agents into it, and call `done`."""
        self._login_callers.append(done)
        if self.gui.state == "tearing_down":
            self._wants_login = True
            self.gui.tear_down("logout", self._logged_out)
        else:
            self._log_in()

    def _log_in(self) -> None:
        self._wants_login = False
        if self.gui.state != "present":
            self.gui.state = "present"
            self.host.trace.add("login")
            if self.agents is not None:
                self.gui.load_folder(str(self.agents))
        callers, self._login_callers = self._login_callers, []
        for done in callers:
            done()
