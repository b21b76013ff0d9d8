"""What is shown while a service stops: how long the gateway's drain still takes, as a restart shows it."""

import threading
import time
from collections.abc import Callable

from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.restart.progress_line import ProgressLine
from hermes_cli.system import threads

_LOOK_AGAIN = 0.2  # seconds


def show_while(paths: Paths, stop: Callable[[], None]) -> None:
    """Stop, and show meanwhile what is waited for. Raises what `stop` raises."""
    failed: list[BaseException] = []

    def work() -> None:
        try:
            stop()
        except BaseException as error:  # noqa: BLE001  raised below, where the caller is
            failed.append(error)

    worker = threading.Thread(target=work, daemon=True)
    if not threads.start(worker):  # a stop is carried out all the same
        stop()
        return
    with ProgressLine("stopping") as line:
        while worker.is_alive():
            found = own.read_alive(paths)
            drain = found.drain if found is not None and found.state == "draining" else None
            line.show(drain.shown(time.time()) if drain is not None else "")
            worker.join(line.interval or _LOOK_AGAIN)
    if failed:
        raise failed[0]
