"""launchctl: it sends its arguments to the daemon, prints the answer, and exits with its code.

A program of its own, executed by path: it starts in 10 ms, as the real one does, so it imports next to nothing
(`_socket` is the part of `socket` that needs no import of 8 ms). One request and one answer per connection:

    LENGTH\\n  "launchctl" TERMINAL DIRECTORY STARTED ARGUMENT…   (joined by NUL)
    CODE OUT_LENGTH\\n  OUT  ERR                                  (to the end of the connection)
"""

import os
import sys
import time
from _socket import AF_UNIX, SOCK_STREAM, socket

NOT_ANSWERING = 1


def call(path: str, fields: list[bytes], patience: float | None = None) -> tuple[int, bytes, bytes]:
    """Send one request to the daemon and return its answer.

    Raises OSError, and TimeoutError after `patience` seconds without a byte.
    """
    payload = b"\0".join(fields)
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(b"%d\n%s" % (len(payload), payload))
        answer = b""
        while read := connection.recv(65536):
            answer += read
    finally:
        connection.close()
    head, _, body = answer.partition(b"\n")
    if not head:
        raise ConnectionError("launchd ended without an answer")
    code, length = head.split()
    return int(code), body[: int(length)], body[int(length) :]


def main() -> None:
    """Run `launchctl.py SOCKET ARGUMENT…`."""
    started = time.monotonic()
    try:
        directory = os.getcwd()
    except OSError:
        directory = "/"
    terminal = b"1" if os.isatty(1) else b"0"
    fields = [b"launchctl", terminal, os.fsencode(directory), b"%f" % started, *map(os.fsencode, sys.argv[2:])]
    try:
        code, out, err = call(sys.argv[1], fields)
    except OSError as error:
        code, out, err = NOT_ANSWERING, b"", f"launchd does not answer: {error}\n".encode()
    os.write(1, out) if out else None
    os.write(2, err) if err else None
    os._exit(code)  # nothing is buffered


if __name__ == "__main__":
    main()
