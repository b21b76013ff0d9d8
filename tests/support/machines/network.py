"""Servers on this host whose transfers can break off or stall: an index of wheels, and repositories of git."""

import socket
import subprocess
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import IO, Any, Literal, Self

_LARGE = 65536  # bytes; larger than any page of an index, and than what git says before it sends objects


class Network:
    """Serves `folder`; `fails` says what happens in which large transfer, counted from 1, once it is found to be large."""

    def __init__(self, folder: Path) -> None:
        self.fails: tuple[int, Literal["breaks off", "stalls"]] | None = None
        self.failed = threading.Event()
        self._over = threading.Event()
        self._large = 0
        handlers: list[Callable[..., BaseRequestHandler]] = [
            partial(_Files, self, directory=str(folder)),
            partial(_Git, self, folder),
        ]
        self._servers = [ThreadingTCPServer(("127.0.0.1", 0), handler) for handler in handlers]
        for server in self._servers:
            server.daemon_threads = True
        self._files, self._git = (server.server_address[1] for server in self._servers)

    @property
    def files(self) -> str:
        """The URL of the folder, without a slash at its end."""
        return f"http://127.0.0.1:{self._files}"

    @property
    def git(self) -> str:
        """The same, for git."""
        return f"git://127.0.0.1:{self._git}"

    def __enter__(self) -> Self:
        """Serve."""
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """A stalled transfer ends, too."""
        self._over.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def send(self, source: IO[bytes], target: Callable[[bytes], object]) -> None:
        """One transfer, whole or not."""
        sent = 0
        while data := source.read(8192):
            sent += len(data)
            if sent > _LARGE >= sent - len(data):
                self._large += 1
                if self.fails is not None and self.fails[0] == self._large:
                    self.failed.set()
                    if self.fails[1] == "stalls":
                        self._over.wait()
                    return
            target(data)


class _Files(SimpleHTTPRequestHandler):
    """HTTP/1.0: one file a connection, which ends with it."""

    def __init__(self, network: Network, *arguments: Any, directory: str) -> None:
        self._network = network
        super().__init__(*arguments, directory=directory)

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """As the network lets it."""
        self._network.send(source, outputfile.write)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class _Git(BaseRequestHandler):
    """git's own daemon, one for each connection."""

    def __init__(self, network: Network, folder: Path, *arguments: Any) -> None:
        self._network = network
        self._argv = ["git", "daemon", "--inetd", "--export-all", f"--base-path={folder}"]
        super().__init__(*arguments)

    def handle(self) -> None:
        """As the network lets it."""
        with subprocess.Popen(self._argv, stdin=self.request, stdout=subprocess.PIPE, bufsize=0) as daemon:
            assert daemon.stdout is not None
            try:
                self._network.send(daemon.stdout, self.request.sendall)
            except OSError:
                pass  # who fetched is gone
            finally:
                self.request.shutdown(socket.SHUT_RDWR)
                daemon.kill()
