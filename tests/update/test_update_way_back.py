"""A revision that cannot be brought in whole, or a way back that is barred: old code, whole, sooner or later."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from checkouts import Source, git
from support import PATIENCE
from support.faults.places import fault
from support.machines.installation import Installation

from hermes_cli.paths import Paths
from hermes_cli.update import journal, proof

pytestmark = pytest.mark.e2e
LFS = "*.bin filter=lfs\n"
NOT_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file immutable and mount a file system")


def refused(hermes: Installation, *options: str) -> str:
    """What an update says that does not succeed."""
    done = hermes.run("update", *options)
    assert done.returncode == 1, done.stdout
    return done.stderr


def is_over(paths: Paths) -> bool:
    """Whether no update is left to be finished."""
    return not journal.under_way(paths)


def missing_filter(source: Source) -> None:
    """What `git lfs install` writes, where git-lfs is gone."""
    git(source.clone, "config", "filter.lfs.required", "true")
    for what in ("clean", "smudge"):
        git(source.clone, "config", f"filter.lfs.{what}", f"hermes-test-no-such-program {what} %f")


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """A file that nobody can change, remove or replace."""
    if subprocess.run(["chattr", "+i", path], capture_output=True, timeout=PATIENCE, check=False).returncode:
        pytest.skip("this file system knows no immutable files")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], timeout=PATIENCE, check=True)


@pytest.mark.parametrize(
    "files",
    [
        {".gitattributes": LFS, "big.bin": "1", "hermes_cli/zzz.py": "1"},
        {".gitattributes": LFS.replace("bin", "py"), "hermes_cli/gateway/run.py": "changed = True\n"},
        {"hermes_cli/.gitattributes": LFS.replace("bin", "py"), "hermes_cli/aaa.py": "1", "zzz.txt": "1"},
    ],
    ids=["a new file", "every file", "attributes below the root"],
)
def test_a_filter_that_is_not_here_leaves_the_old_code_and_the_next_release_is_taken(
    hermes: Installation, source: Source, files: dict[str, str | None]
) -> None:
    old = source.head()
    missing_filter(source)
    source.publish(files)
    said = refused(hermes)
    assert "filter" in said
    assert "was put back" in said
    assert source.is_exactly(old)
    assert git(source.clone, "branch", "--show-current") == "main"
    assert is_over(hermes.paths)
    git(source.author, "rm", "--quiet", "--force", next(name for name in files if name.endswith(".gitattributes")))
    mended = source.publish({name: "mended = True\n" for name in files if not name.endswith(".gitattributes")})
    done = hermes.run("update", "--no-restart", "--to", "main")
    if "run.py" not in "".join(files):
        assert done.returncode == 0, done.stderr
        assert source.is_exactly(mended)


def test_a_filter_that_is_not_here_is_no_trouble_after_the_updater_was_killed(
    hermes: Installation, source: Source, recover: Callable[[], str]
) -> None:
    old = source.head()
    new = source.publish({".gitattributes": LFS.replace("bin", "py"), "hermes_cli/zzz.py": "1"})
    kill = fault("kill", proof.failure)
    assert hermes.run("update", fault=kill).returncode < 0
    assert source.head() == new
    missing_filter(source)
    for path in (source.clone / "hermes_cli").rglob("*.py"):
        os.utime(path)  # so that git compares them through the filter
    recover()
    assert source.is_exactly(old)
    assert is_over(hermes.paths)


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "y" * 300 + "/b"], ids=["a file", "a folder"])
def test_a_name_that_the_file_system_refuses_leaves_the_old_code(
    hermes: Installation, source: Source, name: str
) -> None:
    old = source.head()
    blob = subprocess.run(
        ["git", "-C", source.author, "hash-object", "-w", "--stdin"],
        input=b"1",
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    ).stdout.decode()
    git(source.author, "update-index", "--add", "--cacheinfo", f"100644,{blob.strip()},{name}")
    (source.author / "hermes_cli/zzz.py").write_text("1")
    git(source.author, "add", "hermes_cli/zzz.py")
    git(source.author, "commit", "--quiet", "-m", "A long name")
    git(source.author, "push", "--quiet", "origin", "HEAD")
    said = refused(hermes)
    assert "File name too long" in said
    assert source.is_exactly(old)
    assert is_over(hermes.paths)


def test_a_name_that_is_no_text_is_taken_away_again(hermes: Installation, source: Source) -> None:
    old = source.head()
    (Path(os.fsencode(source.author).decode()) / "new").mkdir()
    with open(os.fsencode(source.author) + b"/new/\xff\xfe", "wb") as file:
        file.write(b"1")
    source.publish({"hermes_cli/gateway/run.py": "raise RuntimeError('boom')\n"})
    assert "RuntimeError: boom" in refused(hermes)
    assert not (source.clone / "new").exists()
    assert source.is_exactly(old)


@NOT_ROOT
@pytest.mark.parametrize("text", ["theirs", None], ids=["changed", "removed"])
def test_a_file_that_cannot_be_replaced_leaves_the_old_code(
    hermes: Installation, source: Source, text: str | None
) -> None:
    old = source.head()
    source.publish({"LICENSE": text, "hermes_cli/aaa.py": "1", "zzz.txt": "1"})
    with immutable(source.clone / "LICENSE"):
        assert "LICENSE" in refused(hermes)
        assert source.is_exactly(old)
        assert is_over(hermes.paths)
    assert hermes.run("update").returncode == 0
    assert not (source.clone / "LICENSE").exists() or text


@NOT_ROOT
def test_a_file_that_cannot_be_put_back_is_put_back_by_the_next_who_comes(
    hermes: Installation, source: Source, recover: Callable[[], str]
) -> None:
    old = source.head()
    new = source.publish({"LICENSE": "theirs", "zzz.txt": "1"})
    kill = fault("kill", proof.failure)
    assert hermes.run("update", fault=kill).returncode < 0
    assert source.head() == new
    (source.clone / "hermes_cli/gateway/run.py").write_text("raise RuntimeError('boom')\n")
    with immutable(source.clone / "LICENSE"):
        assert "LICENSE" in recover()
        assert not is_over(hermes.paths)
    recover()
    assert source.is_exactly(old)
    assert git(source.clone, "branch", "--show-current") == "main"


FILLS_THE_DISK = """
try:
    with open({place!r}, "ab", buffering=0) as file:
        while file.write(bytes(65536)):
            pass
except OSError:
    raise RuntimeError("the disk is full") from None
"""


@NOT_ROOT
def test_a_disk_that_is_full_on_the_way_back_delays_it_only(
    make_installation: Callable[..., Installation], source: Source, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=48m", "none", disk], capture_output=True, timeout=PATIENCE, check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        source.publish({"big.txt": os.urandom(1 << 20).hex()})
        source.clone = disk / "clone"
        git(tmp_path, "clone", "--quiet", str(source.remote), str(source.clone))
        hermes = make_installation("another home", code=source.clone)
        old = source.head()
        full = disk / "full"
        release = FILLS_THE_DISK.format(place=str(full))
        source.publish({"big.txt": None, "added.txt": "1", "hermes_cli/gateway/run.py": release})
        said = refused(hermes)
        assert "could not be put back" in said
        full.unlink()
        done = hermes.run("update", "--check")
        assert done.returncode == 100, done.stderr
        refused(hermes)  # it finishes the first one before it begins
        full.unlink()
        hermes.run("gateway", "status")
        assert hermes.run("update", "--rollback").returncode == 1
        assert source.is_exactly(old)
        assert is_over(hermes.paths)
    finally:
        shutil.rmtree(disk / "clone", ignore_errors=True)
        subprocess.run(["umount", "--lazy", disk], timeout=PATIENCE, check=True)
