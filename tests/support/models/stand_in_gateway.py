"""A gateway reduced to what others see of it: the lock, gateway.json, and SIGUSR1 → drain → exit 75.

Arguments: the directory that holds state/, then options:
`deaf` ignores SIGUSR1, `drain=S` drains for S seconds, `crash=CODE` exits before it is ready, `silent` writes no gateway.json,
`unlocked` lets go of the lock, so that its death closes no file that a directory watch would notice.
"""

import os
import signal
import sys
import time

from hermes_cli.intents.instance import DrainState
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system import locks


def main(home: str, *options: str) -> int:
    settings = dict(option.partition("=")[::2] for option in options)
    paths = Paths("default", f"{home}/state", home, f"{home}/logs")
    wake_up, signals = os.pipe()
    os.set_blocking(signals, False)
    signal.set_wakeup_fd(signals)
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    lock = locks.take(paths.gateway_lock, timeout=10)
    assert lock is not None
    if "unlocked" in settings:
        lock.release()
    if "crash" in settings:
        return int(settings["crash"])
    me = own.new(os.getpid(), settings.get("revision", "new"), "0", time.time())
    me = me._replace(state="ready", handles_signal=True)
    if "silent" not in settings:
        own.write(paths, me)
    with open(f"{home}/starts", "a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    print("ready", flush=True)
    while True:
        (number,) = os.read(wake_up, 1)
        if number == signal.SIGTERM:
            return 0
        if "deaf" in settings:
            continue
        now, drain = time.time(), float(settings.get("drain", "0"))
        own.write(paths, me._replace(state="draining", drain=DrainState(now, now + drain, 1)))
        signal.sigtimedwait({signal.SIGTERM}, drain) if drain else None
        own.write(paths, me._replace(state="exited", exit_code=75))
        return 75


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))
