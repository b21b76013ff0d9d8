"""Every deadline contains the one before it, whatever the numbers."""

from hypothesis import given
from hypothesis import strategies as st

from hermes_cli.config import GatewayConfig
from hermes_cli.intents.clocks import Clocks

SECONDS = st.floats(0, 1e6)


@given(SECONDS, st.floats(0.1, 1e6))
def test_drain_comes_before_backstop_before_supervisor_before_driver(drain, teardown):
    clocks = Clocks(drain, teardown)
    assert clocks.drain < clocks.exit_backstop < clocks.supervisor_kill < clocks.driver_deadline


@given(SECONDS)
def test_the_order_holds_without_any_teardown_too(drain):
    clocks = Clocks(drain, 0.0)
    assert clocks.drain <= clocks.exit_backstop <= clocks.supervisor_kill <= clocks.driver_deadline


def test_the_turn_that_asked_has_time_to_print_its_answer():
    assert Clocks(10.0).exit_backstop - 10.0 > Clocks(10.0).requester_grace > 0


def test_a_stop_is_quicker_than_a_restart():
    config = GatewayConfig()
    assert config.stop_clocks.driver_deadline < config.restart_clocks.drain
