"""What is shown of a turn while it runs: the end of its output. Pure."""

from dataclasses import dataclass, field

from hermes_cli.gateway.channels.telegram.markdown import rendered
from hermes_cli.gateway.channels.telegram.text import LONGEST, Rich, joined, tail
from hermes_cli.gateway.conversations.forms import Form, Forms

PLACEHOLDER = "…"  # what a message says before it says anything
_MOST = 16_384  # characters of output at the most that are read for it


@dataclass(slots=True)
class Preview:
    """The output of a turn so far; `shown` is what stands in the chat."""

    since: float
    text: str = ""
    shown: str = ""
    forms: Forms = field(default_factory=Forms)

    def grow(self, text: str, form: Form | None) -> None:
        """Take in output, of which the end is kept."""
        self.text += text
        self.forms.grow(len(text), form)
        if len(self.text) > _MOST:
            self.text = self.text[-LONGEST:]
            self.forms.keep(LONGEST)

    def words(self) -> Rich:
        """Return what is shown: as much of the end as a message holds, and that more is to come."""
        return tail(joined([rendered(self.text, self.forms.of_last(len(self.text))), Rich(f"\n{PLACEHOLDER}")]))
