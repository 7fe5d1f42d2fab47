"""Servers that are killed: each forked off one process that has everything loaded, so that it listens at once.

Run as a program, this file takes orders on stdin, one a line: `start PORT PLACE` and `kill PORT`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

TOKEN = "secret-token-of-these-tests-0123456789abcdef"


class ServerYard:
    """Starts and kills servers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def _order(self, **order: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n", "the server yard itself died"

    def start(self, port: int, place: Path | str) -> None:
        """Serve a store on a port; connections are taken from now on."""
        self._order(act="start", port=port, place=str(place))

    def kill(self, port: int) -> None:
        """Kill the server on a port as the OOM killer would."""
        self._order(act="kill", port=port)


@contextlib.contextmanager
def open_server_yard(folder: Path) -> Iterator[ServerYard]:
    """Start the process that all servers are forked off; what they print goes to a file in `folder`."""
    command = [sys.executable, __file__, str(folder / "servers.txt")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ServerYard(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def server_for(place: str) -> uvicorn.Server:
    """A server that has not begun; it opens the store when it is first asked for something."""
    from treering.server.options import ServerOptions
    from treering.server.serve import make_server

    return make_server(ServerOptions(place if "://" in place else Path(place), TOKEN))


def main() -> None:
    """Import all that a server needs, start no thread, and take orders."""
    import blake3  # noqa: F401
    import pcodec  # noqa: F401
    import psycopg  # noqa: F401
    import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401

    import treering.server.app
    import treering.store.schema
    import treering.store.superseded
    import treering.zstd  # noqa: F401

    output = Path(sys.argv[1])
    servers: dict[int, int] = {}
    made: dict[str, uvicorn.Server] = {}
    for line in sys.stdin:
        order = json.loads(line)
        port = order["port"]
        if order["act"] == "kill":
            pid = servers.pop(port)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        else:
            # Listening before the server is there: whoever connects meanwhile waits.
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen(64)
            # Before the fork: it takes longer than all that a server does between two kills.
            server = made[order["place"]] = made.get(order["place"]) or server_for(order["place"])
            pid = os.fork()
            if not pid:
                file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(file, 1)
                os.dup2(file, 2)
                server.run(sockets=[listener])
                os._exit(0)
            listener.close()
            servers[port] = pid
        print("done", flush=True)
    for pid in servers.values():
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
