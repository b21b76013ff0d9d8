"""Files that survive power loss, and small files that are replaced whole.

Publish: create in a staging directory (O_EXCL, 0600), write, fsync, close, rename, fsync the directory. A failed
fsync is never repeated on the same descriptor: the kernel may have dropped the pages and report success.
"""

import errno
import fcntl
import json
import os
import stat

from hermes_cli.system import trust

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# macOS: fsync stops at the drive's cache; only F_FULLFSYNC asks the drive (fsync(2) there).
_FULL_FSYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)

# Errors of an open or a read that say something about the file. Every other error says nothing about it: the disk
# fails, or this process or the machine has run out of something.
_OF_THE_FILE = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.EACCES,
    errno.EPERM,
    errno.EISDIR,
    errno.ENXIO,
    errno.ENODEV,
    errno.ENAMETOOLONG,
}
_READS = 3
# O_NONBLOCK: a FIFO must not hold up the reader; O_NOFOLLOW: a link must not lead it elsewhere.
_TO_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class UnfitFileError(Exception):
    """A file is not what its reader accepts; the text says why."""


def sync(descriptor: int) -> None:
    """Force a file or directory to stable storage. Raises OSError."""
    if _FULL_FSYNC is not None:
        try:
            fcntl.fcntl(descriptor, _FULL_FSYNC)
        except OSError:  # not every file system knows it
            pass
        else:
            return
    os.fsync(descriptor)


def sync_directory(path: str) -> None:
    """Force the names in a directory to stable storage. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: str) -> None:
    """Force a file that somebody else wrote to stable storage. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync_ancestors(path: str) -> None:
    """Force the names of every directory above `path` that the caller owns to stable storage. Raises OSError."""
    directory = os.path.dirname(path)
    while os.stat(directory).st_uid == os.geteuid():
        sync_directory(directory)
        if directory == os.path.dirname(directory):
            return
        directory = os.path.dirname(directory)


def make_private_directory(path: str) -> None:
    """Create a directory, mode 0700, with its parents, and make each new name durable. Raises OSError."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_private_directory(parent)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if os.path.isdir(path):  # somebody else made it
            return
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    sync_directory(parent)


def private_opener(path: str, flags: int) -> int:
    """Open a file for `open`, mode 0600 whatever the umask. Raises OSError."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def prompt_opener(path: str, flags: int) -> int:
    """Open a file for `open` without waiting: a FIFO in its place reads as empty. Raises OSError."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def create(path: str, data: bytes) -> int:
    """Create `path` (O_EXCL, 0600) with `data`, not synced yet. Return its descriptor.

    Raises OSError, leaving nothing.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, data)
    except BaseException:
        os.close(descriptor)
        os.unlink(path)
        raise
    return descriptor


def write_new(path: str, data: bytes) -> None:
    """Create `path` with `data` on stable storage. Raises OSError, leaving nothing."""
    descriptor = create(path, data)
    try:
        sync(descriptor)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def publish(path: str, document: "Mapping[str, Any]", *, indent: int | None = None) -> None:
    """Replace a JSON file whole, on stable storage. Raises OSError.

    A reader, and whoever looks after a power cut, finds the old file or the new one.
    """
    _replace(path, _json(document, indent), 0o600, sync_it=True)


def publish_text(path: str, text: str, mode: int) -> None:
    """Replace a text file whole, on stable storage, with that mode whatever the umask. Raises OSError."""
    _replace(path, text.encode(), mode, sync_it=True)


def replace_volatile(path: str, document: "Mapping[str, Any]") -> None:
    """Replace a JSON file whole: a reader finds the old one or the new one. Raises OSError.

    A power cut may leave it old, empty or gone: for facts that a fresh look restores.
    """
    _replace(path, _json(document), 0o600, sync_it=False)


def _json(document: "Mapping[str, Any]", indent: int | None = None) -> bytes:
    return (json.dumps(document, indent=indent) + "\n").encode()


def _replace(path: str, data: bytes, mode: int, *, sync_it: bool) -> None:
    try:
        _replaced(path, data, mode, sync_it=sync_it)
    except OSError as error:  # whoever is told has never heard of the temporary name
        raise OSError(error.errno, error.strerror, path) from error


def _replaced(path: str, data: bytes, mode: int, *, sync_it: bool) -> None:
    temporary = f"{path}.{os.getpid()}.new"
    flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, 0o600)
    except FileNotFoundError:
        make_private_directory(os.path.dirname(path))
        descriptor = os.open(temporary, flags, 0o600)
    try:
        try:
            _write_all(descriptor, data)
            if mode != 0o600:
                os.fchmod(descriptor, mode)
            if sync_it:
                sync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if sync_it:
        directory = os.path.dirname(path)
        sync_directory(directory)
        # The process that made the directory may have been killed before the directory's own name was safe.
        sync_directory(os.path.dirname(directory))


def read_json(path: str, limit: int = 65536, *, strict: bool = False) -> "dict[str, Any] | None":
    """Return the JSON object in a small file, or None: absent, foreign, torn, too large or no object.

    With `strict`, raise OSError where what it says cannot be told: it may not be read, the disk fails, descriptors ran out.
    """
    try:
        data = read_small(path, limit)
    except UnfitFileError:
        return None
    except OSError as error:
        if strict and (is_unknown(error) or error.errno in {errno.EACCES, errno.EPERM}):
            raise
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def is_there(path: str) -> bool:
    """Say whether there is anything at `path`. Raises OSError when that cannot be told."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_unknown(error: OSError) -> bool:
    """Say whether the error says nothing about the file that was to be read."""
    return error.errno not in _OF_THE_FILE


def read_text(path: str, limit: int = 1 << 20) -> str | None:
    """Return the text of a small file, or None when it is absent or cannot be read."""
    try:
        return read_small(path, limit).decode(errors="replace")
    except (OSError, UnfitFileError):
        return None


def finite(value: "Any") -> float | None:
    """Return a number from JSON as a float; None for anything else, NaN, infinities and numbers too large."""
    if type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            return None
    return value if type(value) is float and -1e300 < value < 1e300 else None


def read_small(path: str, limit: int, *, private: bool = False) -> bytes:
    """Return the content of a small file. Raises UnfitFileError for what is wrong with the file, and OSError.

    What another user owns is not believed. With `private`, only a regular file of the caller's own that nobody else may
    write to is read. A read that failed
    without saying anything about the file is repeated: one failed read does not make a good file a bad one.
    """
    reads = 1
    while True:
        try:
            return _content(path, limit, private=private)
        except OSError as error:
            if not is_unknown(error) or reads == _READS:
                raise
        reads += 1


def _content(path: str, limit: int, *, private: bool) -> bytes:
    descriptor = os.open(path, _TO_READ)
    try:
        found = os.fstat(descriptor)
        if private:
            _check_private(found)
        elif trust.is_foreign(found):
            raise UnfitFileError(f"owned by uid {found.st_uid}")
        size = min(found.st_size, limit) if private else limit  # what is not a regular file has no size
        data = os.read(descriptor, size + 1)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise UnfitFileError(f"larger than {limit} bytes")
    return data


def _check_private(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitFileError("not a regular file")
    if status.st_uid != os.geteuid():
        raise UnfitFileError(f"owned by uid {status.st_uid}")
    if status.st_mode & 0o022:
        raise UnfitFileError("writable by others")


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):  # the disk filled up in between: the next write says so
        written += os.write(descriptor, data[written:])


def names_in(directory: str) -> list[str]:
    """Return the names in a directory, sorted; none when it cannot be listed."""
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def remove_tree(directory: str) -> None:
    """Remove a directory and all below it, as far as that goes."""
    import shutil  # with three compressors, which a gateway and its supervisor would keep in their memory

    shutil.rmtree(directory, ignore_errors=True)
