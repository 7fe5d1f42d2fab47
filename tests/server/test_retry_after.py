"""A server, or a proxy before it, that asks to be left alone for a while is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from treering.online.client import Client, Unreachable


class Busy(ThreadingHTTPServer):
    """Refuses as often as it is told to, then answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refusals: list[tuple[int, str]] = []
        self.asked_s: list[float] = []


class Handler(BaseHTTPRequestHandler):
    server: Busy

    def do_GET(self) -> None:
        self.server.asked_s.append(time.monotonic())
        status, after = self.server.refusals.pop(0) if self.server.refusals else (200, "")
        self.send_response(status)
        if after:
            self.send_header("Retry-After", after)
        body = b"[]" if status == 200 else b'{"error": {"code": "busy", "message": "later"}}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: Any) -> None: ...


@pytest.fixture
def busy() -> Iterator[Busy]:
    with Busy() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


def url(server: Busy) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize("status", [429, 503])
def test_a_client_waits_as_long_as_it_is_asked_to(status: int, busy: Busy) -> None:
    busy.refusals = [(status, "1")]
    with Client(url(busy), "k", patience_s=60) as client:
        assert client.get("projects") == []
    first_s, second_s = busy.asked_s
    assert second_s - first_s >= 1.0


def test_a_client_without_patience_says_so_at_once(busy: Busy) -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=100), usegmt=True)
    for said, least_s, most_s in (("7", 7, 7), (soon, 60, 101), ("99999999", 300, 300), ("nonsense", 0, 0), ("", 0, 0)):
        busy.refusals = [(503, said)]
        with Client(url(busy), "k") as client, pytest.raises(Unreachable, match="later") as caught:
            client.get("projects")
        assert least_s <= caught.value.retry_after_s <= most_s
