"""The queue on a real disk: what a name in which directory means, and that no accident changes it."""

import concurrent.futures
import errno
import json
import os
import socket
import stat
import subprocess
import sys
import time

import pytest
from support import PATIENCE

from hermes_cli.errors import QueueError
from hermes_cli.intents import queue
from hermes_cli.intents.progress import Progress
from hermes_cli.intents.record import LIMIT
from hermes_cli.intents.request import boot_time, new_id, submit, timestamp
from hermes_cli.intents.settled import restart_times
from hermes_cli.intents.tidying import tidy
from hermes_cli.paths import Paths
from hermes_cli.system import durable, locks
from hermes_cli.system.directory_watch import DirectoryWatch


def names(paths, directory):
    return sorted(os.listdir(f"{paths.intents}/{directory}"))


def only(paths):
    (found,) = paths.queue.scan().intents
    return found


def settle(paths, intent, outcome="restarted", **more):
    return paths.queue.settle(intent, outcome, "seen", **{"trigger": "watch", **more})


# Publishing.


def test_a_published_record_is_the_only_thing_left(paths, record):
    made = record()
    assert submit(paths.intents, made) == made["id"]
    assert names(paths, "pending") == [f"{made['id']}.json"]
    assert names(paths, "staging") == []
    assert only(paths).document == made


def test_records_and_directories_are_private(tmp_path, record):
    elsewhere = Paths("default", f"{tmp_path}/new/state", str(tmp_path), str(tmp_path))
    previous = os.umask(0)
    try:
        identifier = submit(elsewhere.intents, record())
    finally:
        os.umask(previous)
    assert stat.S_IMODE(os.stat(f"{elsewhere.pending}/{identifier}.json").st_mode) == 0o600
    for directory in (elsewhere.state, elsewhere.intents, elsewhere.pending, elsewhere.queue.staging):
        assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700


def test_a_missing_queue_is_made_again_by_whoever_publishes(paths, record):
    for name in os.listdir(paths.intents):
        os.rmdir(f"{paths.intents}/{name}")
    os.rmdir(paths.intents)
    submit(paths.intents, record())
    assert only(paths)


@pytest.mark.parametrize("name", ["pending", "staging"])
def test_a_queue_of_which_a_part_is_missing_is_made_whole_by_whoever_publishes(paths, record, name):
    os.rmdir(f"{paths.intents}/{name}")  # as after the first requester of all was killed between the two
    submit(paths.intents, record())
    assert only(paths)


def test_non_ascii_survives(paths, publish):
    publish(command="hermes — größer 再起動")
    assert only(paths).requester.command == "hermes — größer 再起動"


def test_nothing_but_whole_records_ever_appears_in_pending(paths, record):
    if sys.platform != "linux":
        pytest.skip("only inotify names what appeared")
    made = [record() for _ in range(5)]
    with DirectoryWatch(paths.pending, modified=True) as watch:
        if watch.is_blind:
            pytest.skip("no inotify instance is left for this user")
        for one in made:
            submit(paths.intents, one)
        events = os.read(watch.fileno(), 65536)
    seen = []
    while events:
        mask, length = int.from_bytes(events[4:8], sys.byteorder), int.from_bytes(events[12:16], sys.byteorder)
        seen.append((mask, events[16 : 16 + length].rstrip(b"\0").decode()))
        events = events[16 + length :]
    moved_in = 0x80
    assert seen == [(moved_in, f"{one['id']}.json") for one in made]


TRACED = """
import os, sys
from hermes_cli.paths import Paths
from hermes_cli.intents.request import compose, submit
paths = Paths("default", sys.argv[1] + "/state", sys.argv[1], sys.argv[1])
record = compose(paths.profile, reason="manual", command="x", target=None, in_tree=False)
submit(paths.intents, record)
os.write(1, b"acknowledged")
"""


def traced(strace, tmp_path, code, *arguments):
    log = f"{tmp_path}/trace"
    calls = "trace=openat,write,fsync,rename,renameat,renameat2,link,linkat,unlink,close"
    subprocess.run(
        [strace, "-f", "-y", "-s", "200", "-e", calls, "-o", log, sys.executable, "-c", code, *arguments],
        check=True,
        timeout=PATIENCE,
        stdout=subprocess.DEVNULL,
    )
    with open(log, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def position(lines, *parts):
    found = [index for index, line in enumerate(lines) if all(part in line for part in parts)]
    assert found, f"no call with {parts}"
    return found[0]


@pytest.fixture
def strace(tmp_path):
    import shutil

    found = shutil.which("strace")
    if found is None:
        pytest.skip("strace is not installed")
    probe = subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("this machine does not allow strace")
    return found


def test_a_record_is_on_the_disk_before_its_name_and_its_name_before_the_acknowledgement(strace, paths, tmp_path):
    lines = traced(strace, tmp_path, TRACED, str(tmp_path))
    created = position(lines, "openat(", "/staging/", "O_EXCL", "O_NOFOLLOW", "0600")
    written = position(lines, "write(", "/staging/")
    synced = position(lines, "fsync(", "/staging/")
    renamed = position(lines, "rename", "/staging/", "/pending/")
    directory = position(lines, "fsync(", "/pending>")
    acknowledged = position(lines, "write(1", "acknowledged")
    assert created < written < synced < renamed < directory < acknowledged
    assert not [line for line in lines if "openat(" in line and "/pending/" in line]


SETTLED = """
import os, sys
from hermes_cli.paths import Paths
from hermes_cli.intents import queue
paths = Paths("default", sys.argv[1] + "/state", sys.argv[1], sys.argv[1])
paths.queue.settle(paths.queue.scan().intents[0], "restarted", "seen", trigger="watch")
"""


def test_a_settlement_is_on_the_disk_before_the_record_goes(strace, paths, publish, tmp_path):
    publish()
    lines = traced(strace, tmp_path, SETTLED, str(tmp_path))
    linked = position(lines, "link", "/staging/", "/settled/")
    synced = position(lines, "fsync(", "/settled>")
    contents = next(
        i for i, line in enumerate(lines) if "fsync(" in line and ("/staging/" in line or "/settled/" in line)
    )
    gone = position(lines, "unlink", "/pending/")
    assert linked < synced < gone
    assert contents < gone


# A disk that fails.

FAILING = """
import resource, signal, sys
from hermes_cli.errors import QueueError
from hermes_cli.intents.request import compose, submit
from hermes_cli.paths import Paths
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
paths = Paths("default", sys.argv[1] + "/state", sys.argv[1], sys.argv[1])
record = compose(paths.profile, reason="manual", command="x", target=None, in_tree=False)
try:
    submit(paths.intents, record)
except QueueError as error:
    print(error)
"""


@pytest.mark.parametrize("limit", ["0", "100"])
def test_a_write_that_fails_is_reported_in_one_line_and_leaves_nothing(paths, run_code, tmp_path, limit):
    out = run_code(FAILING, str(tmp_path), limit)
    assert out.count("\n") == 1
    assert "not recorded" in out
    assert names(paths, "staging") == names(paths, "pending") == []


def test_a_full_disk_is_reported_in_one_line_and_leaves_nothing(tiny_disk, fill_disk, record):
    from hermes_cli.intents.request import make_directories

    full = Paths("default", f"{tiny_disk}/state", tiny_disk, tiny_disk)
    make_directories(full.intents)
    fill_disk(tiny_disk)
    with pytest.raises(QueueError) as caught:
        submit(full.intents, record())
    assert "free some space" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(full, "staging") == names(full, "pending") == []


def test_a_settlement_on_a_full_disk_leaves_the_record_pending(tiny_disk, fill_disk, record):
    full = Paths("default", f"{tiny_disk}/state", tiny_disk, tiny_disk)
    submit(full.intents, record())
    fill_disk(tiny_disk)
    with pytest.raises(OSError, match="No space left"):
        settle(full, only(full))
    assert only(full)
    assert names(full, "staging") == names(full, "settled") == []


def test_a_queue_that_is_a_file_is_reported_in_one_line(tmp_path, record):
    odd = Paths("default", f"{tmp_path}/odd", str(tmp_path), str(tmp_path))
    with open(odd.state, "w", encoding="ascii"):
        pass
    with pytest.raises(QueueError) as caught:
        submit(odd.intents, record())
    assert "\n" not in str(caught.value)


# Looking.


def test_no_queue_is_an_empty_queue(tmp_path):
    assert queue.Queue(f"{tmp_path}/none", "default").scan() == queue.Scan((), (), ())


def test_intents_come_oldest_first(paths, publish):
    published = [publish() for _ in range(4)]
    assert [one.id for one in paths.queue.scan().intents] == sorted(published)


def make_fifo(path):
    os.mkfifo(path)


def make_link(path):
    os.symlink("/etc/passwd", path)


def make_dangling_link(path):
    os.symlink(f"{path}.nowhere", path)


def make_directory(path):
    os.makedirs(f"{path}/inside")


def make_socket(path):
    here = os.getcwd()
    os.chdir(os.path.dirname(path))
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.basename(path))
    finally:
        os.chdir(here)


def make_empty(path):
    with open(path, "wb"):
        pass


def make_huge(path):
    with open(path, "wb") as file:
        file.truncate(10**9)


OBSTACLES = [make_fifo, make_link, make_dangling_link, make_directory, make_socket, make_empty, make_huge]


@pytest.mark.parametrize("make", OBSTACLES)
def test_what_is_no_regular_record_is_set_aside_at_once_and_blocks_nobody(paths, publish, in_time, make):
    good = publish()
    name = f"{new_id(time.time())}.json"
    make(f"{paths.pending}/{name}")
    found = in_time(paths.queue.scan)
    assert [one.id for one in found.intents] == [good]
    assert [one.name for one in found.broken] == [name]
    assert found.broken[0].why
    for broken in found.broken:
        in_time(paths.queue.reject, broken)
    assert names(paths, "rejected") == [name]
    assert names(paths, "pending") == [f"{good}.json"]
    assert [one.name for one in in_time(paths.queue.rejects)] == [name]


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe.json", "再.json".encode(), b"a\nb.json", b"\x1b[31m.json", b"-rf", b".json", b"...", b" ", b"x" * 255],
)
def test_a_name_that_is_hard_to_read_is_set_aside(paths, publish, name):
    publish()
    with open(os.fsencode(paths.pending) + b"/" + name, "wb") as file:
        file.write(b"{}")
    found = paths.queue.scan()
    assert len(found.intents) == len(found.broken) == 1
    paths.queue.reject(found.broken[0])
    assert os.listdir(os.fsencode(paths.queue.rejected)) == [name]
    assert not paths.queue.scan().broken


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_a_record_that_others_may_write_is_not_believed(paths, publish, mode):
    os.chmod(f"{paths.pending}/{publish()}.json", mode)
    found = paths.queue.scan()
    assert not found.intents
    assert found.broken[0].why == "writable by others"


@pytest.mark.needs_root  # to give a file away
def test_a_record_of_another_owner_is_not_believed(paths, publish):
    os.chown(f"{paths.pending}/{publish()}.json", 65534, 65534)
    assert paths.queue.scan().broken[0].why == "owned by uid 65534"


def test_a_record_of_a_future_release_is_set_aside_and_says_so(paths, publish):
    publish(schema=2)
    assert "newer" in paths.queue.scan().broken[0].why


def test_a_record_is_exactly_as_large_as_allowed_or_refused(paths, place, record):
    for extra in (0, 1):
        made = record(pad="")
        made["pad"] = "x" * (LIMIT - len(json.dumps(made)) + extra)
        place(f"{made['id']}.json", json.dumps(made).encode())
    found = paths.queue.scan()
    assert len(found.intents) == len(found.broken) == 1


def test_a_record_that_could_not_be_read_once_is_no_broken_record(paths, publish, failing_open):
    identifier = publish()
    failing_open(f"{identifier}.json", errno.EIO, 1)
    assert only(paths).id == identifier


def test_a_record_that_can_never_be_read_is_set_aside_and_blocks_nobody(paths, publish, failing_open):
    good, bad = publish(), publish()
    failing_open(f"{bad}.json", errno.EIO, 100)
    found = paths.queue.scan()
    assert [one.id for one in found.intents] == [good]
    assert [one.name for one in found.broken] == [f"{bad}.json"]


@pytest.mark.parametrize("is_settled", [False, True])
def test_a_reader_without_descriptors_says_so_and_takes_nothing_for_broken(paths, record, failing_open, is_settled):
    made = record()
    submit(paths.intents, made)
    if is_settled:
        settle(paths, only(paths))
        submit(paths.intents, made)  # as after a power cut: settled, and pending again
    failing_open(f"{made['id']}.json", errno.EMFILE, 3)  # each of the reads
    with pytest.raises(OSError, match="Too many open files"):
        paths.queue.scan()
    found = paths.queue.scan()
    assert (len(found.intents), found.finished) == ((0, (made["id"],)) if is_settled else (1, ()))


def test_settlements_that_cannot_be_listed_are_not_taken_for_none(paths, record, failing_open):
    made = record()
    submit(paths.intents, made)
    settle(paths, only(paths))
    submit(paths.intents, made)  # as after a power cut: settled, and pending again
    failing_open("settled", errno.EMFILE, 1)
    with pytest.raises(OSError, match="Too many open files"):
        paths.queue.scan()
    assert paths.queue.scan().finished == (made["id"],)


# Setting aside.


def test_what_is_set_aside_is_kept_and_never_overwritten(paths, place):
    for text in (b"first", b"second"):
        place("x.json", text)
        paths.queue.reject(paths.queue.scan().broken[0])
    kept = []
    for name in names(paths, "rejected"):
        with open(f"{paths.queue.rejected}/{name}", "rb") as file:
            kept.append(file.read())
    assert sorted(kept) == [b"first", b"second"]


def test_the_longest_name_is_set_aside_twice(paths, place):
    for text in (b"first", b"second"):
        place("x" * 255, text)
        paths.queue.reject(paths.queue.scan().broken[0])
    assert len(names(paths, "rejected")) == 2
    assert names(paths, "pending") == []


def test_setting_aside_what_somebody_else_set_aside_is_no_error(paths):
    paths.queue.reject(queue.Broken("x.json", "gone"))


LOCKED_DIRECTORY = """
import encodings.idna, os, sys
from hermes_cli.intents import queue
from hermes_cli.intents.request import compose, submit
from hermes_cli.paths import Paths
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
paths = Paths("default", sys.argv[1] + "/state", sys.argv[1], sys.argv[1])
submit(paths.intents, compose(paths.profile, reason="manual", command="x", target=None, in_tree=False))
os.mkdir(paths.pending + "/x", 0o500)
found = paths.queue.scan()
paths.queue.reject(found.broken[0])
print(len(paths.queue.scan().broken))
"""


def test_a_directory_that_may_not_be_moved_is_set_aside_or_left_but_never_stops_the_reader(run_code):
    import tempfile

    with tempfile.TemporaryDirectory(dir="/tmp") as where:  # pytest's own directories are closed to other users
        os.chmod(where, 0o777)
        run_code(LOCKED_DIRECTORY, where)


# Settling.


def test_a_settled_intent_has_left_every_other_directory(paths, publish):
    identifier = publish()
    paths.queue.note(identifier, Progress(attempts=2))
    intent = only(paths)
    assert settle(paths, intent, attempts=2, instance={"pid": 4300})
    assert names(paths, "pending") == names(paths, "staging") == names(paths, "progress") == []
    with open(f"{paths.queue.settled}/{identifier}.json", encoding="utf-8") as file:
        document = json.load(file)
    assert document.items() >= intent.document.items()
    assert document["outcome"] == "restarted"
    found = paths.queue.find(identifier)
    assert (found.outcome, found.detail, found.trigger, found.attempts) == ("restarted", "seen", "watch", 2)
    assert found.instance == {"pid": 4300}
    assert 0 <= found.took < 60


def test_only_the_first_settlement_counts(paths, publish):
    publish()
    intent = only(paths)
    assert settle(paths, intent)
    assert not settle(paths, intent, "failed")
    assert paths.queue.find(intent.id).outcome == "restarted"


def test_one_of_many_threads_settles(paths, publish):
    publish()
    intent = only(paths)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: settle(paths, intent), range(16))) == 1
    assert names(paths, "pending") == names(paths, "staging") == []


SETTLER = """
import sys
from hermes_cli.intents import queue
from hermes_cli.paths import Paths
paths = Paths("default", sys.argv[1] + "/state", sys.argv[1], sys.argv[1])
intents = paths.queue.scan().intents
print("ready", flush=True)
sys.stdin.readline()
print(*[i.id for i in intents if paths.queue.settle(i, "restarted", sys.argv[2], trigger="watch")])
"""


@pytest.mark.parametrize("torn", [False, True], ids=["whole", "over torn files"])
def test_one_of_many_processes_settles_each_intent(paths, publish, children, tmp_path, torn):
    published = [publish() for _ in range(40)]
    if torn:
        for identifier in published:
            with open(f"{paths.queue.settled}/{identifier}.json", "wb") as file:
                file.write(b'{"torn')
    settlers = [children("-c", SETTLER, str(tmp_path), str(number)) for number in range(4)]
    for one in settlers:
        assert one.stdout.readline() == "ready\n"
    for one in settlers:
        one.stdin.write("\n")
        one.stdin.flush()
    won = [identifier for one in settlers for identifier in one.communicate(timeout=PATIENCE)[0].split()]
    assert [one.returncode for one in settlers] == [0, 0, 0, 0]
    assert sorted(won) == sorted(published)
    assert len(paths.queue.history()) == 40
    assert names(paths, "pending") == names(paths, "staging") == []


def test_what_a_dead_settler_with_the_same_pid_left_is_no_obstacle(paths, publish):
    publish()
    intent = only(paths)
    with open(f"{paths.queue.staging}/{intent.id}.json.{os.getpid()}", "wb"):
        pass
    assert settle(paths, intent)


def test_a_record_in_both_places_is_settled_and_finish_completes_it(paths, record):
    made = record()
    submit(paths.intents, made)
    settle(paths, only(paths))
    submit(paths.intents, made)  # as after a power cut between the two steps
    paths.queue.note(made["id"], Progress(attempts=1))
    found = paths.queue.scan()
    assert (found.intents, found.finished) == ((), (made["id"],))
    paths.queue.finish(made["id"])
    assert paths.queue.scan() == queue.Scan((), (), ())
    assert names(paths, "progress") == []
    assert paths.queue.find(made["id"]).outcome == "restarted"


@pytest.mark.parametrize("torn", [b"", b'{"schema": 1', b"\0" * 200])
def test_a_torn_settlement_does_not_count_and_is_written_again(paths, publish, torn):
    identifier = publish()
    with open(f"{paths.queue.settled}/{identifier}.json", "wb") as file:
        file.write(torn)
    assert paths.queue.find(identifier) is None
    assert settle(paths, only(paths))
    assert paths.queue.find(identifier).outcome == "restarted"


def test_the_largest_record_can_be_read_when_it_is_settled(paths, place, record):
    made = record(pad="")
    made["pad"] = "x" * (LIMIT - len(json.dumps(made)))
    place(f"{made['id']}.json", json.dumps(made).encode())
    settle(paths, only(paths))
    assert paths.queue.find(made["id"]).outcome == "restarted"


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param({"reason": "\ud800"}, id="lone surrogate"),
        pytest.param({"extra": float("nan")}, id="NaN"),
        pytest.param({"extra": json.loads("[" * 600 + "]" * 600)}, id="deep"),
        pytest.param({"extra": 10**400}, id="long number"),
        pytest.param({"took": 10**400, "attempts": "x", "instance": 7}, id="fields of ours"),
    ],
)
def test_a_record_that_can_be_read_can_be_settled(paths, place, record, strange):
    made = record(**strange)
    place(f"{made['id']}.json", json.dumps(made).encode())
    for broken in paths.queue.scan().broken:
        paths.queue.reject(broken)
    for intent in paths.queue.scan().intents:
        assert settle(paths, intent)
        assert paths.queue.find(made["id"]).outcome == "restarted"
    assert paths.queue.scan() == queue.Scan((), (), ())


def test_settled_files_of_any_content_do_not_keep_the_history_from_being_read(paths, publish):
    identifier = publish()
    settle(paths, only(paths))
    path = f"{paths.queue.settled}/{identifier}.json"
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    for strange in ({"took": 10**400}, {"took": None}, {"attempts": []}, {"instance": "x"}, {"detail": {}}):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**document, **strange}, file)
        paths.queue.history()


# Tidying.


def test_the_newest_two_hundred_settled_records_are_kept(paths, record):
    made = []
    for number in range(205):
        one = record(id=f"20261123T{number:06d}.000000Z-1-abcd")
        submit(paths.intents, one)
        made.append(one["id"])
    for intent in paths.queue.scan().intents:
        settle(paths, intent)
    tidy(paths.queue)
    assert [one.intent.id for one in paths.queue.history()] == sorted(made)[5:][::-1]


def test_what_a_dead_writer_left_is_removed_after_an_hour_and_not_before(paths):
    for name, age in (("old.json", 3700), ("young.json", 3500)):
        path = f"{paths.queue.staging}/{name}"
        with open(path, "wb"):
            pass
        os.utime(path, (time.time() - age, time.time() - age))
    tidy(paths.queue)
    assert names(paths, "staging") == ["young.json"]


def test_progress_of_what_is_pending_stays_and_other_progress_goes(paths, publish):
    identifier = publish()
    paths.queue.note(identifier, Progress(attempts=1))
    paths.queue.note(new_id(time.time()), Progress(attempts=1))
    tidy(paths.queue)
    assert names(paths, "progress") == [f"{identifier}.json"]


def test_tidying_passes_over_what_it_cannot_remove(paths):
    for name in ("staging/x", "progress/x", "settled/x"):
        os.mkdir(f"{paths.intents}/{name}")
        os.utime(f"{paths.intents}/{name}", (0, 0))
    tidy(paths.queue)


# What mutation testing found untested.


def test_the_hold_of_a_settled_intent_goes_unless_somebody_holds_it(paths, publish):
    published = [publish(), publish(), publish()]
    first, second, _ = paths.queue.scan().intents
    settle(paths, first)
    settle(paths, second)
    held = locks.take(f"{paths.queue.holds}/{published[1]}.lock")
    for identifier in (published[0], published[2]):
        with open(f"{paths.queue.holds}/{identifier}.lock", "wb"):
            pass
    try:
        tidy(paths.queue)
        assert names(paths, "holds") == sorted(f"{identifier}.lock" for identifier in published[1:])
    finally:
        held.release()


def test_a_settlement_says_when_and_how_long_it_took(paths, record):
    submit(paths.intents, record(requested_at="2026-11-23T16:05:11+00:00", boot_time=None))
    before = time.time()
    settle(paths, only(paths))
    (found,) = paths.queue.history()
    assert before - 1 <= found.settled_at <= time.time() + 1
    assert found.took == pytest.approx(found.settled_at - found.intent.requested_at)
    with open(f"{paths.queue.settled}/{found.intent.id}.json", encoding="utf-8") as file:
        document = json.load(file)
    assert document["took"] == round(document["took"], 3) == found.took
    assert document["settled_at"].startswith(time.strftime("%Y-%m-%dT%H", time.gmtime(before)))


def test_a_settlement_makes_a_queue_whole_that_lost_a_part(paths, publish):
    publish()
    intent = only(paths)
    os.rmdir(paths.queue.staging)
    assert settle(paths, intent)
    assert paths.queue.find(intent.id).outcome == "restarted"


def test_a_name_that_is_no_id_finds_nothing_settled(paths):
    with open(f"{paths.queue.settled}/x.json", "w", encoding="ascii") as file:
        file.write('{"id": "x"}')
    assert paths.queue.find("x") is None
    assert paths.queue.find("../settled/x") is None


def test_a_record_that_goes_during_a_look_hides_none_of_the_others(paths, publish, failing_open):
    gone, left = publish(), publish()
    failing_open(f"{gone}.json", errno.ENOENT, 1)
    assert [one.id for one in paths.queue.scan().intents] == [left]


def test_a_requester_that_sleeps_for_hours_before_it_publishes_is_heard(paths, record, monkeypatch):
    """Another driver's tidying takes its file for a dead writer's."""
    real = os.rename

    def sleeping(old, new):
        monkeypatch.setattr(os, "rename", real)
        monkeypatch.setattr(time, "time", lambda: time.time_ns() / 1e9 + 7200)
        tidy(paths.queue)
        real(old, new)

    made = record()
    monkeypatch.setattr(os, "rename", sleeping)
    assert submit(paths.intents, made) == made["id"]
    assert only(paths).id == made["id"]
    assert names(paths, "staging") == []


# What is refused leaves nothing behind.


@pytest.mark.parametrize(
    ("error", "why"),
    [(errno.EACCES, "Permission denied"), (errno.EIO, "Input/output error"), (errno.EDQUOT, "free some space")],
)
def test_a_request_that_cannot_be_published_says_why_and_leaves_nothing(paths, record, monkeypatch, error, why):
    def refused(old, new):
        raise OSError(error, os.strerror(error), old)

    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(QueueError, match=why):
        submit(paths.intents, record())
    assert names(paths, "staging") == names(paths, "pending") == []


def test_a_request_whose_name_cannot_be_made_durable_is_taken_back(paths, record, monkeypatch):
    def refused(path):
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(durable, "sync_directory", refused)
    with pytest.raises(QueueError, match="nothing was done"):
        submit(paths.intents, record())
    assert names(paths, "staging") == names(paths, "pending") == []


# What is set aside, and what is not.


def test_what_may_not_be_moved_at_first_is_moved_after_its_mode_was_mended(paths, place, monkeypatch):
    path, real, calls = place("x.json", b"{", mode=0o400), os.rename, []

    def refusing(old, new):
        calls.append(old)
        if len(calls) == 1:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), old)
        real(old, new)

    monkeypatch.setattr(os, "rename", refusing)
    assert paths.queue.reject(paths.queue.scan().broken[0]) is True
    assert stat.S_IMODE(os.stat(f"{paths.queue.rejected}/x.json").st_mode) == 0o700
    assert not os.path.exists(path)


def test_what_cannot_be_moved_is_said_to_stay_and_what_is_gone_is_not(paths, place, monkeypatch):
    path = place("x.json", b"{")
    (broken,) = paths.queue.scan().broken

    def refused(old, new):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), old)

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refused)
        assert paths.queue.reject(broken) is False
    os.unlink(path)
    assert paths.queue.reject(broken) is True


def test_what_was_set_aside_is_listed_newest_first_with_why(paths, publish, place):
    place("a.json", b"{")
    place("b.json", b"[]")
    for broken in paths.queue.scan().broken:
        paths.queue.reject(broken)
    good = publish()
    os.rename(f"{paths.pending}/{good}.json", f"{paths.queue.rejected}/{good}.json")
    os.symlink("nowhere", f"{paths.queue.rejected}/aa.json")
    found = [(one.name, one.why) for one in paths.queue.rejects()]
    assert found == [
        ("b.json", "not a JSON object"),
        ("aa.json", "cannot be read: Too many levels of symbolic links"),
        ("a.json", "not JSON, or torn"),
        (f"{good}.json", "set aside by an earlier release"),
    ]


# Settled records of any release.


def test_a_settled_record_with_nothing_but_an_outcome_is_read_with_cautious_defaults(paths, publish):
    identifier = publish()
    settle(paths, only(paths))
    path = f"{paths.queue.settled}/{identifier}.json"
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    for name in ("took", "detail", "trigger"):
        del document[name]
    document |= {"attempts": "3", "instance": "pid 7"}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    found = paths.queue.find(identifier)
    assert (found.took, found.detail, found.trigger, found.attempts, found.instance) == (0.0, "", "unknown", 0, None)


def test_what_is_no_id_is_never_made_into_a_path(paths, tmp_path, record):
    made = record(id="../x")
    with open(f"{paths.intents}/x.json", "w", encoding="utf-8") as file:
        json.dump({**made, "outcome": "restarted"}, file)
    os.chmod(file.name, 0o600)
    assert paths.queue.find("../x") is None


def test_how_long_it_took_is_never_below_zero_and_told_in_milliseconds(paths, record):
    for offset, took in ((60, 0.0), (-0.4567, 0.457)):
        made = record(requested_at=timestamp(time.time() + offset), boot_time=None)
        submit(paths.intents, made)
        settle(paths, only(paths))
        found = paths.queue.find(made["id"])
        assert found.took == pytest.approx(took, abs=0.3)
        assert found.took == round(found.took, 3)


@pytest.mark.parametrize("step", [-7200.0, 7200.0])
def test_how_long_it_took_is_not_changed_by_a_clock_that_is_set(paths, record, step):
    made = record(requested_at=timestamp(time.time() - step))
    submit(paths.intents, made)
    assert only(paths).age < 60
    settle(paths, only(paths))
    found = paths.queue.find(made["id"])
    assert found.took < 60
    assert found.settled_at == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("count", [2, 9])
def test_what_was_settled_last_is_told_also_after_the_clock_was_set_back(paths, record, count):
    ahead = time.time() + 10800.0
    for number in range(count):
        made = record(requested_at=timestamp(ahead + number), id=new_id(ahead + number), boot_time=boot_time() - 100.0)
        submit(paths.intents, made)
        settle(paths, only(paths), "failed")
        path = f"{paths.queue.settled}/{made['id']}.json"
        with open(path, encoding="ascii") as file:
            document = json.load(file) | {"settled_at": timestamp(ahead + number), "took": 1.0}
        with open(path, "w", encoding="ascii") as file:
            json.dump(document, file)
        os.utime(path, (ahead + number, ahead + number))
    submit(paths.intents, record())
    settle(paths, only(paths))
    last = paths.queue.last()
    assert (last.outcome, last.ago < 60) == ("restarted", True)


def test_of_another_boot_the_wall_clock_tells_how_long_it_took(paths, record):
    submit(paths.intents, record(requested_at=timestamp(time.time() - 300), boot_id="another"))
    assert only(paths).age == pytest.approx(300, abs=60)


def test_who_cannot_be_looked_for_may_hold_something(paths):
    assert paths.queue.holders() == ()
    os.rmdir(paths.queue.holds)
    assert paths.queue.holders() == ()
    os.symlink(paths.queue.holds, paths.queue.holds)
    assert paths.queue.holders() == (None,)


def test_the_newest_are_kept_wherever_the_queue_lies(tmp_path, record):
    """A directory above it may be called what one of its own is called."""
    where = Paths("default", f"{tmp_path}/staging/state", str(tmp_path), f"{tmp_path}/logs")
    for _ in range(201):
        submit(where.intents, record())
    for one in where.queue.scan().intents:
        settle(where, one)
    tidy(where.queue)
    assert len(names(where, "settled")) == 200


def test_restarts_inside_the_window_outlive_a_flood_of_records(paths, record):
    """The breaker counts them, so asking more often must not push them out."""
    for number in range(12):
        for _ in range(25):
            submit(paths.intents, record(origin={"channel": "local", "chat": "a"}))
        for intent in paths.queue.scan().intents:
            settle(paths, intent, instance={"pid": 100 + number})
        tidy(paths.queue, 600.0)
    assert len(restart_times(one for one in paths.queue.history() if one.intent.is_automatic)) == 12
    assert len(names(paths, "settled")) <= 212
    tidy(paths.queue)
    assert len(names(paths, "settled")) == 200


@pytest.mark.parametrize("error", [errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS])
def test_where_links_are_refused_a_settlement_has_one_winner(paths, record, monkeypatch, error):
    def refuse(*_, **__):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(20):
        submit(paths.intents, record())
    intents = paths.queue.scan().intents
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        won = [list(pool.map(lambda _, one=one: settle(paths, one), range(4))) for one in intents]
    assert [sorted(each) for each in won] == [[False, False, False, True]] * 20
    assert names(paths, "pending") == names(paths, "staging") == []
    assert len(paths.queue.history()) == 20


def test_where_links_are_refused_a_torn_settlement_is_replaced(paths, record, monkeypatch):
    submit(paths.intents, record())
    intent = only(paths)
    with open(f"{paths.queue.settled}/{intent.id}.json", "wb"):
        os.chmod(f"{paths.queue.settled}/{intent.id}.json", 0o600)
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(PermissionError(errno.EPERM, "no links")))
    assert settle(paths, intent)
    assert paths.queue.find(intent.id).outcome == "restarted"
