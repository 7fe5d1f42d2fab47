"""A proxy on this machine between a client and servers that does to requests what networks do.

It takes a request in whole, then a plan says what becomes of it: passed on, dropped before or after the server has
seen it, cut in half, passed on twice, passed on again later when others have come, or slowly.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: What may become of a request.
PASS, DROP, SILENT, CUT, TWICE, LATE, SLOW = "pass", "drop", "silent", "cut", "twice", "late", "slow"
FAULTS = (DROP, SILENT, CUT, TWICE, LATE, SLOW)


@dataclass
class Proxy:
    """What it does now; may be changed while it runs.

    Attributes:
        ports: of the servers, who take turns; one that does not answer is asked after the others.
        faults: share of requests that something happens to.
        seen: how often each thing has happened.
    """

    ports: list[int]
    faults: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    seen: dict[str, int] = field(default_factory=dict[str, int])
    turn: int = 0
    url: str = ""
    old: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)

    def plan(self) -> str:
        fault = self.chance.choice(FAULTS) if self.chance.random() < self.faults else PASS
        self.seen[fault] = self.seen.get(fault, 0) + 1
        return fault

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        """Ask one of the servers after the other; 502 when none of them answers."""
        self.turn += 1
        for at in range(len(self.ports)):
            port = self.ports[(self.turn + at) % len(self.ports)]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read(), dict(answer.getheaders())
        return 502, b"", {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: Any) -> None: ...

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self) -> None:
        body, plan = self._body(), self.proxy.plan()
        keep = ("authorization", "content-type", "content-encoding", "accept-encoding", "host")
        headers = {name: value for name, value in self.headers.items() if name.lower() in keep}
        request = (self.command, self.path, body, headers)
        if plan == DROP:
            return self._hang_up()
        if plan == CUT and body:
            self._half(*request)
            return self._hang_up()
        if plan == SLOW:
            time.sleep(0.05)
        status, answer, told = self.proxy.send(*request)
        if plan == TWICE:
            status, answer, told = self.proxy.send(*request)
        if plan == LATE and self.proxy.old:
            self.proxy.send(*self.proxy.chance.choice(self.proxy.old))
        self.proxy.old = [*self.proxy.old[-20:], request]
        if plan == SILENT:
            return self._hang_up()
        self.send_response(status)
        for name in ("content-type", "content-encoding"):
            if value := {key.lower(): text for key, text in told.items()}.get(name):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer if status != 204 else b"")
        return None

    def _half(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Send half of a body under a head that promises all of it, and hang up."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.proxy.ports[0])) as connection:
            lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
            connection.sendall(head + body[: len(body) // 2])

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815  # names of the standard library


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None: ...  # a client that hung up is what this is about


@contextlib.contextmanager
def proxy_to(*ports: int) -> Iterator[Proxy]:
    """Run a proxy in front of servers on these ports of this machine."""
    proxy = Proxy(list(ports))
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
