"""Real wheels of this package, and of what it needs, in a directory; no network and no build tool."""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from support.machines.installation import REPOSITORY
from support.machines.interpreter import FAULTS, Python
from support.releases.changes import Change

SLOW = 120.0  # seconds for pip and venv, which tests of ours do not hurry
NEEDED = ("click", "filelock", "platformdirs", "psutil", "tomlkit")
DISTRIBUTION = "hermes-gateway"
ANY = (
    f"{DISTRIBUTION}>=0"  # a word `hermes-gateway` alone is ended by a real hermes-agent that updates beside this test
)
_MAIN = "hermes_cli.__main__:main"
_SCRIPTS = f"[console_scripts]\nhermes = {_MAIN}\nhermesctl = {_MAIN}\n"
# No test changes them, so copies of an environment share their files. What Python writes there, it renames into place.
SHARED = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


class Wheels:
    """A directory for --find-links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    def needed(cls, folder: Path) -> "Wheels":
        """What hermes needs."""
        made = cls(folder)
        for name in NEEDED:
            made.repack(name)
        return made

    @classmethod
    def make(cls, folder: Path) -> "Wheels":
        """Hermes 1.0, what it needs, and two versions of a package `extra`."""
        made = cls.needed(folder)
        for version in ("1", "2"):
            made.publish("extra", version, {"extra.py": f"VERSION = {version}\n".encode()})
        made.release("1.0")
        return made

    def release(self, version: str, *changes: Change, needs: tuple[str, ...] = NEEDED) -> str:
        """Publish this package as `version`, changed; the version."""
        files = {}
        for path in sorted((REPOSITORY / "hermes_cli").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[str(path.relative_to(REPOSITORY))] = path.read_text()
        name = "hermes_cli/__init__.py"
        files[name] = re.sub(r'__version__ = "[^"]*"', f'__version__ = "{version}"', files[name])
        for path, old, new in changes:
            assert old in files[path]
            files[path] = files[path].replace(old, new)
        self.publish_hermes(DISTRIBUTION, version, {name: text.encode() for name, text in files.items()}, needs)
        return version

    def publish_hermes(
        self, name: str, version: str, files: dict[str, bytes], needs: tuple[str, ...] = NEEDED, scripts: str = _SCRIPTS
    ) -> None:
        """Write a wheel of these files of the package, by whichever name and with its scripts."""
        about = f"{name.replace('-', '_')}-{version}.dist-info/entry_points.txt"
        self.publish(name, version, {**files, about: scripts.encode()}, needs)

    def publish(self, name: str, version: str, files: dict[str, bytes], needs: tuple[str, ...] = ()) -> None:
        """Write any pure wheel."""
        stem = f"{name.replace('-', '_')}-{version}"
        described = [f"Requires-Dist: {one}" for one in needs]
        described += sorted(
            {f"Provides-Extra: {extra}" for one in needs for extra in re.findall('extra == "(.+)"', one)}
        )
        text = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *described, ""])
        tags = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        inside = {f"{stem}.dist-info/METADATA": text.encode(), f"{stem}.dist-info/WHEEL": tags.encode()}
        _write(self.folder / f"{stem}-py3-none-any.whl", files | inside, f"{stem}.dist-info/RECORD")

    def repack(self, name: str) -> None:
        """The wheel of something that is installed here, from its own files."""
        found = metadata.distribution(name)
        assert found.files is not None
        files = {}
        for one in found.files:
            if one.parts[0] in {"..", "/"} or one.suffix == ".pyc" or one.name in _LEFT_OUT:
                continue
            files[str(one)] = Path(str(one.locate())).read_bytes()
        (about,) = [path for path in files if path.endswith(".dist-info/WHEEL")]
        tag = re.search(r"^Tag: (\S+)", files[about].decode(), re.MULTILINE)
        assert tag is not None
        folder = about.partition("/")[0]
        _write(self.folder / f"{folder.removesuffix('.dist-info')}-{tag[1]}.whl", files, f"{folder}/RECORD")


def _write(path: Path, files: dict[str, bytes], record: str) -> None:
    lines = []
    path.unlink(missing_ok=True)  # it may be a link to what others use
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(data)}")
        archive.writestr(record, "\n".join([*lines, f"{record},,", ""]))


class Environment(Python):
    """A virtual environment with hermes in it, or with what it needs."""

    def __init__(self, folder: Path, wheels: Wheels) -> None:
        super().__init__(folder)
        self.wheels = wheels

    @property
    def interpreter(self) -> Python:
        """Itself."""
        return self

    def pip(self, *arguments: str) -> None:
        """One pip command, without a network."""
        argv = [str(self.python), "-m", "pip", *arguments[:1], "--quiet", "--disable-pip-version-check"]
        where = ["--no-index", "--find-links", str(self.wheels.folder)] if arguments[0] == "install" else []
        done = subprocess.run(
            [*argv, *where, *arguments[1:]], capture_output=True, text=True, timeout=SLOW, check=False
        )
        assert done.returncode == 0, f"{done.args} ended with {done.returncode}: {done.stdout}{done.stderr}"

    def release(self, *change: str, needs: tuple[str, ...] = ()) -> str:
        """Publish the next release, with at most one change; its version."""
        number = len(list(self.wheels.folder.glob("hermes_gateway-*")))
        changes: list[Change] = [(change[0], change[1], change[2])] if change else []
        return self.wheels.release(f"1.{number}", *changes, needs=(*NEEDED, *needs))

    def pull(self) -> None:
        """Install the newest one by hand."""
        self.pip("install", "--upgrade", ANY)

    def revision(self) -> str:
        """The version that is installed, whole."""
        (found,) = self.version()
        left = [path.name for path in self.site.iterdir() if path.name.startswith("~")]
        assert left == [], f"pip has left {left}"
        return found

    def files(self) -> dict[str, bytes]:
        """Everything that is installed, without bytecode."""
        return {
            str(path.relative_to(self.site)): path.read_bytes()
            for path in self.site.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and path.relative_to(self.site).parts[0] != "pip"
        }

    def version(self) -> list[str]:
        """Which hermes is installed; more than one is half of each."""
        return [*self._versions("hermes_gateway"), *self._versions("hermes_cli")]

    def extra(self) -> str | None:
        """The version of the package `extra`; its file and what pip notes of it must agree."""
        found = self._versions("extra")
        assert len(found) <= 1, found
        written = self.site / "extra.py"
        assert written.exists() == bool(found)
        assert not found or written.read_text() == f"VERSION = {found[0]}\n"
        return found[0] if found else None

    def _versions(self, name: str) -> list[str]:
        return [re.sub(rf"{name}-(.*)\.dist-info", r"\1", path.name) for path in self.site.glob(f"{name}-*.dist-info")]

    @classmethod
    def at(cls, folder: Path) -> "Environment":
        """The one that `template` or `bare` has made there."""
        return cls(folder / "environment", Wheels(folder / "wheels"))

    @classmethod
    def template(cls, folder: Path) -> "Environment":
        """One with the first release, installed by pip."""
        made = cls.make(folder / "environment", Wheels.make(folder / "wheels"))
        made.pip("install", ANY)
        return made

    @classmethod
    def bare(cls, folder: Path) -> "Environment":
        """One without hermes, and wheels of what it needs."""
        return cls.make(folder / "environment", Wheels.needed(folder / "wheels"))

    def branch(self, folder: Path) -> "Environment":
        """Another one like this, with wheels of its own. Their paths have spaces, quotes and non-ASCII letters."""
        wheels = Wheels(folder / "wheels of 'hermes'")
        for path in self.wheels.folder.iterdir():
            (wheels.folder / path.name).hardlink_to(path)
        return self.copy(folder / "ünvironment", wheels)

    @classmethod
    def make(cls, folder: Path, wheels: Wheels) -> "Environment":
        """An environment with pip, and nothing else yet."""
        subprocess.run([sys.executable, "-m", "venv", str(folder)], timeout=SLOW, check=True)
        return cls(folder, wheels)

    def shared(self) -> dict[str, str]:
        """What lies in the files that copies share."""
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in SHARED
            for path in sorted((self.site / name).rglob("*"))
            if path.is_file() and path.suffix != ".pyc"
        }

    def copy(self, folder: Path, wheels: Wheels) -> "Environment":
        """Another one like this; its scripts are left out, for they name this one."""
        shared = tuple(f"{self.site / name}{os.sep}" for name in SHARED)

        def copy_or_link(source: str, target: str) -> None:
            if source.startswith(shared):
                os.link(source, target)
            else:
                shutil.copy2(source, target)

        shutil.copytree(self.folder, folder, symlinks=True, copy_function=copy_or_link)
        for script in (folder / "bin").iterdir():
            if not script.name.startswith("python"):
                script.unlink()
        made = Environment(folder, wheels)
        made.write_script()
        made.look_also_in(FAULTS)
        # What a service manager starts has no variable that could tell pip where wheels are.
        (folder / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {wheels.folder.as_uri()}\n")
        return made
