"""Clients that take their time."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import pytest

from treering.server import protocol

LIMIT_S = 1.0


def drip(connection: socket.socket, data: bytes, *, each_s: float) -> bool:
    """Send byte by byte; whether all of it could be sent."""
    connection.settimeout(each_s)
    for byte in data:
        try:
            connection.send(bytes([byte]))
            if not connection.recv(1):
                return False
        except TimeoutError:
            continue  # nothing was answered, and it is open
        except OSError:
            return False
    return True


@pytest.mark.parametrize("before", ["", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["first", "second"])
def test_a_head_that_comes_letter_by_letter_is_not_waited_for(
    before: str, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", LIMIT_S)
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.settimeout(60)
        if before:
            connection.sendall(before.encode())
            answer = b""
            while b"{" not in answer:
                answer += connection.recv(4096)
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                while connection.recv(4096):
                    pass
        assert not drip(connection, b"GET /healthz HTTP/1.1\r\nX-Long: " + b"a" * 600, each_s=0.1)
    with served.stranger() as client:
        assert client.get("/healthz").status_code == 200


def test_an_answer_that_takes_long_is_not_cut(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_S", LIMIT_S)
    with served.client() as client, client.stream("GET", "/api/v1/live", params={"run": "run1"}) as answer:
        lines = answer.iter_lines()
        assert next(lines) == "event: hello"
        time.sleep(2 * LIMIT_S)
        assert not answer.is_closed
        assert "next_rows" in next(lines) + next(lines)
        connection = answer.extensions["network_stream"].get_extra_info("socket")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):  # open, and nothing to say
            connection.recv(1, socket.MSG_PEEK)
