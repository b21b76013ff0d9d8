"""Completion in real shells: commands, profiles, ids; nothing heavy is imported while somebody waits for it."""

import os
import shutil
import subprocess
import sys

import pytest
from support import PATIENCE

from hermes_cli.paths import Paths


@pytest.fixture
def shell(tmp_path, home, publish_settled):
    """Ask a shell for the completions of some words, the last of which has only begun."""
    program = tmp_path / "bin" / "hermes"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m hermes_cli "$@"\n')
    program.chmod(0o755)

    def ask(name, *words):
        quoted = " ".join(f"'{word}'" for word in words)
        script = {
            "bash": f'eval "$(hermes completion bash)"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; '
            '_hermes_completion hermes; printf "%s\\n" "${COMPREPLY[@]}"',
            "fish": f"hermes completion fish | source; complete -C \"{' '.join(words)}\" | string replace -r '\\t.*' ''",
            "zsh": f'autoload -Uz compinit; compinit -u; eval "$(hermes completion zsh)"; words=({quoted}); '
            f"CURRENT={len(words)}; _describe() {{ print -l -- ${{${{(P)3}}%%:*}} }}; compadd() {{ shift; "
            "print -l -- ${(P)@[-1]} }; _hermes_completion",
        }[name]
        done = subprocess.run(
            [name, "-c", script],
            env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "HERMES_HOME": home},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.fixture
def publish_settled(at_home):
    """Make two profiles, and two settled records and a pending one in the default profile."""
    for profile in ("work", "ops"):
        os.makedirs(f"{at_home.root}/profiles/{profile}", mode=0o700)
    for directory in ("pending", "settled"):
        os.makedirs(f"{at_home.intents}/{directory}", mode=0o700)
    for place in ("pending/20261126T3", "settled/20261126T1", "settled/20261126T2"):
        with open(f"{at_home.intents}/{place}.json", "w", encoding="ascii") as file:
            file.write("{}")
    return at_home


@pytest.fixture(params=["bash", "zsh", "fish"])
def name(request):
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    return request.param


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("gateway", "st"), {"start", "starts", "stop", "status"}),
        (("-p", ""), {"default", "ops", "work"}),
        (("gateway", "status", "-p", "w"), {"work"}),
        (("gateway", "intents", "cancel", ""), {"20261126T3"}),
        (("gateway", "intents", "retry", "2026"), {"20261126T1", "20261126T2"}),
        (("gateway", "intents", "show", "-p", "work", ""), set()),
        (("config", "set", "gateway.dr"), {"gateway.drain_timeout"}),
        (("gateway", "install", "--manager", "e"), {"embedded"}),
    ],
)
def test_a_shell_offers_what_can_follow(shell, name, words, offered):
    assert set(shell(name, "hermes", *words)) == offered


def test_nothing_is_looked_at_or_started_for_it(shell, at_home: Paths):
    assert shell("bash", "hermes", "gateway", "intents", "cancel", "") == ["20261126T3"]
    assert not os.path.exists(at_home.supervisor)
    assert os.listdir(at_home.pending) == ["20261126T3.json"]


@pytest.mark.parametrize("words", ["hermes\ngateway\nst", "hermes\n-p\n", "hermes\nupdate\n--"])
def test_nothing_heavy_is_imported_for_it(run_code, home, words):
    code = "from hermes_cli.cli.line import run\nrun([])\nimport sys\nprint(*sys.modules)"
    count = str(words.count("\n"))
    environment = {"HERMES_HOME": home, "COMP_WORDS": words, "COMP_CWORD": count, "_HERMES_COMPLETE": "bash_complete"}
    found = set(run_code(code, environment=environment).split())
    assert not found & {"filelock", "psutil", "asyncio", "rich", "tomlkit", "subprocess", "logging"}
    assert not found & {"hermes_cli.intents.driver", "hermes_cli.intents.queue", "hermes_cli.services"}
