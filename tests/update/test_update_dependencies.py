"""Packages that a new release needs, and git's lock files. pip is a stand-in that says how it was called."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from checkouts import Source
from support import PATIENCE
from support.machines.installation import Installation

from hermes_cli.errors import HermesError
from hermes_cli.update.sources.git import checkout as git
from hermes_cli.update.sources.git import dependencies
from hermes_cli.update.sources.git import source as change

pytestmark = pytest.mark.e2e
PIP = """
import os, sys
with open(os.environ["PIP_CALLS"], "a") as file:
    print(*sys.argv[1:], file=file)
if os.environ.get("PIP_BREAKS"):
    import pathlib, shutil
    site = pathlib.Path(os.environ["PIP_BREAKS"])
    (site / "extra.py").write_text("half of 2")
    (site / "extra-1.dist-info").rename(site / "~xtra-1.dist-info")
if os.environ.get("PIP_FAILS"):
    sys.exit("ERROR: no such package")
"""


@pytest.fixture
def pip(tmp_path: Path, source: Source) -> Callable[..., dict[str, str]]:
    """The environment of an installation that pip made from the clone."""

    def make(*, editable: bool, url: str | None = None) -> dict[str, str]:
        site = tmp_path / "site"
        (site / "pip").mkdir(parents=True)
        (site / "pip" / "__main__.py").write_text(PIP)
        (site / "pip" / "__init__.py").write_text("")
        info = site / "hermes_gateway-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hermes-gateway\nVersion: 0.1.0\n")
        where = {"url": url or source.clone.as_uri(), "dir_info": {"editable": editable}}
        (info / "direct_url.json").write_text(json.dumps(where))
        return {"PYTHONPATH": f"{site}:{source.clone}", "PIP_CALLS": str(tmp_path / "calls")}

    return make


def calls(tmp_path: Path) -> list[str]:
    """How pip was called."""
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def more_dependencies(source: Source) -> dict[str, str]:
    """A release that needs one package more."""
    text = (source.clone / "pyproject.toml").read_text()
    return {"pyproject.toml": text.replace("dependencies = [", 'dependencies = [\n  "another",', 1)}


@pytest.mark.parametrize("target", ["-e ", ""])
def test_other_dependencies_are_installed_the_way_hermes_is_installed(
    hermes: Installation,
    source: Source,
    pip: Callable[..., dict[str, str]],
    tmp_path: Path,
    target: str,
) -> None:
    source.publish(more_dependencies(source))
    done = hermes.run("update", **pip(editable=bool(target)))
    assert done.returncode == 0, done.stderr
    (call,) = calls(tmp_path)
    assert call == f"install --quiet --disable-pip-version-check --no-input {target}{source.clone}"


def test_a_release_with_the_same_dependencies_installs_nothing(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    text = (source.clone / "pyproject.toml").read_text()
    source.publish({"pyproject.toml": text.replace('version = "', 'version = "9.', 1)})
    assert hermes.run("update", **pip(editable=True)).returncode == 0
    assert calls(tmp_path) == []


def test_a_hermes_that_pip_installed_from_elsewhere_is_not_installed_over(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    source.publish(more_dependencies(source))
    done = hermes.run("update", **pip(editable=True, url="file:///elsewhere"))
    assert "hermes was not installed with pip, pipx or uv from this checkout" in done.stdout
    assert done.returncode == 0
    assert calls(tmp_path) == []


def test_dependencies_that_cannot_be_installed_put_the_old_code_back(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    old = source.head()
    source.publish(more_dependencies(source))
    done = hermes.run("update", PIP_FAILS="1", **pip(editable=True))
    assert done.returncode == 1
    assert "cannot be installed (ERROR: no such package)" in done.stderr
    assert source.is_exactly(old)
    assert len(calls(tmp_path)) == 2


def test_the_old_dependencies_are_installed_again_with_the_old_code(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    old = source.head()
    source.publish({**more_dependencies(source), "hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n"})
    done = hermes.run("update", **pip(editable=True))
    assert "RuntimeError: boom" in done.stderr
    assert source.is_exactly(old)
    assert len(calls(tmp_path)) == 2


def test_what_pip_has_broken_is_put_back_from_its_files_and_needs_no_pip(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    variables = pip(editable=True)
    site = tmp_path / "site"
    about = site / "hermes_gateway-0.1.0.dist-info"
    with (about / "METADATA").open("a") as file:
        file.write("Requires-Dist: extra>=1\n")
    (about / "RECORD").write_text(
        "hermes_gateway-0.1.0.dist-info/METADATA,,\nhermes_gateway-0.1.0.dist-info/RECORD,,\n"
    )
    (site / "extra.py").write_text("1")
    extra = site / "extra-1.dist-info"
    extra.mkdir()
    (extra / "METADATA").write_text("Name: extra\nVersion: 1\n")
    (extra / "RECORD").write_text("extra.py,,\nextra-1.dist-info/METADATA,,\nextra-1.dist-info/RECORD,,\n")
    old = source.head()
    source.publish(more_dependencies(source))
    done = hermes.run("update", PIP_FAILS="1", PIP_BREAKS=str(site), **variables)
    assert done.returncode == 1
    assert source.is_exactly(old)
    assert (site / "extra.py").read_text() == "1"
    assert (extra / "RECORD").exists()
    assert not list(site.glob("~*"))
    assert len(calls(tmp_path)) == 1


def test_a_rollback_brings_the_files_of_before_and_needs_no_pip(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    variables = pip(editable=True)
    site = tmp_path / "site"
    about = site / "hermes_gateway-0.1.0.dist-info"
    (about / "RECORD").write_text(
        "hermes_gateway-0.1.0.dist-info/METADATA,,\nhermes_gateway-0.1.0.dist-info/RECORD,,\n"
    )
    metadata = (about / "METADATA").read_text()
    old = source.head()
    source.publish(more_dependencies(source))
    assert hermes.run("update", **variables).returncode == 0
    (about / "METADATA").write_text("what pip has written")
    done = hermes.run("update", "--rollback", PIP_FAILS="1", **variables)
    assert done.returncode == 0, done.stderr
    assert source.is_exactly(old)
    assert (about / "METADATA").read_text() == metadata
    assert len(calls(tmp_path)) == 1


def test_a_rollback_without_the_files_of_before_installs_what_the_old_revision_needs(
    hermes: Installation, source: Source, pip: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    variables = pip(editable=True)
    old, new = source.head(), source.publish(more_dependencies(source))
    assert hermes.run("update", **variables).returncode == 0
    failed = hermes.run("update", "--rollback", PIP_FAILS="1", **variables)
    assert "cannot be installed (ERROR: no such package)" in failed.stderr
    assert source.is_exactly(new)
    assert hermes.run("update", "--rollback", **variables).returncode == 0
    assert source.is_exactly(old)


def test_broken_project_files_differ(source: Source) -> None:
    old = source.head()
    new = source.publish({"pyproject.toml": "["})
    subprocess.run(["git", "-C", source.clone, "fetch", "--quiet"], timeout=PATIENCE, check=True)
    assert dependencies.differ(git.find(package=str(source.clone / "hermes_cli")), old, new)


def test_a_lock_file_of_a_living_git_is_left_alone_and_one_of_a_dead_git_removed(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change, "_FOREIGN_GIT", 0.1)
    checkout = git.find(package=str(source.clone / "hermes_cli"))
    lock = source.clone / ".git" / "index.lock"
    lock.touch()
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=source.clone, stdin=subprocess.PIPE) as somebodys:
        with pytest.raises(HermesError, match=rf"git \(pid {somebodys.pid}\) is at work"):
            change.remove_stale_locks(checkout)
        assert lock.exists()
    change.remove_stale_locks(checkout)
    assert not lock.exists()
