"""Small files that are replaced whole, and what happens when the disk does not want them."""

import concurrent.futures
import errno
import json
import os
import stat
from functools import partial

import pytest

from hermes_cli.system import durable


def content(path):
    with open(path, "rb") as file:
        return file.read()


def test_a_new_file_is_private_and_complete(tmp_path):
    path = f"{tmp_path}/x"
    durable.write_new(path, b"data")
    assert content(path) == b"data"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_new_file_never_replaces_one(tmp_path):
    path = f"{tmp_path}/x"
    durable.write_new(path, b"first")
    with pytest.raises(FileExistsError):
        durable.write_new(path, b"second")
    assert content(path) == b"first"


def test_a_new_file_is_never_written_through_a_link(tmp_path):
    os.symlink(f"{tmp_path}/elsewhere", f"{tmp_path}/x")
    with pytest.raises(OSError, match="exists"):
        durable.write_new(f"{tmp_path}/x", b"data")
    assert not os.path.exists(f"{tmp_path}/elsewhere")


def test_a_replaced_file_is_what_was_written_last(tmp_path):
    path = f"{tmp_path}/x.json"
    for number in range(3):
        write = durable.publish if number == 2 else durable.replace_volatile
        write(path, {"number": number, "text": "再"})
    assert durable.read_json(path) == {"number": 2, "text": "再"}
    assert os.listdir(tmp_path) == ["x.json"]


def test_replacing_makes_the_directory_when_it_is_missing(tmp_path):
    durable.replace_volatile(f"{tmp_path}/a/b/x.json", {"a": 1})
    assert durable.read_json(f"{tmp_path}/a/b/x.json") == {"a": 1}
    assert stat.S_IMODE(os.stat(f"{tmp_path}/a/b").st_mode) == 0o700


def test_a_reader_never_sees_a_part(tmp_path):
    path = f"{tmp_path}/x.json"
    long, short = {"x": "a" * 30000}, {"x": "b"}
    durable.replace_volatile(path, short)

    def write():
        for _ in range(200):
            durable.replace_volatile(path, long)
            durable.replace_volatile(path, short)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        seen = []
        while not writing.done():
            seen.append(durable.read_json(path))
    assert all(one in (long, short) for one in seen)


FAILING = """
import resource, signal, sys
from hermes_cli.system import durable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))
try:
    durable.replace_volatile(sys.argv[1], {"new": "x" * 100})
except OSError:
    print("refused")
"""


def test_a_replacement_that_does_not_fit_leaves_the_old_file_whole(tmp_path, run_code):
    path = f"{tmp_path}/x.json"
    durable.replace_volatile(path, {"old": 1})
    assert run_code(FAILING, path) == "refused\n"
    assert durable.read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_replacement_on_a_full_disk_leaves_the_old_file_whole(tiny_disk, fill_disk):
    path = f"{tiny_disk}/x.json"
    durable.replace_volatile(path, {"old": 1})
    fill_disk(tiny_disk)
    with pytest.raises(OSError, match="No space left"):
        durable.replace_volatile(path, {"new": "x" * 9000})
    assert durable.read_json(path) == {"old": 1}
    assert sorted(os.listdir(tiny_disk)) == ["ballast", "x.json"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"3", b"null", b"\xff", b'{"x": "' + b"a" * 70000 + b'"}', b"[" * 60000]
)
def test_what_is_no_small_json_object_is_none(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert durable.read_json(f"{tmp_path}/x") is None


def test_what_cannot_be_opened_is_none(tmp_path, in_time):
    os.mkfifo(f"{tmp_path}/fifo")
    os.symlink("/etc/hostname", f"{tmp_path}/link")
    for name in ("none", "fifo", "link", "none/none"):
        assert in_time(durable.read_json, f"{tmp_path}/{name}") is None
    assert durable.read_json(str(tmp_path)) is None


def test_directories_are_made_private_with_their_parents(tmp_path):
    durable.make_private_directory(f"{tmp_path}/a/b/c")
    durable.make_private_directory(f"{tmp_path}/a/b/c")
    for name in ("a", "a/b", "a/b/c"):
        assert stat.S_IMODE(os.stat(f"{tmp_path}/{name}").st_mode) == 0o700


def test_a_directory_below_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        durable.make_private_directory(f"{tmp_path}/file/x")


def test_a_directory_below_a_link_to_nowhere_is_an_error(tmp_path):
    os.symlink(f"{tmp_path}/unmounted", f"{tmp_path}/volume")
    with pytest.raises(OSError, match="volume"):
        durable.make_private_directory(f"{tmp_path}/volume/hermes/state")


def test_many_may_make_one_directory_at_once(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(durable.make_private_directory, [f"{tmp_path}/a/b/c/d"] * 32))
    assert os.path.isdir(f"{tmp_path}/a/b/c/d")


def test_json_is_written_in_ascii_on_one_line_so_that_any_text_can_be(tmp_path):
    durable.replace_volatile(f"{tmp_path}/x", {"x": "再"})
    assert content(f"{tmp_path}/x") == b'{"x": "\\u518d"}\n'
    assert json.loads(content(f"{tmp_path}/x"))


@pytest.mark.parametrize("error", [errno.EIO, errno.EMFILE, errno.ESTALE])
def test_a_file_that_could_not_be_read_once_is_read_again(tmp_path, failing_open, error):
    durable.replace_volatile(f"{tmp_path}/x", {"is": "there"})
    failing_open("x", error, 1)
    assert durable.read_json(f"{tmp_path}/x") == {"is": "there"}


def test_a_file_of_which_nothing_can_be_said_is_not_taken_for_absent(tmp_path, failing_open):
    durable.replace_volatile(f"{tmp_path}/x", {"is": "there"})
    failing_open("x", errno.EIO, 100)
    with pytest.raises(OSError, match="Input/output"):
        durable.read_json(f"{tmp_path}/x", strict=True)
    assert durable.read_json(f"{tmp_path}/x") is None


def test_a_small_file_is_read_as_it_is(tmp_path):
    durable.write_new(f"{tmp_path}/x", b"\xff\x00")
    assert durable.read_small(f"{tmp_path}/x", 2, private=True) == b"\xff\x00"
    with pytest.raises(durable.UnfitFileError, match="larger than 1 bytes"):
        durable.read_small(f"{tmp_path}/x", 1)


def test_a_private_file_is_regular_and_nobody_elses_to_write(tmp_path, in_time):
    os.mkfifo(f"{tmp_path}/fifo")
    os.mkdir(f"{tmp_path}/directory")
    os.symlink("x", f"{tmp_path}/link")
    durable.write_new(f"{tmp_path}/x", b"data")
    os.chmod(f"{tmp_path}/x", 0o620)
    for name, error, why in [
        ("fifo", durable.UnfitFileError, "not a regular file"),
        ("directory", durable.UnfitFileError, "not a regular file"),
        ("x", durable.UnfitFileError, "writable by others"),
        ("link", OSError, "symbolic links"),
        ("none", FileNotFoundError, "No such file"),
    ]:
        with pytest.raises(error, match=why):
            in_time(partial(durable.read_small, f"{tmp_path}/{name}", 10, private=True))
    assert durable.read_small(f"{tmp_path}/x", 10) == b"data"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_private_file_is_the_readers_own(tmp_path):
    durable.write_new(f"{tmp_path}/x", b"data")
    os.chown(f"{tmp_path}/x", 12345, -1)
    with pytest.raises(durable.UnfitFileError, match="owned by uid 12345"):
        durable.read_small(f"{tmp_path}/x", 10, private=True)


@pytest.mark.parametrize(("error", "times", "is_read"), [(errno.EIO, 2, True), (errno.EIO, 3, False)])
def test_a_small_file_is_read_three_times_at_the_most(tmp_path, failing_open, error, times, is_read):
    durable.write_new(f"{tmp_path}/x", b"data")
    failing_open("x", error, times)
    if is_read:
        assert durable.read_small(f"{tmp_path}/x", 10, private=True) == b"data"
    else:
        with pytest.raises(OSError, match="Input/output"):
            durable.read_small(f"{tmp_path}/x", 10, private=True)


def test_a_file_that_is_not_there_is_looked_for_once(tmp_path, failing_open):
    durable.write_new(f"{tmp_path}/x", b"data")
    failing_open("x", errno.ENOENT, 1)
    with pytest.raises(FileNotFoundError):
        durable.read_small(f"{tmp_path}/x", 10)
