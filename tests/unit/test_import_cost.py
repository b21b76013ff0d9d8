"""What is not imported, as a fact: start-up stays cheap because of what is absent."""

import ast
import inspect

import pytest
from support.machines.installation import REPOSITORY

from hermes_cli.restart import ask, wake

MODULES = "import sys; print(*sys.modules)"


@pytest.fixture
def imported(run_code, tmp_path):
    def after(code):
        environment = {"HERMES_HOME": f"{tmp_path}/home"}
        return set(run_code(f"{code}\n{MODULES}", environment=environment).split())

    return after


def test_a_requester_imports_nothing_heavy_to_write_its_record(imported):
    found = imported("import hermes_cli.intents.request")
    assert not found & {"dataclasses", "typing", "pathlib", "subprocess", "asyncio", "click", "filelock", "psutil"}


def test_a_requester_composes_and_submits_without_anything_heavier(imported, tmp_path):
    found = imported(
        "from hermes_cli.paths import resolve\n"
        "from hermes_cli.restart.ask import ask\n"
        "from hermes_cli.intents.request import submit\n"
        "paths = resolve()\n"
        "submit(paths.intents, ask(paths, reason='manual', command='x'))"
    )
    assert not found & {"dataclasses", "pathlib", "subprocess", "asyncio", "click", "filelock", "psutil"}


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_command_that_only_prints_imports_nothing_heavy(imported, option):
    found = imported(f"from hermes_cli.cli.line import run\nrun(['{option}'])")
    assert not found & {
        "psutil",
        "filelock",
        "asyncio",
        "rich",
        "subprocess",
        "dataclasses",
        "hermes_cli.intents.driver",
    }


def test_a_restarter_with_nothing_to_do_imports_nothing_heavy(imported):
    found = imported("from hermes_cli.jobs.restarter import main\nassert main(['--trigger', 'watch']) == 0")
    assert not found & {"click", "dataclasses", "filelock", "psutil", "pathlib", "typing", "subprocess", "logging"}


def test_a_request_from_the_command_line_imports_no_driver(imported):
    found = imported("import hermes_cli.cli.line, hermes_cli.cli.restart_now")
    assert not found & {
        "click",
        "dataclasses",
        "hermes_cli.intents.driver",
        "hermes_cli.intents.queue",
        "psutil",
        "filelock",
        "asyncio",
        "rich",
    }


def test_a_gateway_without_telegram_and_without_a_model_imports_nothing_of_them(imported):
    found = imported(
        "from hermes_cli.config import Config\n"
        "from hermes_cli.gateway.reception import channels_of\n"
        "from hermes_cli.gateway import run\n"
        "from hermes_cli.paths import resolve\n"
        "assert len(channels_of(resolve(), None, None, Config())) == 1\n"
        "from hermes_cli.gateway.reception import agent_of\n"
        "assert type(agent_of(Config().model, None, None)).__name__ == 'BuiltinAgent'"
    )
    assert not {
        name
        for name in found
        if name.startswith(
            ("httpx2", "httpcore2", "anyio", "hermes_cli.gateway.channels.tele", "hermes_cli.gateway.agents.model")
        )
    }


def test_a_status_imports_nothing_of_what_it_does_not_show(imported):
    found = imported(
        "import os\n"
        "os.environ['HERMES_SERVICE_MANAGER'] = 'embedded'\n"
        "from hermes_cli.cli.line import run\n"
        "assert run(['gateway', 'status']) == 4"
    )
    assert not found & {
        "click",
        "ctypes",
        "dataclasses",
        "hashlib",
        "inspect",
        "logging",
        "plistlib",
        "psutil",
        "filelock",
        "asyncio",
        "hermes_cli.intents.step",
        "hermes_cli.programs.declared",
        "hermes_cli.services.adopted.found",
        "hermes_cli.services.launchd.manager",
        "hermes_cli.services.systemd.manager",
    }


CHOSEN = ("hermes_cli.services", "hermes_cli.restart.ask_adopted")  # imported by choosing it, and of no gateway of ours


@pytest.mark.parametrize("module", [ask, wake], ids=["ask", "wake"])
def test_a_gateway_has_imported_what_a_request_imports_when_it_is_made(imported, module):
    """By then the code on the disk may be another release's."""
    found = imported("import hermes_cli.gateway.run, hermes_cli.gateway.for_later")
    functions = [one for one in ast.parse(inspect.getsource(module)).body if isinstance(one, ast.FunctionDef)]
    late = {
        f"{node.module}.{one.name}" if _is_module(f"{node.module}.{one.name}") else str(node.module)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("hermes_cli")
        for one in node.names
    }
    needed = {one for one in late if not one.startswith(CHOSEN)}
    assert needed
    assert needed - found == set()


def _is_module(name: str) -> bool:
    return (REPOSITORY / f"{name.replace('.', '/')}.py").exists()


def test_a_gateway_that_is_not_to_watch_for_other_code_imports_no_driver(imported):
    found = imported("import hermes_cli.gateway.run")
    assert not found & {
        "hermes_cli.intents.driver",
        "hermes_cli.intents.facts",
        "hermes_cli.gateway.skew_watch",
        "tomllib",
    }
