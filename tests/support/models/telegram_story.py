"""People who write to a bot in many chats, a gateway that is ended again and again meanwhile, and what each chat has."""

import contextlib
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from telegram_emulator import Telegram
from telegram_emulator.emulator import Call
from telegram_emulator.people import Chat

from hermes_cli.status import telegram as states
from hermes_cli.status.telegram import TelegramState
from hermes_cli.system.directory_watch import DirectoryWatch
from support import PATIENCE

CUT = "cut off"  # how the answer to a turn begins that did not come to its end
UNTOLD = {"drop-after", "truncate", "html"}  # faults by which a client cannot know that its call was carried out


@dataclass(slots=True)
class Figures:
    """What one story came to. `strays`: placeholders that kills have left; `untold`: those of answers that were lost."""

    ended: int = 0
    messages: int = 0
    cut_off: int = 0
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    strays: int = 0
    untold: int = 0
    lived: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        said = [f"{self.messages} messages: 0 lost, 0 executed twice, 0 answers twice, {self.cut_off} cut off"]
        if self.ended:
            said += [f"the gateway ended {self.ended} times, {self.lived:.2f} s after its start in the median"]
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        said += [f"{self.calls} calls" + (f", of them {faults}" if faults else "")]
        said += [
            f"{self.strays} strays at kills" + (f", {self.untold} where the answer was lost" if self.untold else "")
        ]
        return "; ".join([*said, f"{self.seconds:.0f} s"])


class Story:
    """Chats that say numbered things, each of which leaves a line when it is executed."""

    def __init__(
        self,
        telegram: Telegram,
        configure: Callable[[str], None],
        folder: Path,
        chats: int,
        messages: int,
        more: str = "",
    ) -> None:
        """`messages` of each of the `chats`; `more` of config.toml."""
        self.telegram = telegram
        self.done = folder / "executed"
        self.done.touch()
        token = folder / "token"
        token.touch(0o600)
        token.write_text(telegram.token)
        self.chats = [telegram.person(1000 + number, f"person {number}") for number in range(chats)]
        allowed = ", ".join(str(chat.id) for chat in self.chats)
        configure(f'[telegram]\ntoken_file = "{token}"\napi = "{telegram.base_url}"\nterminal = [{allowed}]\n{more}')
        self.messages = messages
        self._left = [(chat, number) for number in range(messages) for chat in self.chats]
        self._lives: list[tuple[int, bool]] = []  # a mark at the end of each, and whether it was killed
        self._lived: list[float] = []  # seconds
        self._began = time.monotonic()

    def say_some(self, count: int) -> None:
        """Have people go on."""
        for chat, number in self._left[:count]:
            rest = 1.2 if number % 10 == 7 else 0.2  # long enough to be shown as it runs, or to be ended in
            self.telegram.say(chat, f"!echo {chat.id}.{number} >> '{self.done}'; sleep {rest}; echo {chat.id}.{number}")
        del self._left[:count]

    def live(self, start: Callable[[], Any], number: signal.Signals, dice: random.Random, words: int) -> None:
        """Run a gateway for 0.25 to 0.75 s, where a start takes 0.25 s, and end it with a signal.

        That is at least until it has made some calls, so that it has come somewhere on a busy machine, too.
        """
        before, calls = time.monotonic(), len(self.telegram.journal)
        gateway = start()
        self.say_some(words)
        if number != signal.SIGKILL or dice.random() < 0.8:  # a fifth is killed wherever its start has come to
            gateway.ready()
            enough = calls + dice.randrange(3 * len(self.chats))
            with contextlib.suppress(AssertionError):
                self.telegram.until(lambda: len(self.telegram.journal) >= enough, patience=2.0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            gateway.process.wait(dice.uniform(0.0, 0.5))
        gateway.signal(number)
        assert gateway.exit_code() == (-signal.SIGKILL if number == signal.SIGKILL else 75), gateway.log
        self.ended(killed=number == signal.SIGKILL)
        self._lived.append(time.monotonic() - before)

    def end(self, last: Any) -> Figures:
        """Have everything said, and answered by a ready gateway that is left alone; what it all came to."""
        self.say_some(len(self._left))
        self.telegram.until(self.is_over, "an answer to everything", patience=PATIENCE)
        self.telegram.until(lambda: not self.telegram.bot.updates.pending(), "the confirmation", patience=PATIENCE)
        last.signal(signal.SIGTERM)
        assert last.exit_code() == 0
        self.ended(killed=False)
        return self._checked()

    def ended(self, *, killed: bool) -> None:
        """Note that a gateway has ended."""
        self._lives.append((self.telegram.mark(), killed))

    def stands(self, gateway: Any, *wanted: str) -> TelegramState:
        """Wait until the gateway says that its bot stands so; the state."""

        def look() -> TelegramState | None:
            found = states.read(gateway.paths, gateway.pid)
            return found if found is not None and found.state in wanted else None

        deadline = time.monotonic() + PATIENCE
        with DirectoryWatch(gateway.paths.state) as watch:
            while (found := look()) is None:
                assert time.monotonic() < deadline, gateway.log
                watch.wait(0.5)
        return found

    def texts(self, chat: Chat) -> list[str]:
        """What stands in a chat and says something."""
        return [text for text in chat.of_bots() if not _is_stray(text)]

    def is_over(self) -> bool:
        """Whether everything has been said and answered."""
        with self.telegram.changed:
            return not self._left and all(len(self.texts(chat)) >= self.messages for chat in self.chats)

    def _checked(self) -> Figures:
        """Nothing is lost, executed or answered twice; the rest was cut off and says so; each stray has its reason."""
        executed = Counter(self.done.read_text().split())
        assert not [one for one, count in executed.items() if count > 1], executed.most_common(3)
        cut_off = 0
        for chat in self.chats:
            texts = self.texts(chat)
            assert len(texts) == self.messages, "\n".join(texts)
            for number, text in enumerate(texts):
                assert text == f"{chat.id}.{number}" or text.startswith(CUT), (number, texts)
                assert text.startswith(CUT) or text in executed, text
                cut_off += text.startswith(CUT)
        assert self.telegram.pending() == 0
        kills = sum(killed for _, killed in self._lives)
        assert cut_off <= kills * len(self.chats), "a kill can cut off one turn of each chat"
        calls = [call for call in self.telegram.calls() if call.method != "mark"]
        strays, untold = self._strays(calls)
        return Figures(
            len(self._lives) - 1,
            self.messages * len(self.chats),
            cut_off,
            len(calls),
            Counter(call.fault for call in calls if call.fault),
            strays,
            untold,
            median(self._lived or [0.0]),
            time.monotonic() - self._began,
        )

    def _strays(self, calls: list[Call]) -> tuple[int, int]:
        """Count the placeholders that nothing became of: those that a kill has left, and those of an answer that was lost."""
        made = {
            (call.arguments["chat_id"], call.made): call for call in calls if call.method == "sendMessage" and call.made
        }
        strays: list[tuple[int, int]] = []
        untold = 0
        for chat in self.chats:
            for shown in chat.seen():
                if not shown.sender.is_bot or not _is_stray(shown.text):
                    continue
                call = made[chat.id, shown.id]
                life = next(index for index, (mark, _) in enumerate(self._lives) if call.connection < mark)
                killed = self._lives[life][1]
                if call.fault in UNTOLD or (not call.told and not killed):
                    untold += 1
                    continue
                assert killed, f"{call} left a stray in a gateway that ended in order"
                strays.append((life, chat.id))
        assert len(strays) == len(set(strays)), "more strays than chats in flight at a kill"
        return len(strays), untold


def _is_stray(text: str) -> bool:
    return text == "…" or text.endswith("\n…")
