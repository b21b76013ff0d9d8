"""An update that cannot end well does not begin, and new code that some gateway would not come up with goes back."""

from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import Source
from support.machines.installation import Installation

from hermes_cli.intents.instance import Instance
from hermes_cli.paths import Paths
from hermes_cli.programs import own

pytestmark = pytest.mark.e2e
TYPO = "[terminal]\ntimout = 5\n"
MEND = "terminal.timout is not a setting, did you mean timeout?"
CHECK = "hermes_cli/cli/gateway.py"


class Two:
    """The gateways of two profiles on one checkout."""

    def __init__(self, hermes: Installation, source: Source) -> None:
        self.hermes = hermes
        self.source = source
        self.work = Paths("work", hermes.paths.root, str(hermes.home), f"{hermes.home}/logs", str(hermes.home))
        self.before = [hermes.install(), self._install_work()]
        self.old = source.head()

    def _install_work(self) -> Instance:
        done = self.hermes.run("-p", "work", "gateway", "install")
        assert done.returncode == 0, done.stderr
        return self._now()[1]

    def _now(self) -> list[Instance]:
        found = [own.read_alive(self.hermes.paths), own.read_alive(self.work)]
        return [one for one in found if one is not None]

    @property
    def are_untouched(self) -> bool:
        """Whether both run as before, on the code that is there, and nobody was asked for anything."""
        queues = (self.hermes.paths.queue, self.work.queue)
        return (
            [one.identity for one in self._now()] == [one.identity for one in self.before]
            and self.source.is_exactly(self.old)
            and not any(queue.unsettled() for queue in queues)
        )


@pytest.fixture
def two(make_installation: Callable[..., Installation], source: Source) -> Two:
    """Both ready."""
    return Two(make_installation("home", code=source.clone), source)


def break_config(path: str) -> None:
    with open(path, "a", encoding="ascii") as file:
        file.write(TYPO)


def test_an_update_does_not_begin_while_a_profile_that_is_to_restart_would_not_come_up_again(two: Two) -> None:
    two.source.publish({"new.txt": "1"})
    shown = two.hermes.run("update", "--check", "--all-profiles").stdout
    lines = [f"  then restarts the gateway of profile {name}, embedded" for name in ("default", "work")]
    assert shown.splitlines()[-2:] == lines
    Path(two.work.config).parent.mkdir(parents=True, exist_ok=True)
    break_config(two.work.config)
    assert MEND in two.hermes.run("update", "--check", "--all-profiles").stdout
    done = two.hermes.run("update", "--all-profiles")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith("hermes: nothing was changed, the gateway of profile work would not come up again: ")
    assert two.work.config in done.stderr
    assert MEND in done.stderr
    assert two.are_untouched
    done = two.hermes.run("gateway", "restart", "--all", "--order", "work")
    assert done.returncode == 78  # the configuration is wrong
    assert "hermes: work: nothing was restarted, the next gateway would not start: " in done.stderr
    assert "left as they are: default" in done.stderr
    assert two.are_untouched


def test_new_code_that_another_profile_would_not_come_up_with_goes_back_before_anything_is_signalled(two: Two) -> None:
    old = (two.source.clone / CHECK).read_text()
    new = old.replace("    user_environment.apply(paths)\n", "    assert paths.profile == 'default', 'no work'\n", 1)
    assert new != old
    two.source.publish({CHECK: new})
    done = two.hermes.run("update", "--all-profiles")
    assert done.returncode == 1
    assert "the gateway of profile work would not come up again" in done.stderr
    assert "no work" in done.stderr
    assert two.are_untouched


def test_an_update_whose_own_gateway_would_not_come_up_again_is_refused_in_one_line(
    hermes: Installation, source: Source
) -> None:
    before = hermes.install()
    old = source.head()
    source.publish({"new.txt": "1"})
    break_config(hermes.paths.config)
    done = hermes.run("update")
    assert (done.returncode, done.stderr.count("\n")) == (78, 1), done.stderr
    assert MEND in done.stderr
    assert source.is_exactly(old)
    assert hermes.ready().identity == before.identity
    assert hermes.ever_settled() == []
