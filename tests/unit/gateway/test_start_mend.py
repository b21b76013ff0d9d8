"""What a gateway that cannot start says helps: against what refused it, not against what might have."""

import errno
import sqlite3

import pytest

from hermes_cli.gateway.another_try import mend


def refusal(number: int, path: str | None = None) -> OSError:
    return OSError(number, "refused", path)


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP])
def test_what_is_in_the_way_is_moved_away(tmp_path, number):
    there = tmp_path / "it is"
    there.touch()
    assert mend(refusal(number, str(there)), "/state") == f"mv '{there}' '{there}.aside'"


def test_a_file_in_place_of_a_directory_above_is_the_one_that_is_moved(tmp_path):
    (tmp_path / "queue").touch()
    assert mend(refusal(errno.ENOTDIR, f"{tmp_path}/queue/pending"), "/state").startswith(f"mv {tmp_path}/queue ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (refusal(errno.EACCES, "/state/x"), "see that /state/x is writable"),
        (refusal(errno.EROFS), "see that /state is writable"),
        (sqlite3.OperationalError("unable to open database file"), "see that /state is writable"),
        (refusal(errno.ENOSPC, "/state/x"), "make room"),
        (refusal(errno.EMFILE), "make room"),
    ],
    ids=str,
)
def test_permissions_and_room_are_told_apart(error, words):
    assert mend(error, "/state").startswith(words)
