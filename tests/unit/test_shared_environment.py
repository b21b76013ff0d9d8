"""hermes-agent in the same environment is recognised, and nowhere else."""

import sys

import pytest

from hermes_cli.errors import HermesError
from hermes_cli.installation import shared


def test_an_environment_that_has_hermes_agent_as_well_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    shared.refuse()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (tmp_path / "lib" / version / "site-packages" / "hermes_agent-0.19.0.dist-info").mkdir(parents=True)
    with pytest.raises(HermesError, match=r"pip uninstall -y hermes-gateway, .* and hermesctl beside it, with pipx"):
        shared.refuse()
