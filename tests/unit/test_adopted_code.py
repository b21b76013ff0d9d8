"""What `doctor` says of the code that an adopted program's definition runs: there, uninstalled by pip, or wholly gone."""

import sys
from pathlib import Path

import pytest

from hermes_cli.paths import Paths
from hermes_cli.programs.adoption import Adoption
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.programs.program_file import built_in
from hermes_cli.status.of_adopted import code_problems

PLIST = (
    "<plist version='1.0'><dict><key>ProgramArguments</key>"
    "<array><string>{python}</string><string>-m</string><string>{module}</string></array></dict></plist>"
)
UNIT = "[Service]\nExecStart = {python} -m {module} gateway run\n"


def adopted(folder: Path, text: str) -> DeclaredProgram:
    definition = folder / "definition"
    definition.write_text(text)
    manager = "systemd" if text.startswith("[") else "launchd"
    adoption = Adoption("hermes-agent", manager, "ai.hermes.gateway", str(folder), str(definition))
    paths = Paths("x", str(folder), str(folder), str(folder))
    return DeclaredProgram(paths, adoption, built_in("hermes-agent"))


@pytest.mark.parametrize("form", [PLIST, UNIT], ids=["plist", "unit"])
@pytest.mark.parametrize(
    ("python", "module", "said"),
    [
        (sys.executable, "json.tool", None),
        (sys.executable, "no_such_package.main", "no such module"),
        (sys.executable, "json.no_such_module", "no such module"),
        ("/nowhere/python", "json.tool", "is not there"),
    ],
)
def test_doctor_says_whether_what_it_runs_is_there(
    tmp_path: Path, form: str, python: str, module: str, said: str | None
) -> None:
    found = list(code_problems(adopted(tmp_path, form.format(python=python, module=module)).adoption))
    assert [one.code for one in found] == ([] if said is None else ["adopted-program"])
    assert all(said is not None and said in one.text and "hermes gateway release" in one.mend for one in found)


@pytest.mark.parametrize("text", ["[Service]\nRestart=always\n", "<plist", "ExecStart", "{}"])
def test_doctor_says_of_a_definition_that_names_no_program_that_it_would_not_be_started(
    tmp_path: Path, text: str
) -> None:
    (found,) = code_problems(adopted(tmp_path, text).adoption)
    assert (found.code, "names no program to run" in found.text) == ("adopted-program", True)


@pytest.mark.parametrize("text", ["", "bplist00\ufffd"])
def test_a_definition_that_cannot_be_judged_is_no_problem_of_its_program(tmp_path: Path, text: str) -> None:
    assert not list(code_problems(adopted(tmp_path, text).adoption))


def test_a_definition_that_its_owner_has_changed_is_read_again(tmp_path: Path) -> None:
    adopted(tmp_path, UNIT.format(python="/old/venv/bin/python", module="x"))
    program = adopted(tmp_path, UNIT.format(python="/new/venv/bin/python", module="x"))
    assert program.adoption.fill("{install}/.update-incomplete") == "/new/.update-incomplete"
