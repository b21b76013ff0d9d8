"""Real devices and limits of the kernel: full, without inodes, read-only, noexec, without link(2), out of tasks or memory.

In each: what was acknowledged is carried out or answered, once; a stop stops; and `status` tells the truth. Needs root
for what it mounts; what this kernel does not have is skipped with the reason.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from support.machines.installation import Installation
from support.machines.user_manager import UserManager

from hermes_cli.system import sockets

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root on Linux can mount a device"
)
PATIENCE = 30.0  # seconds
SERVICE = "hermes-gateway.service"


def tried(*argv: str) -> None:
    """Run a command; skip the test where it does not work."""
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{argv[0]} does not work here: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make a file system on a loop device and mount it; the directory."""
    mounted: list[Path] = []

    def make(*mkfs: str, megabytes: int = 24, options: str = "rw") -> Path:
        image, place = tmp_path / f"image-{len(mounted)}", tmp_path / f"device-{len(mounted)}"
        with image.open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)
        place.mkdir()
        tried(*mkfs, str(image))
        tried("mount", "-o", f"loop,{options}", str(image), str(place))
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def send(hermes: Installation, identifier: str, text: str) -> bool:
    """Say a message; whether it was acknowledged."""
    try:
        with sockets.connect(hermes.paths.socket, PATIENCE) as client:
            client.sendall(json.dumps({"op": "send", "session": "s", "id": identifier, "text": text}).encode() + b"\n")
            answer = json.loads(client.makefile("rb").readline())
    except OSError:
        return False
    assert answer["event"] in {"accepted", "error"}
    return answer["event"] == "accepted"


def replies(hermes: Installation) -> list[str]:
    with sockets.connect(hermes.paths.socket, PATIENCE) as client:
        client.sendall(json.dumps({"op": "history", "session": "s", "limit": 500}).encode() + b"\n")
        return [one["reply_to"] for one in json.loads(client.makefile("rb").readline())["messages"] if one["reply_to"]]


def one_line(done: "subprocess.CompletedProcess[str]") -> bool:
    return "Traceback" not in done.stderr and (
        done.returncode == 0 or done.stderr.splitlines()[-1].startswith(("hermes: ", "failed: ", "  "))
    )


def holds(hermes: Installation, trouble: Callable[[], object], mend: Callable[[], object]) -> None:
    """The promises, with trouble from outside and after it."""
    before = hermes.install()
    said = [name for name in ("a1", "a2") if send(hermes, name, "hello")]
    assert said == ["a1", "a2"]
    trouble()
    said += [name for name in ("b1", "b2", "b3") if send(hermes, name, "hello")]
    asked = hermes.run("gateway", "restart", "--no-wait")
    assert one_line(asked), asked.stderr
    shown = hermes.run("gateway", "status", "--json")
    assert "Traceback" not in shown.stderr
    document = json.loads(shown.stdout)
    running = document["instance"] is not None and document["instance"]["state"] != "exited"
    if running:
        assert psutil.pid_exists(document["instance"]["pid"])
    stopped = hermes.run("gateway", "stop")
    assert one_line(stopped), stopped.stderr
    hermes.until(lambda: not os.path.exists(f"/proc/{before.identity.pid}"), "the end of the gateway", PATIENCE)
    assert hermes.run("gateway", "status").returncode == 3  # and stays so
    mend()
    started = hermes.run("gateway", "start")
    assert started.returncode == 0, started.stderr + hermes.log()
    hermes.ready()
    hermes.until(lambda: set(said) <= set(replies(hermes)), f"answers to {said}", PATIENCE)
    assert len(replies(hermes)) == len(set(replies(hermes)))
    if asked.returncode == 0:
        hermes.until(lambda: not hermes.pending(), "no intent is left", PATIENCE)
        assert len(hermes.ever_settled()) == 1


def use_up(place: Path) -> None:
    """Take every byte."""
    with contextlib.suppress(OSError), (place / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 65536)
    with contextlib.suppress(OSError), (place / "ballast2").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0")


def use_up_inodes(place: Path) -> None:
    folder = place / "many"
    folder.mkdir()
    with contextlib.suppress(OSError):
        for number in range(100_000):
            (folder / str(number)).touch()


def release(place: Path) -> None:
    for name in ("ballast", "ballast2"):
        (place / name).unlink(missing_ok=True)
    shutil.rmtree(place / "many", ignore_errors=True)


def test_a_full_disk(device: Callable[..., Path], make_installation: Callable[..., Installation]) -> None:
    place = device("mkfs.ext4", "-q", "-m", "0")
    holds(make_installation(place / "home"), lambda: use_up(place), lambda: release(place))


def test_a_disk_without_inodes(device: Callable[..., Path], make_installation: Callable[..., Installation]) -> None:
    place = device("mkfs.ext4", "-q", "-N", "256")
    holds(make_installation(place / "home"), lambda: use_up_inodes(place), lambda: release(place))


def test_a_disk_that_turns_read_only(
    device: Callable[..., Path], make_installation: Callable[..., Installation]
) -> None:
    """As the kernel does at an error (errors=remount-ro): the descriptors that are open for writing fail from then on."""
    place = device("mkfs.ext4", "-q", options="errors=remount-ro")
    shutdown = Path(f"/sys/fs/ext4/{os.path.basename(os.path.realpath(source_of(place)))}/trigger_fs_error")
    if not shutdown.exists():
        pytest.skip("this kernel cannot have an error of ext4's on demand")

    def mend() -> None:
        subprocess.run(["umount", "-l", str(place)], check=True)
        device_image = place.parent / place.name.replace("device", "image")
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["losetup", "-j", str(device_image)], capture_output=True, check=True).stdout:
            assert time.monotonic() < deadline, "the device is in use"
            time.sleep(0.1)  # a device that is let go tells nobody
        subprocess.run(["fsck.ext4", "-fy", str(device_image)], capture_output=True, check=False)
        subprocess.run(["mount", "-o", "loop", str(device_image), str(place)], check=True)

    hermes = make_installation(place / "home")
    before = hermes.install()
    said = [name for name in ("a1", "a2") if send(hermes, name, "hello")]
    hermes.until(lambda: set(said) <= set(replies(hermes)), "the first answers", PATIENCE)
    shutdown.write_text("test")
    said += [name for name in ("b1",) if send(hermes, name, "hello")]
    asked = hermes.run("gateway", "restart", "--no-wait")
    assert asked.returncode == 1  # it cannot be recorded, so it is refused
    assert one_line(asked), asked.stderr
    assert "writable again" in asked.stderr
    shown = hermes.run("gateway", "status", "--json")
    assert "Traceback" not in shown.stderr
    assert json.loads(shown.stdout)["instance"]["pid"] == before.identity.pid
    assert [one["code"] for one in json.loads(shown.stdout)["problems"]] == ["unusable"], shown.stdout
    stopped = hermes.run("gateway", "stop")
    assert stopped.stdout == "stopped\n"
    assert (
        "that it is to stay so could not be written" in stopped.stderr
    )  # what is desired; the gateway is gone all the same
    assert stopped.returncode == 1
    assert not psutil.pid_exists(before.identity.pid)
    shown = hermes.run("gateway", "status", "--json")
    assert shown.returncode == 3
    assert [one["code"] for one in json.loads(shown.stdout)["problems"]] == ["unusable", "down"], shown.stdout
    for process in hermes.processes():  # the supervisor, whose descriptors are of the disk that is to be mended
        process.kill()
    hermes.until(lambda: not hermes.processes(), "the end", PATIENCE)
    mend()
    assert hermes.run("gateway", "start").returncode == 0
    hermes.until(lambda: set(said) <= set(replies(hermes)), f"answers to {said}", PATIENCE)


def source_of(place: Path) -> str:
    return subprocess.run(
        ["findmnt", "-no", "SOURCE", str(place)], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_disk_that_executes_nothing(
    device: Callable[..., Path], make_installation: Callable[..., Installation]
) -> None:
    hermes = make_installation(device("mkfs.ext4", "-q", options="noexec,nosuid,nodev") / "home")
    before = hermes.install()
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    assert hermes.ready(other_than=before)
    assert "Permission" not in hermes.chat("!echo still here")


@pytest.mark.parametrize("mkfs", ["mkfs.vfat", "mkfs.exfat"])
def test_a_disk_without_hard_links(
    device: Callable[..., Path], make_installation: Callable[..., Installation], mkfs: str
) -> None:
    """A restart settles, or the home is refused by `install` in one line."""
    hermes = make_installation(device(mkfs, megabytes=48, options="umask=077") / "home")
    done = hermes.run("gateway", "install")
    if done.returncode != 0:
        assert one_line(done)
        return
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    assert not hermes.pending()
    assert f"below {hermes.paths.intents}, without hard links" in hermes.run("gateway", "doctor").stdout


def test_a_directory_that_ignores_case(
    device: Callable[..., Path], make_installation: Callable[..., Installation]
) -> None:
    place = device("mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8")
    folder = place / "folded"
    folder.mkdir()
    tried("chattr", "+F", str(folder))
    hermes = make_installation(folder / "home")
    hermes.install()
    (Path(hermes.paths.state) / "profiles" / "work").mkdir(parents=True)
    assert (Path(hermes.paths.state) / "profiles" / "Work").exists()
    done = hermes.run("-p", "Work", "gateway", "status")
    assert "Traceback" not in done.stderr
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")


def cgroup_of(pid: int) -> Path:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        number, _, path = line.split(":", 2)
        if number == "0":
            for root in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"):
                if (found := Path(root + path)).is_dir():
                    return found
    pytest.skip("no unified hierarchy of cgroups")


@pytest.mark.parametrize(
    ("setting", "file", "greedy"),
    [
        ("TasksMax=24", "pids.max", "for n in $(seq 100); do sleep 20 & done 2>&1 | tail -n 1; wait"),
        ("MemoryMax=192M", "memory.max", "python3 -c 'x = bytearray(1 << 29); print(len(x))'"),
    ],
    ids=["tasks", "memory"],
)
def test_a_command_that_takes_all_that_the_service_may_have(
    user_manager: UserManager, make_installation: Callable[..., Installation], setting: str, file: str, greedy: str
) -> None:
    hermes = make_installation(user_manager.root / "hermes", manager="systemd", variables=user_manager.variables)
    before = hermes.install()
    user_manager.change(SERVICE, "[Service]", setting)
    assert hermes.run("gateway", "restart").stdout.startswith("restarted")
    before = hermes.ready(other_than=before)
    limit = cgroup_of(before.identity.pid) / file
    if not limit.exists() or limit.read_text().strip() == "max":
        pytest.skip(f"this user manager has no controller for {setting}")
    assert send(hermes, "m1", f"!{greedy}")
    hermes.until(lambda: "m1" in replies(hermes) or hermes.status()["instance"]["active_turns"] == 1, "the command")
    assert hermes.status()["instance"]["ready"]
    assert send(hermes, "m2", "hello")
    done = hermes.run("gateway", "restart")
    assert done.stdout.startswith("restarted"), done.stderr
    hermes.until(lambda: {"m1", "m2"} <= set(replies(hermes)), "the answers", PATIENCE)
    assert hermes.run("gateway", "stop").returncode == 0
    assert hermes.run("gateway", "status").returncode == 3


@pytest.mark.parametrize("shift", ["+3h", "-3h", "+400d"])
def test_clocks_that_differ(make_installation: Callable[..., Installation], tmp_path: Path, shift: str) -> None:
    """Whoever asks lives at another time than the gateway and its supervisor."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime is not installed")
    hermes = make_installation(tmp_path / "home")
    before = hermes.install()
    elsewhen = {"LD_PRELOAD": str(library), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    shown = json.loads(hermes.run("gateway", "status", "--json", **elsewhen).stdout)
    assert shown["instance"]["pid"] == before.identity.pid
    asked = hermes.run("gateway", "restart", "--no-wait", **elsewhen)
    assert asked.returncode == 0, asked.stderr
    fresh = hermes.ready(other_than=before)
    hermes.until(lambda: not hermes.pending(), "the settlement", PATIENCE)
    assert [one.outcome for one in hermes.ever_settled()] == ["restarted"]
    assert hermes.run("gateway", "stop", **elsewhen).returncode == 0
    hermes.until(lambda: not psutil.pid_exists(fresh.identity.pid), "the end", PATIENCE)
    assert hermes.run("gateway", "status", **elsewhen).returncode == 3
