"""Type what README and how-to show, as an unprivileged user with a new home: `python tests/fresh_user.py`, as root.

For each Python (3.11 and another one, if that user finds one) and each of pip, pipx and uv: a home as useradd makes it,
a terminal, a clone, the lines of the documents one after the other; then the user's service manager is killed and
started as a new boot would, and the gateway has to be back. Where no manager runs, `install` has to have said that
nothing starts it. All of it runs in cgroups of its own, whose end takes everything with it.

It takes some minutes, prints a line for each line that was typed, and exits 1 if one of them did not do what it is for.
"""

import argparse
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

import pexpect  # noqa: E402  after the path is set
from support import PATIENCE  # noqa: E402
from support.machines.user_manager import UserManager, make_cgroup  # noqa: E402

NAME = "games"  # a user that every system has and nobody uses
README = (TESTS.parent / "README.md").read_text()
HOW_TO = (TESTS.parent / "docs" / "how-to.md").read_text()
WAYS = ("pip", "pipx", "uv")
_INSTALLS = {"pip": "python3 -m venv .venv", "pipx": "pipx install", "uv": "uv tool install"}
_PROMPT = "~typed~> "
_NETWORK = 120.0  # seconds for a line that fetches packages
# Sections of the how-to that this machine, or a newcomer, has nothing for; tests of their own walk them.
NOT_HERE = {
    "Get the program": "typed as its own step",
    "Keep an unmodified hermes-agent alive": "needs a hermes-agent: tests/rescue",
    "Take over a program without a service": "tests/services/test_taken_over.py",
    "As launchd jobs": "needs a Mac: tests/e2e/macos",
    "Run it in a container": "stays in the foreground: tests/services/test_deploy.py",
}


def blocks(text: str, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the section and the text of each block of a kind."""
    section, inside, lines = "", False, []
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if line == f"```{kind}":
            inside, lines = True, []
        elif inside and line == "```":
            inside = False
            yield section, "\n".join(lines)
        elif inside:
            lines.append(line)


def typed(text: str) -> Iterator[tuple[str, str]]:
    """Yield the section and each command that a document shows behind a prompt."""
    for section, block in blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield section, re.sub(r"\s+# .*", "", line[2:])


def start_line() -> str:
    """Return what README says to begin with."""
    return README.partition("<!-- start -->\n```sh\n")[2].partition("\n```")[0]


def install_line(way: str) -> str:
    """Return the line of the how-to."""
    (block,) = [block for section, block in blocks(HOW_TO, "sh") if section == "Get the program"]
    (line,) = [line for line in block.splitlines() if line.startswith(_INSTALLS[way])]
    return re.sub(r"\s+# .*", "", line)


class Shell:
    """A login shell on a terminal."""

    def __init__(self, user: "Newcomer") -> None:
        self._child = pexpect.spawn(
            "/bin/sh",
            ["-c", f'echo $$ >"$0/cgroup.procs"; exec {user.become} bash --login -i', str(user.beside)],
            env=user.environment,
            cwd=str(user.home),
            encoding="utf-8",
            codec_errors="replace",
            timeout=_NETWORK,
            dimensions=(40, 200),
            echo=False,
        )
        # In two halves, so that the line itself, which the terminal shows, is not taken for the prompt.
        half = len(_PROMPT) // 2
        quiet = "PROMPT_COMMAND=; bind 'set enable-bracketed-paste off'; cd ~/hermes 2>/dev/null"
        self._child.sendline(f"{quiet}; PS1='{_PROMPT[:half]}''{_PROMPT[half:]}'")
        self._child.expect_exact(_PROMPT, timeout=PATIENCE)

    def type(self, line: str) -> tuple[int, str]:
        """Type a line; return its exit code and what was printed."""
        self._child.sendline(line)
        self._child.expect_exact(_PROMPT)
        said = self._child.before or ""
        self._child.sendline("echo code=$?")
        self._child.expect(r"code=(\d+)", timeout=PATIENCE)
        code = int(self._child.match[1])
        self._child.expect_exact(_PROMPT, timeout=PATIENCE)
        return code, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", said).strip()

    def close(self) -> None:
        self._child.sendline("exit")
        self._child.expect(pexpect.EOF, timeout=PATIENCE)
        self._child.close(force=True)


class Newcomer(UserManager):
    """A user whose home has what useradd puts there, and a manager of its own."""

    def __init__(self, python: str) -> None:
        known = pwd.getpwnam(NAME)
        owner = f"{known.pw_uid}:{known.pw_gid}"
        self.become = f"setpriv --reuid {known.pw_uid} --regid {known.pw_gid} --clear-groups"
        super().__init__(self.become)
        self.beside = make_cgroup(f"{self.root.name}-shells")
        self.root.chmod(0o755)
        tools = self.root / "bin"
        tools.mkdir()
        (tools / "python3").symlink_to(python)
        for file in Path("/etc/skel").iterdir():
            shutil.copy(file, self.home)
        asked = {
            name: value for name, value in os.environ.items() if name.startswith("PIP_") or "proxy" in name.lower()
        }
        self.environment = {
            **asked,
            "UV_PYTHON_DOWNLOADS": "never",
            "SSL_CERT_FILE": os.environ.get("SSL_CERT_FILE") or os.environ.get("PIP_CERT", ""),
            "HOME": str(self.home),
            "USER": NAME,
            "LOGNAME": NAME,
            "SHELL": "/bin/bash",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin",
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        self.environment = {name: value for name, value in self.environment.items() if value}
        self.origin = self.home / "origin"
        git = ["git", "-c", "safe.directory=*"]
        # What is committed, as a clone has it; what is not would not reach anybody.
        subprocess.run([*git, "clone", "-q", "--no-local", str(TESTS.parent), str(self.origin)], check=True)
        subprocess.run(["git", "-C", str(self.origin), "checkout", "-q", "-B", "main"], check=True)
        subprocess.run(["git", "-C", str(self.origin), "remote", "remove", "origin"], check=True)
        for place in (self.home, self.runtime):
            subprocess.run(["chown", "-R", owner, str(place)], check=True)
        subprocess.run(["chown", "-R", owner, str(self.cgroup)], check=True)

    def release(self) -> None:
        """A commit that there is to be updated to."""
        name = ["-c", "user.name=n", "-c", "user.email=n@n"]
        line = shlex.join(["git", "-C", str(self.origin), *name, "commit", "-q", "--allow-empty", "-m", "next release"])
        self.run_as(line)

    def end_all(self) -> None:
        """End what was typed, and what that has started outside a service manager."""
        (self.beside / "cgroup.kill").write_text("1")

    def close(self) -> None:
        """End everything and remove every trace."""
        self.end_all()
        super().close()
        deadline = time.monotonic() + PATIENCE
        while (self.beside / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)  # a killed process is gone when the kernel has taken it down
        self.beside.rmdir()

    def run_as(self, line: str) -> str:
        """Run something as this user, beside the terminal; return what it prints."""
        done = subprocess.run(
            [*self.become.split(), "sh", "-c", line],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.stdout + done.stderr


class Story:
    """One user, one way of installing."""

    def __init__(self, user: Newcomer, way: str, shown: str, *, managed: bool) -> None:
        self._user = user
        self._way = way
        self._shown = shown
        self._managed = managed
        self._shell = Shell(user)
        self.wrong = 0

    def run(self) -> int:
        """Return how many lines did not do what they are for."""
        shell = self._shell
        self.line("git clone -q ~/origin hermes && cd hermes")
        if self._way == "pip":
            self.line(start_line(), "gateway    ready")
            self.line(install_line("pip"))
        else:
            # As a distribution would have them.
            self.line("python3 -m venv ~/.tools && ~/.tools/bin/pip install -q pipx uv && PATH=~/.tools/bin:$PATH")
            self.line(install_line(self._way))
            shell.close()
            self._shell = Shell(self._user)  # "then a new shell"
            said = self.line("hermes gateway install")
            if not self._managed:
                self.expect("nothing" in said, "install says that nothing starts it at boot")
        self.line("hermes gateway status", "ready")
        for section, command in [
            ("The report's case", one) for part, one in typed(README) if part == "The report's case"
        ]:
            self.line(command, "", section)
        self._user.release()
        for section, command in typed(HOW_TO):
            if (
                section in NOT_HERE
                or "uninstall" in command
                or (section == "As a systemd service" and not self._managed)
            ):
                continue
            if section == "Update" and command == "hermes update --check":
                self.line(command, "next release", section, code=100)  # there is news
            else:
                self.line(command, "", section)
        self.line("hermes gateway start")
        self.boot()
        self.line("hermes gateway uninstall")
        self._shell.close()
        return self.wrong

    def boot(self) -> None:
        """What a new boot is to a user's processes."""
        before = self.line("hermes gateway status --json | grep -m1 '\"pid\"'")
        self._shell.close()
        if self._managed:
            self._user.kill()
            self._user.start()
        else:
            self._user.end_all()
        self._shell = Shell(self._user)
        if self._way == "pip":
            self.line(". .venv/bin/activate")
        if self._managed:
            self.line("until hermes gateway probe ready; do sleep 0.2; done", "")
            after = self.line("hermes gateway status --json | grep -m1 '\"pid\"'")
            self.expect(before != after, "another gateway is ready after the boot")
        else:
            said = self.line("hermes gateway status", "hermes gateway start", code=3)
            self.expect("hermes gateway start" in said, "status says what starts it")

    def line(self, line: str, wanted: str = "", section: str = "", code: int = 0) -> str:
        """Type a line and say whether it did what it is for."""
        found, said = self._shell.type(line)
        good = found == code and "command not found" not in said and "Traceback" not in said and wanted in said
        shown = f"{section}: {line}" if section else line
        self.expect(good, shown if good else f"{shown}\n    exit code {found}\n    " + said.replace("\n", "\n    "))
        return said

    def expect(self, holds: bool, what: str) -> None:
        """Print a line of the report."""
        self.wrong += not holds
        print(f"{'ok   ' if holds else 'WRONG'} {self._shown}: {what}", flush=True)


def pythons() -> list[str]:
    """Return a Python 3.11 and the newest other one, of those that anybody may run and make environments with."""
    found: dict[str, str] = {}
    folders = os.environ["PATH"].split(":")
    look = "import sys, venv, ensurepip, ssl; print('%d.%d' % sys.version_info[:2])"
    for program in (f"{place}/python3.{minor}" for place in folders for minor in range(11, 20)):
        if os.access(program, os.X_OK):
            done = subprocess.run(
                ["setpriv", "--reuid", NAME, "--clear-groups", program, "-c", look],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode == 0:
                found.setdefault(done.stdout.strip(), program)
    others = sorted(found.keys() - {"3.11"}, key=lambda one: int(one[2:]))
    return [found[version] for version in ["3.11", *others[-1:]] if version in found]


def main() -> int:
    """Run every story, or those that were asked for; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter; without it, those that are found")
    parser.add_argument("--way", action="append", choices=WAYS)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("only root can become another user: run it as root", file=sys.stderr)
        return 2
    found = options.python or pythons()
    wrong = 0
    for python in found:
        for way in options.way or WAYS:
            wrong += _story(python, way, managed=True)
    if options.way is None:
        wrong += _story(found[0], "uv", managed=False)
    print(f"{wrong} lines did not do what they are for")
    return int(wrong > 0)


def _story(python: str, way: str, *, managed: bool) -> int:
    user = Newcomer(python)
    try:
        if managed:
            user.start()
        else:
            user.environment.pop("XDG_RUNTIME_DIR")
        shown = f"{Path(python).name}, {way}{'' if managed else ', no manager'}"
        return Story(user, way, shown, managed=managed).run()
    finally:
        user.close()


if __name__ == "__main__":
    sys.exit(main())
