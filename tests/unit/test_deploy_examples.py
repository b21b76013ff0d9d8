"""The examples in docs/deploy: what they call is there, and they give a gateway the time that it takes."""

import configparser
import json
import re
from pathlib import Path

import pytest

from hermes_cli.cli.main import hermes
from hermes_cli.config import GatewayConfig

DEPLOY = Path(__file__).parent.parent.parent / "docs" / "deploy"
LEAST = GatewayConfig().stop_clocks.supervisor_kill


def commands(text: str) -> list[list[str]]:
    """Each command line of hermes: a list in JSON's form, or the rest of a line of a unit."""
    found = [json.loads(one) for one in re.findall(r'\["(?:CMD", ")?hermes"[^]]*\]', text)]
    found += [line.split() for line in re.findall(r"^Exec\w+=/opt/hermes/bin/(hermes .*)$", text, re.MULTILINE)]
    return [words[1:] if words[0] == "CMD" else words for words in found]


@pytest.mark.parametrize("path", [one for one in DEPLOY.iterdir() if one.suffix != ".md"], ids=lambda one: one.name)
def test_every_command_in_it_is_one(path: Path) -> None:
    found = commands(path.read_text(encoding="utf-8"))
    assert found
    for _, *words in found:
        with pytest.raises(SystemExit) as ended:  # 2 where anything before --help is not understood
            hermes.main([*words, "--help"])
        assert ended.value.code == 0


def test_each_gives_a_stop_its_time() -> None:
    compose = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    kubernetes = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(DEPLOY / "hermes-gateway@.service")
    times = [
        re.search(r"stop_grace_period: (\d+)s", compose),
        re.search(r"terminationGracePeriodSeconds: (\d+)", kubernetes),
        re.search(r"(\d+)", unit["Service"]["TimeoutStopSec"]),
    ]
    for found in times:
        assert found is not None
        assert int(found[1]) > LEAST


def test_the_cluster_s_own_schemas_accept_it() -> None:
    yaml = pytest.importorskip("yaml")
    validate = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")):
        validate.validate(document, "1.31", strict=True)
