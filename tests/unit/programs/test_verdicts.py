"""What becomes of an adopted program whose process is gone: one sentence for each rule, and their order."""

import pytest
from support.values import replace

from hermes_cli.programs.verdicts import RULES, Ask, Later, Leave, Look, ManagerView, judge

NOW = 1000.0
GONE = Look(
    now=NOW,
    alive=False,
    known=True,
    gone_since=NOW,
    last_word="crashed",
    wanted=False,
    defined=True,
    rewritten=False,
    updating=False,
    asked=None,
    manager=ManagerView(loaded=True),
    helper=6.0,
    patience=4.0,
)
ASKED = replace(GONE, wanted=True, last_word="restart")
UNLOADED = ManagerView(loaded=False)
LONG_GONE = NOW - 100.0


@pytest.mark.parametrize(
    ("look", "verdict"),
    [
        pytest.param(replace(ASKED, alive=True), Leave, id="a process that lives is left, whatever its files say"),
        pytest.param(replace(ASKED, defined=False), Leave, id="an uninstalled one stays so"),
        pytest.param(replace(ASKED, manager=ManagerView()), Later, id="a manager that is silent is asked again"),
        pytest.param(replace(ASKED, manager=ManagerView(loaded=True, running=7)), Later, id="the manager is believed"),
        pytest.param(replace(ASKED, updating=True), Later, id="half-changed code is not started"),
        pytest.param(replace(ASKED, missing="/gone/python"), Later, id="what is not there is not started"),
        pytest.param(replace(ASKED, last_word="refused"), Leave, id="what refuses to start is not tried again"),
        pytest.param(replace(ASKED, manager=replace(UNLOADED, disabled=True)), Leave, id="disabled stays disabled"),
        pytest.param(replace(ASKED, asked="x"), Leave, id="one end makes one intent"),
        pytest.param(ASKED, Ask, id="a restart that was asked for is made at once where it is loaded"),
        pytest.param(replace(ASKED, manager=UNLOADED), Later, id="where it is not, its own helper comes first"),
        pytest.param(replace(ASKED, manager=UNLOADED, gone_since=LONG_GONE), Ask, id="and then it is loaded"),
        pytest.param(replace(GONE, last_word="stopped", gone_since=LONG_GONE), Leave, id="stopped stays stopped"),
        pytest.param(
            replace(GONE, gone_since=LONG_GONE, manager=ManagerView(loaded=True, ended_by_a_stop=True)),
            Leave,
            id="stopped in the manager stays so",
        ),
        pytest.param(GONE, Later, id="after a crash its manager comes first"),
        pytest.param(replace(GONE, gone_since=LONG_GONE), Ask, id="a crash that nobody mends is mended"),
        pytest.param(
            replace(GONE, gone_since=LONG_GONE, manager=ManagerView(loaded=True, will_start=True)),
            Later,
            id="a start that the manager has announced is waited for",
        ),
        pytest.param(replace(GONE, gone_since=LONG_GONE, manager=UNLOADED), Leave, id="booted out by hand stays so"),
        pytest.param(
            replace(GONE, gone_since=LONG_GONE, manager=UNLOADED, rewritten=True),
            Ask,
            id="a reload half done is finished",
        ),
        pytest.param(
            replace(GONE, gone_since=LONG_GONE, manager=UNLOADED, bring_back=True),
            Ask,
            id="unless a person chose otherwise",
        ),
        pytest.param(replace(GONE, known=False, gone_since=LONG_GONE), Leave, id="what never ran is not started"),
    ],
)
def test_verdict(look: Look, verdict: type) -> None:
    assert type(judge(look)) is verdict


def test_every_verdict_names_its_rule() -> None:
    assert judge(ASKED).rule == "restart_wanted"
    assert judge(replace(GONE, known=False)).rule in {rule.__name__ for rule in RULES}


def test_every_rule_says_what_it_does() -> None:
    assert [rule.__name__ for rule in RULES if not (rule.__doc__ or "").strip()] == []
