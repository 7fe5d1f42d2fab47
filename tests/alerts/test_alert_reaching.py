"""What alerts may connect to."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpcore
import pytest

from treering.alerts.reaching import GuardedBackend, Internal
from treering.errors import UsageError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::", "2002:a00:1::1",
    ],
)  # fmt: skip
def test_the_own_network_is_not_reached(address: str) -> None:
    assert not Internal().allows("hooks.example.com", address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"])
def test_the_world_is(address: str) -> None:
    assert Internal().allows("hooks.example.com", address)


def test_what_was_allowed() -> None:
    internal = Internal(["10.0.0.0/8", "Mail.lan.", "127.0.0.1"])
    assert internal.allows("any", "10.20.30.40")
    assert internal.allows("mail.LAN", "192.168.0.9")
    assert internal.allows("any", "127.0.0.1")
    assert not internal.allows("other.lan", "192.168.0.9")
    assert not internal.allows("any", "127.0.0.2")


@pytest.mark.parametrize("given", ["", "https://mail.lan", "10.0.0.0/99", "mail.lan:25"])
def test_what_cannot_be_allowed(given: str) -> None:
    with pytest.raises(UsageError, match="give a name, an address or a network"):
        Internal([given])


def test_a_name_that_leads_inside() -> None:
    with pytest.raises(PermissionError, match=r"localhost is at .*, inside the server's own network"):
        Internal().addresses("localhost", 80)


@pytest.fixture
def here() -> Iterator[tuple[int, list[str]]]:
    """A server: its port, and the addresses by which it was reached."""
    reached: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(str(self.connection.getsockname()[0]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1], reached
        server.shutdown()
        thread.join()


def test_a_name_that_changes_between_looking_and_connecting(
    here: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer for the name, which would lead elsewhere, is never asked for."""
    port, reached = here
    answers = iter(["127.0.0.1", "127.0.0.2", "127.0.0.1"])
    resolve = socket.getaddrinfo

    def changing(host: Any, *arguments: Any, **options: Any) -> Any:
        return resolve(next(answers) if host == "changing.example" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    with httpcore.ConnectionPool(network_backend=GuardedBackend(Internal(["127.0.0.1"]))) as pool:
        assert pool.request("GET", f"http://changing.example:{port}/").status == 204
        assert reached == ["127.0.0.1"]
    with httpcore.ConnectionPool(network_backend=GuardedBackend(Internal(["127.0.0.1"]))) as pool:
        with pytest.raises(httpcore.ConnectError, match="inside the server's own network"):
            pool.request("GET", f"http://changing.example:{port}/")
        assert reached == ["127.0.0.1"]
    # What mail goes over: were the name looked up once more, it would not be found.
    with Internal(["127.0.0.1"]).connect("changing.example", port, 5.0) as connection:
        assert connection.getpeername() == ("127.0.0.1", port)


def test_no_sockets_in_files() -> None:
    with pytest.raises(httpcore.ConnectError, match="not for alerts"):
        GuardedBackend(Internal()).connect_unix_socket("/var/run/docker.sock")
