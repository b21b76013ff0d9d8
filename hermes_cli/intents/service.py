"""The service as its manager sees it: what managers say and the driver decides by."""

from typing import Literal, NamedTuple

from hermes_cli.system.process import describe_exit


class Service(NamedTuple):
    """What the service manager says. Three values: a manager that does not answer is not a stopped service.

    `scheduled`: stopped, and the manager will start it by itself when its own interval between starts has passed.
    """

    state: Literal["running", "stopped", "unknown"] = "unknown"
    pid: int | None = None
    exit_code: int | None = None
    detail: str = ""
    scheduled: bool = False

    @property
    def reason(self) -> str:
        """Why it does not run, as far as the manager says; of one that runs again, how the last run ended."""
        if self.detail or self.exit_code is None:
            return self.detail or "the service manager gives no reason"
        return describe_exit(self.exit_code)
