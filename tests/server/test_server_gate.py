"""The gate: each attack that it is there for, on every route that there is."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from treering.errors import UsageError
from treering.server.gate import OPEN_PATHS
from treering.server.options import ServerOptions, check_bind
from treering.server.serve import listen, start_page
from treering.server.tokens import Tokens, new_token

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
FILLED = {
    "run_id": "run1",
    "digest": "0" * 64,
    "version_id": "v",
    "stream": "history",
    "rest": "x",
    "path": "p/runs/run1",
}


def filled(address: str) -> str:
    """An address with something in each of its places."""
    return re.sub(r"\{(\w+)(:path)?\}", lambda place: FILLED.get(place[1], "x"), address)


def walk(routes: list[Any]) -> Iterator[tuple[str, str]]:
    """Every (method, address) of a router, whatever wraps its routes."""
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if isinstance(route, (APIRoute, Route)):
            for method in route.methods or ():
                yield method, filled(route.path)
        elif isinstance(route, Mount):
            yield "GET", f"{route.path}/x"
        elif inner is not None:
            prefix = route.include_context.prefix if hasattr(route, "include_context") else ""
            yield from ((method, prefix + address) for method, address in walk(inner.routes))
        else:
            raise AssertionError(f"a route of an unknown sort: {route!r}")


@pytest.fixture(scope="module")
def table(api: FastAPI) -> list[tuple[str, str]]:
    found = sorted(set(walk(api.router.routes)))
    # What nobody routes passes the gate as well.
    return [*found, ("GET", "/nothing/here"), ("DELETE", "/api/v1/runs/run1"), ("GET", "/assets/app.js")]


def raw(port: int, request: bytes) -> tuple[int, bytes]:
    """Send bytes as they are; the status and the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
            if b"text/event-stream" in answer:
                break
    return int(answer.split(b" ", 2)[1]), answer


def test_the_table_is_the_whole_api(table: list[tuple[str, str]], served: Any) -> None:
    with served.client() as client:
        documented = client.get("/api/v1/openapi.json").json()["paths"]
    addresses = {address for _, address in table}
    for path in documented:
        assert filled(path) in addresses
    assert len(documented) >= 12


HOSTS = [
    b"evil.example",
    b"evil.example:80",
    b"127.0.0.1.evil.example",
    b"localhost.",
    b"LOCALHOST.evil",
    b"localhost:80:80",
    b"localhost@evil.example",
    b"0.0.0.0",
    b"[::ffff:127.0.0.1]",
    b"2130706433",
    b"127.1",
    b"",
]


def test_a_foreign_host_is_refused_on_every_route(table: list[tuple[str, str]], served: Any) -> None:
    for method, address in table:
        with served.client(Host="evil.example", **{"X-Forwarded-Host": "localhost"}) as client:
            assert client.request(method, address).status_code == 421, (method, address)


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_that_only_look_like_ours(host: bytes, served: Any) -> None:
    head = b"Authorization: Bearer " + TOKEN.encode() + b"\r\nConnection: close\r\n\r\n"
    assert raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n" + head)[0] in {400, 421}


@pytest.mark.parametrize("host", [b"localhost", b"LocalHost:1", b"127.0.0.1:9000", b"[::1]:80"])
def test_our_own_names(host: bytes, served: Any) -> None:
    assert raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")[0] == 200


def test_two_hosts_and_absolute_addresses(served: Any) -> None:
    two = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(served.port, two)[0] == 400
    absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(served.port, absolute)[0] in {400, 421}
    none = b"GET /healthz HTTP/1.0\r\nConnection: close\r\n\r\n"
    assert raw(served.port, none)[0] == 421


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page_gets_nothing_anywhere(headers: dict[str, str], table: Any, served: Any) -> None:
    with served.client(**headers) as client:
        for method, address in table:
            answer = client.request(method, address)
            assert answer.status_code == 403, (method, address)
            assert not any(name.startswith("access-control-") for name in answer.headers)


def test_a_link_from_elsewhere_leads_to_pages_only(served: Any) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with served.client(**link) as client:
        assert client.get("/p/runs/run1").status_code == 200
        assert client.get("/api/v1/projects").status_code == 403
        assert client.post("/api/v1/series", json={"runs": [], "keys": []}).status_code == 403


def test_a_preflight_is_denied(table: Any, served: Any) -> None:
    asked = {"Origin": served.url, "Access-Control-Request-Method": "POST"}
    with served.client(**asked) as client:
        for _, address in table:
            answer = client.options(address)
            assert answer.status_code == 403
            assert not any(name.startswith("access-control-") for name in answer.headers)


def test_nothing_is_open_without_the_token(table: Any, served: Any) -> None:
    with served.stranger(Origin=served.url) as client:
        for method, address in table:
            if address in OPEN_PATHS:
                continue
            body = {} if method == "GET" else {"json": {}}
            for more in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "treering_x=y"}):
                answer = client.request(method, address, headers=more, **body)
                assert answer.status_code == 401, (method, address)
            # A token in an address would stand in histories and logs.
            assert client.request(method, address, params={"token": TOKEN}, **body).status_code == 401
    assert len(OPEN_PATHS) <= 3


def test_reading_changes_nothing_and_changing_needs_our_page(table: Any, served: Any) -> None:
    assert {method for method, _ in table} <= {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
    tokens = Tokens(TOKEN)
    cookie = {"Cookie": f"{tokens.cookie_name}={tokens.cookie_value}"}
    query = {"runs": [], "keys": []}
    with served.stranger(**cookie) as client:
        assert client.post("/api/v1/series", json=query).status_code == 403
        assert client.post("/api/v1/series", json=query, headers={"Origin": served.url}).status_code == 200
        assert client.post("/api/v1/series", json=query, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_bodies_that_a_form_can_send_are_refused(kind: str | None, served: Any) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    with served.client() as client:
        answer = client.post("/api/v1/series", content=b'{"runs": [], "keys": []}', headers=headers)
    assert answer.status_code == 415


def test_hostile_bodies(served: Any) -> None:
    with served.client(**{"Content-Type": "application/json"}) as client:
        for body, status in (
            (b"{", 422),
            (b"[" * 200_000, 400),
            (b'{"runs": {}, "keys": []}', 422),
            (b'{"runs": [], "keys": [], "width": 1e9}', 422),
            (b'{"runs": [], "keys": [], "other": 1}', 422),
            (b'{"runs": ["\xff"], "keys": []}', 400),
        ):
            answer = client.post("/api/v1/series", content=body)
            assert answer.status_code in {status, 400, 422}, body[:40]
            assert answer.json()["error"]["message"]
        for large in (b" " * (1 << 20) + b"{}", iter([b" " * 65536] * 64)):
            answer = client.post("/api/v1/series", content=large)
            assert answer.status_code == 413
            assert answer.json()["error"]["message"]
        assert client.post("/api/v1/series", content=b"x", headers={"Content-Encoding": "gzip"}).status_code == 415
        assert client.get("/healthz").status_code == 200


def test_a_body_that_says_it_is_too_large_is_not_waited_for(served: Any) -> None:
    head = (
        f"POST /api/v1/series HTTP/1.1\r\nHost: localhost:{served.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {1 << 40}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_hostile_filters(served: Any) -> None:
    with served.client() as client:
        for text in ("(" * 15_000, "name = '", "config.lr < ; DROP TABLE runs", "not " * 4000 + "name = 'x'", "\0"):
            answer = client.get("/api/v1/runs", params={"filter": text})
            assert answer.status_code == 400, text[:20]
        for cursor in ("x", "!!", "kA", "", "gA", "k84="):
            assert client.get("/api/v1/runs", params={"after": cursor}).status_code == 400, cursor
        assert len(client.get("/api/v1/runs").json()["runs"]) == 7


def test_every_answer_has_the_headers(table: Any, served: Any) -> None:
    with served.client() as client, served.stranger(Host="evil.example") as stranger:
        for one in (client, stranger):
            for method, address in table:
                if address == "/api/v1/live":
                    continue
                headers = one.request(method, address).headers
                policy = headers["content-security-policy"]
                assert "frame-ancestors 'none'" in policy
                assert "default-src 'self'" in policy or "sandbox" in policy
                assert "unsafe" not in policy
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["x-frame-options"] == "DENY"
                assert "server" not in headers


def test_the_start_address_is_exchanged_for_a_strict_cookie(served: Any) -> None:
    with served.stranger() as client:
        assert client.get("/").status_code == 401
        assert client.get("/login", params={"token": "x" * 43}).status_code == 403
        answer = client.get("/login", params={"token": TOKEN})
        assert answer.status_code == 200  # a redirect would not carry a strict cookie after a visit from elsewhere
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and TOKEN not in cookie  # noqa: PT018
        assert TOKEN not in answer.text
        assert client.get("/").status_code == 200
        assert client.get("/api/v1/projects").status_code == 200


def test_tokens_are_random_and_cookies_end_with_them() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 43
    assert not Tokens(new_token()).is_cookie(Tokens(TOKEN).cookie_value)
    assert not Tokens(TOKEN).is_token("é")
    with pytest.raises(UsageError, match="too short"):
        ServerOptions(None, "guess")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "", "localhost.evil.example"])
def test_other_addresses_need_a_flag(host: str) -> None:
    with pytest.raises(UsageError, match="--expose"):
        listen(host, 0, exposed=False)  # not the rule alone: what listens has to ask it
    check_bind(host, exposed=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_none(host: str) -> None:
    check_bind(host, exposed=False)


def test_the_page_for_the_browser_is_the_users_own() -> None:
    with start_page("http://127.0.0.1:1/login?token=t") as page:
        assert stat.S_IMODE(os.stat(page).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(page.parent).st_mode) == 0o700
        assert "token=t" in page.read_text()
    assert not page.parent.exists()


PATHS = [
    "..",
    "%2e%2e",
    "%252e%252e%252f",
    "..%2f..%2f..%2fetc%2fpasswd",
    "..;/",
    "..%5c..%5c",
    "%00",
    "/etc/passwd",
    "C:%5cwindows",
    "file:%2f%2f%2fetc%2fpasswd",
    "%ef%bc%8e%ef%bc%8e",
    "a" * 5000,
]


@pytest.mark.parametrize("path", PATHS, ids=[path[:20] for path in PATHS])
def test_no_name_leads_out_of_the_store(path: str, served: Any) -> None:
    head = b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\nConnection: close\r\n\r\n"
    for address in (
        f"/api/v1/runs/run1/blobs/{path}",
        f"/api/v1/runs/{path}/blobs/{'0' * 64}",
        f"/api/v1/artifacts/{path}/files",
        f"/api/v1/artifacts/v/file?path={path}",
        f"/api/v1/runs/{path}",
        f"/assets/{path}",
        f"/{path}",
    ):
        status, answer = raw(served.port, b"GET " + address.encode() + head)
        assert b"root:" not in answer
        if address.startswith("/api/"):
            assert status in {400, 404, 422}, address


def test_a_prefix(serve: Any, served: Any) -> None:
    with serve(served.folder, root_path="/tracking") as one, one.client() as client:
        for prefix in ("", "/tracking"):  # proxies that cut it off, and those that do not
            assert client.get(f"{prefix}/api/v1/projects").status_code == 200
            assert httpx.get(f"{one.url}{prefix}/api/v1/projects").status_code == 401
            assert httpx.get(f"{one.url}{prefix}/healthz").status_code == 200
        answer = client.get("/tracking/login", params={"token": TOKEN})
        assert "Path=/tracking;" in answer.headers["set-cookie"]
        assert 'url=/tracking/"' in answer.text
        assert client.get("/trackingapi/v1/projects").text.startswith("<!doctype html>")


def test_frames_of_a_named_page_only(serve: Any, served: Any) -> None:
    with serve(served.folder, frame_origins=("https://portal.example",)) as one, one.client() as client:
        headers = client.get("/").headers
    assert "frame-ancestors https://portal.example" in headers["content-security-policy"]
    assert "x-frame-options" not in headers
    for bad in ("*", "https://a b", "portal.example", "https://x;script-src *"):
        with pytest.raises(UsageError):
            ServerOptions(None, TOKEN, frame_origins=(bad,))


def test_a_bug_of_ours_is_a_plain_500(served: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def fail(_self: Any) -> object:
        raise ValueError("a secret of the store")

    with served.client() as client:
        monkeypatch.setattr("treering.server.shelf.Library.tallies", fail)
        for _ in range(3):
            answer = client.get("/api/v1/projects")
            assert answer.status_code == 500
            assert "secret" not in answer.text
            assert answer.headers["x-content-type-options"] == "nosniff"
        assert client.get("/healthz").status_code == 200
    assert "a secret of the store" in caplog.text
