"""hermes-agent in the same environment is recognised, and nowhere else."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes_cli.errors import HermesError
from hermes_cli.installation import shared


@pytest.mark.parametrize(
    ("origin", "again"),
    [
        (None, "hermes-agent==0.19.0"),
        ({"url": "file:///home/u/her%20mes", "dir_info": {"editable": True}}, "-e '/home/u/her mes'"),
        ({"url": "https://example.com/hermes_agent.whl", "archive_info": {}}, "https://example.com/hermes_agent.whl"),
        ("garbage", "hermes-agent==0.19.0"),
    ],
)
def test_an_environment_that_has_hermes_agent_as_well_is_refused_with_the_commands_that_part_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: Any, again: str
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shared.refuse()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    information = tmp_path / "lib" / version / "site-packages" / "hermes_agent-0.19.0.dist-info"
    information.mkdir(parents=True)
    if origin is not None:
        (information / "direct_url.json").write_text(json.dumps(origin))
    with pytest.raises(HermesError) as refused:
        shared.refuse()
    pip = f"{sys.executable} -m pip"
    commands = f"{pip} uninstall -y hermes-gateway && {pip} install --force-reinstall --no-deps {again}"
    assert f"({tmp_path}), where the two overwrite each other" in str(refused.value)
    assert str(refused.value).endswith(f"; to part them: {commands}")
