"""What every test of one program as a real process may ask for."""

import pytest
from support.commands.one_profile import (  # noqa: F401  fixtures are found by their names
    at_home,
    children,
    failing_open,
    fill_disk,
    hermes,
    home,
    in_time,
    nothing_inherited,
    paths,
    place,
    publish,
    record,
    run_code,
    tiny_disk,
)


@pytest.fixture(autouse=True)
def _nothing_inherited(nothing_inherited):  # noqa: F811  the fixture of that name
    pass
