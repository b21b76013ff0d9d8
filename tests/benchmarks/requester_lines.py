"""`hermes gateway restart --no-wait`: from the spawn until its record is durable.

A stand-in is the gateway: a process that gateway.json names, but which has not said that it handles a signal. So the
requester does all that it does for a real one up to the record, and nothing restarts. A stand-in is the supervisor,
too: it answers the poke, holds the driver's lock and does nothing. The rest of the command (the poke, the answer) is
awaited and not counted, and the record removed, before the next sample.
"""

import os
import selectors
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import CONFIG, Bench, hermes, python, reap, spawn, to_end
from durable_moment import DurableMoment
from measure import Limits, Row, interleave
from start_lines import CLICK

from hermes_cli import environment
from hermes_cli.intents import sign_of_life
from hermes_cli.intents.request import compose, make_directories, submit
from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.services.embedded.control import Control
from hermes_cli.system import durable, locks, process_table

_LIMITS = Limits(ratio=1.5)


def rows(bench: Bench) -> Iterator[Row]:
    """As a person without a config.toml, with one, and as the agent whose chat has been restarted before."""
    paths = bench.paths("requests")
    home = os.path.dirname(paths.config)
    make_directories(paths.intents)
    with _supervisor(paths), _stand_in(bench, paths) as pid:
        yield _row(bench, paths, "restart --no-wait, durable", bench.environment(home))
        Path(paths.config).write_text(CONFIG, encoding="ascii")
        yield _row(bench, paths, "… with a config.toml", bench.environment(home))
        os.unlink(paths.config)
        agents = bench.environment(
            home,
            HERMES_GATEWAY_INSTANCE=environment.marker(paths.state, pid, process_table.start_ticks(pid)),
            HERMES_SESSION_PLATFORM="local",
            HERMES_SESSION_CHAT_ID="main",
            HERMES_SESSION_MESSAGE_ID="1",
            HERMES_SESSION_KEY="main",
        )
        yield _row(bench, paths, "… by the agent", agents)
        _restarted_before(paths)
        yield _row(bench, paths, "… by the agent, once more within the hour", agents)


def _row(bench: Bench, paths: Paths, name: str, variables: Mapping[str, str]) -> Row:
    argv = hermes("gateway", "restart", "--no-wait")

    def ours() -> float:
        moment.forget()
        before = time.perf_counter()
        pid = spawn(argv, variables)
        record, at = moment.wait()
        reap(pid, argv)
        os.unlink(f"{paths.pending}/{record}")
        durable.sync_directory(paths.pending)
        return at - before

    with DurableMoment(paths.pending) as moment:
        floor, found = interleave(bench.effort.starts, (lambda: to_end(python(CLICK), variables), ours))
    return Row(name, f"python -c {CLICK!r}", floor, found, _LIMITS)


@contextmanager
def _stand_in(bench: Bench, paths: Paths) -> Iterator[int]:
    pid = spawn(python("import signal; signal.pause()"), bench.environment())
    try:
        own.write(paths, own.new(pid, "91ab77d3a0c1", "0", time.time()))
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def _supervisor(paths: Paths) -> Iterator[None]:
    lock = locks.take(f"{paths.supervisor}/lock")
    driver = sign_of_life.begin(paths.queue.driver_lock, sign_of_life.LONG_STEP)  # or each requester waits for one
    assert lock is not None
    assert driver is not None
    with selectors.DefaultSelector() as selector:
        control = Control(f"{paths.supervisor}/sock", selector, lambda call: call.answer({}))
        reading, writing = os.pipe()
        selector.register(reading, selectors.EVENT_READ)
        thread = threading.Thread(target=_answer, args=(selector,))
        thread.start()
        try:
            yield
        finally:
            os.close(writing)
            thread.join()
            os.close(reading)
            control.close()
            driver.end()
            lock.release()


def _answer(selector: selectors.BaseSelector) -> None:
    """Until the pipe's other end is closed, the one thing here without a handler."""
    while True:
        for key, _ in selector.select():
            if key.data is None:
                return
            key.data()


def _restarted_before(paths: Paths) -> None:
    """One settled restart that the agent asked for a moment ago."""
    record = compose(paths.profile, reason="manual", command="hermes gateway restart", target=None, in_tree=True)
    submit(paths.intents, record)
    (intent,) = paths.queue.unsettled()
    paths.queue.settle(intent, "restarted", "pid 1, revision a", trigger="watch")
