"""A gateway that starts, serves and drains is refused each call in turn: once, and for as long as there is no room.

A dry run counts the calls of a phase; then the same is done once for each of them. By default most are passed over, with
HERMES_PROOF=full none is. What must hold: no start of it is a crash, whoever was acknowledged is answered once when there
is room again, unasked, and who was refused was told in a line.
"""

import contextlib
import errno
import json
import os
import select
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import FULL, PATIENCE
from support.faults.refused import FOR_EVER, KINDS, Kind, Refusals
from support.machines.installation import Installation

from hermes_cli.intents.instance import Instance
from hermes_cli.programs import own
from hermes_cli.system import sockets

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600 if FULL else 900)]
GRACE = 0.3  # seconds for what a refusal does to show; longer finds nothing but what comes later
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture
def refusals(tmp_path: Path) -> Iterator[Refusals]:
    made = Refusals(tmp_path, tmp_path / "home")
    yield made
    made.relent()


@pytest.fixture
def running(refusals: Refusals, make_installation: Callable[..., Installation]) -> Installation:
    made = make_installation("home", variables=refusals.variables)
    made.install()
    return made


class Client:
    """One connection, whose answers may wait until there is room."""

    def __init__(self, hermes: Installation) -> None:
        self._socket = sockets.connect(hermes.paths.socket, PATIENCE)
        self._rest = b""
        self.events: list[dict[str, Any]] = []
        self.is_over = False

    def say(self, **document: object) -> None:
        with contextlib.suppress(ConnectionError):  # it has hung up: `hear` takes what it said before that, and the end
            self._socket.sendall(json.dumps(document).encode() + b"\n")

    def hear(self, seconds: float) -> bool:
        """Take what comes next; whether anything did."""
        if self.is_over or not select.select([self._socket], [], [], seconds)[0]:
            return False
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        self.is_over = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.events += map(json.loads, lines)
        return True

    def until(self, look: Callable[[], Any], what: str) -> Any:
        while not (found := look()):
            assert self.hear(PATIENCE), f"{what}: {self.events}, {'hung up' if self.is_over else 'silence'}"
        return found

    def of(self, event: str, identifier: str | None = None) -> list[dict[str, Any]]:
        return [one for one in self.events if one["event"] == event and identifier in {None, one.get("id")}]

    def replies(self, identifier: str) -> int:
        return sum(one.get("reply_to") == identifier for one in self.of("message"))

    def close(self) -> None:
        self._socket.close()


def answers_in(hermes: Installation, session: str, identifier: str) -> int:
    """How many replies the history has, -1 if it has not even the message."""
    client = Client(hermes)
    try:
        client.say(op="history", session=session, limit=99)
        (history,) = client.until(lambda: client.of("history"), "the history")
    finally:
        client.close()
    known = [one["id"] for one in history["messages"]]
    return [one["reply_to"] for one in history["messages"]].count(identifier) if identifier in known else -1


@dataclass(frozen=True, slots=True)
class Strike:
    """Which calls are refused: `most` of them from the `first`-th on."""

    kind: Kind
    first: int
    most: int
    call: str

    def __str__(self) -> str:
        return f"{self.kind.name} from call {self.first} {self.name.partition('-')[2]}: {self.call}"

    @property
    def name(self) -> str:
        """What it may be called in a session or a file."""
        return f"{self.first}-{'once' if self.most == 1 else 'on'}"


def strikes(kind: Kind, calls: list[str], few: int) -> Iterator[Strike]:
    """About `few` of all; with HERMES_PROOF=full each call both ways."""
    stride = 1 if FULL else max(1, len(calls) // few)
    for number, first in enumerate(range(1 + stride // 2, len(calls) + 1, stride)):
        for most in (1, FOR_EVER) if FULL else ((FOR_EVER, 1)[number % 2],):
            yield Strike(kind, first, most, calls[first - 1])


# It accepts, answers, streams and shows.


def converse(hermes: Installation, refusals: Refusals, name: str, what: object) -> bool:
    """One conversation, during which calls are refused; what must hold. Whether each question had an answer."""
    client = Client(hermes)
    client.say(op="follow", session=name)
    client.say(op="send", session=name, id=name, text="!echo one; echo two")
    client.say(op="history", session=name)
    while not (client.replies(name) or client.is_over):
        if not client.hear(GRACE) and refusals.struck:
            break
    refusals.relent()
    if not client.is_over:
        client.until(lambda: client.of("accepted", name) or client.of("error", name), f"{what}: the message")
        client.until(lambda: client.of("history") or client.of("error"), f"{what}: the history")
    is_heard = not client.is_over
    if not client.of("accepted", name):
        assert answers_in(hermes, name, name) == -1, f"{what}: not acknowledged, and stored"
        client.close()
        client = Client(hermes)
        client.say(op="send", session=name, id=name, text="hello")
        client.until(lambda: client.of("accepted", name), f"{what}: it is accepted now")
    hermes.until(lambda: answers_in(hermes, name, name) >= 1, f"{what}: the answer")
    assert answers_in(hermes, name, name) == 1, what
    client.close()
    return is_heard


def serve(hermes: Installation, refusals: Refusals, kind: Kind) -> int:
    """Strike one gateway while it serves; how often a call was refused."""
    before, struck = hermes.ready(), 0
    for name in ("first", "dry"):  # the first one makes the tables' pages
        refusals.listen(kind)
        converse(hermes, refusals, name, name)
    for strike in strikes(kind, refusals.calls, 8):
        refusals.refuse(kind, strike.first, strike.most)
        is_heard = converse(hermes, refusals, strike.name, strike)
        # asyncio hangs up by itself where it has no memory for what it reads
        assert is_heard or kind.name == "memory", f"{strike}: hung up without a word"
        struck += refusals.struck > 0
    assert hermes.ready().identity == before.identity, hermes.log()
    return struck


# It starts.


def start_again(hermes: Installation, refusals: Refusals, what: object) -> None:
    """A start during which calls are refused, of a gateway that has left in order; what must hold."""
    before, began, starts = hermes.ready(), refusals.begun, hermes.log().count("started the gateway")
    os.kill(before.identity.pid, signal.SIGUSR1)
    # What a refusal does: another try, or nothing, and then a gateway that answers, though its file may not say so.
    hermes.until(lambda: refusals.begun > began + 1 or is_answering(hermes, before), what)
    refusals.relent()
    hermes.ready(other_than=before)
    assert hermes.log().count("started the gateway") == starts + 1, f"{what}: its end was left to its manager"


def is_answering(hermes: Installation, before: Instance) -> bool:
    """Whether a gateway after that one says anything, in its file or to a client."""
    if before.identity.is_alive():
        return False
    said = own.read_alive(hermes.paths)
    if said is not None and said.ready and not said.identity.is_same_as(before.identity):
        return True
    try:
        client = Client(hermes)
        client.say(op="ping")
        client.hear(GRACE)
        client.close()
    except OSError:
        return False
    return bool(client.events)


def start(hermes: Installation, refusals: Refusals, kind: Kind) -> int:
    """Strike one start after the other; how often a call was refused."""
    refusals.listen(kind, of="next")
    start_again(hermes, refusals, "nothing is wrong")
    struck = 0
    for strike in strikes(kind, refusals.calls, 2):
        refusals.refuse(kind, strike.first, strike.most, of="next")
        start_again(hermes, refusals, strike)
        struck += refusals.struck > 0
    assert "hello" in hermes.chat("hello", "after all of it")
    return struck


# It leaves.


def leave(hermes: Installation, refusals: Refusals, name: str, what: object, begin: Callable[[], None]) -> None:
    """A drain during which calls are refused, with a turn that runs and a message that comes; what must hold."""
    before, fifo = hermes.ready(), hermes.home / f"{name}.fifo"
    os.mkfifo(fifo)
    client, late = Client(hermes), f"late-{name}"
    client.say(op="follow", session=name)
    client.say(op="send", session=name, id=name, text=f"!echo begun; cat {fifo}")
    client.until(lambda: client.of("chunk"), f"{what}: a turn that runs")
    begin()
    os.kill(before.identity.pid, signal.SIGUSR1)
    client.say(op="send", session=name, id=late, text="hello")
    while not (client.of("accepted", late) or client.of("error") or client.is_over):
        if not client.hear(GRACE) and refusals.struck:
            break

    def is_let_go() -> bool:
        try:
            os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads: not yet, or the turn is over
                raise
            return not before.identity.is_alive()
        return True

    hermes.until(is_let_go, f"{what}: the end of the turn")
    hermes.until(lambda: not before.identity.is_alive(), f"{what}: the end of the gateway")
    refusals.relent()
    while client.hear(0):  # what it still said
        pass
    hermes.ready(other_than=before)
    assert f"the gateway, pid {before.identity.pid}, exited 75" in hermes.log(), f"{what}: {hermes.log()}"
    hermes.until(lambda: answers_in(hermes, name, name) == 1, f"{what}: the answer of the turn that ran")
    if client.of("accepted", late):
        hermes.until(lambda: answers_in(hermes, name, late) == 1, f"{what}: the answer to who came late")
    else:
        assert answers_in(hermes, name, late) == -1, f"{what}: not acknowledged, and stored"
    client.close()


def drain(hermes: Installation, refusals: Refusals, kind: Kind) -> int:
    """Strike one drain after the other; how often a call was refused."""
    leave(hermes, refusals, "drain-first", "nothing is wrong", lambda: refusals.listen(kind))
    struck = 0
    for strike in strikes(kind, refusals.calls, 2):
        leave(
            hermes,
            refusals,
            f"drain-{strike.name}",
            strike,
            lambda strike=strike: refusals.refuse(kind, strike.first, strike.most),
        )
        struck += refusals.struck > 0
    return struck


# All of it, and a stop.


@each_kind
def test_a_gateway_that_is_refused_each_call(running: Installation, refusals: Refusals, kind: Kind) -> None:
    struck = {phase.__name__: phase(running, refusals, kind) for phase in (serve, start, drain)}
    print(kind.name, struck)
    assert all(struck.values())
    assert running.run("gateway", "status").returncode == 0
    refusals.refuse(kind, 1)
    stopped = running.run("gateway", "stop")
    refusals.relent()
    assert stopped.returncode == 0, stopped.stderr
    assert running.run("gateway", "status").returncode == 3
