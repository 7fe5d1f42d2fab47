"""A real server on a real port, over a store written by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from store_builder import StoreBuilder

from treering.server.app import create_api
from treering.server.options import ServerOptions
from treering.server.serve import listen, make_server

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>' * 20


@dataclass
class Served:
    """A server that runs."""

    port: int
    folder: Path | str
    blobs: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def authorization(self) -> str:
        """The header that shows the token."""
        return f"Bearer {TOKEN}"

    def client(self, **headers: str) -> httpx.Client:
        """A client that shows the token."""
        told = {"Authorization": f"Bearer {TOKEN}", **headers}
        return httpx.Client(base_url=self.url, headers=told, timeout=60)

    def stranger(self, **headers: str) -> httpx.Client:
        """A client that shows nothing."""
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a server keeps runs."""
    if request.param == "sqlite":
        return tmp_path / "server"
    url: str = request.getfixturevalue("postgres_url")
    return url


@contextmanager
def serving(place: Path | str, **options: Any) -> Iterator[Served]:
    """Serve a store on a free port of this machine."""
    listener = listen("127.0.0.1", 0, exposed=False)
    server = make_server(ServerOptions(place, TOKEN, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline_s = time.monotonic() + 90
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield Served(listener.getsockname()[1], place, {})
    finally:
        server.should_exit = True
        thread.join(90)
        listener.close()
        assert not thread.is_alive()


def fill(builder: StoreBuilder) -> None:
    """Write runs of every sort."""
    for number in range(6):
        run = builder.run(
            f"run{number}",
            project="p" if number < 5 else "q",
            config={"lr": 0.1 * number, "net": {"depth": number}, "big": 2**60},
            summary={"loss": [0.5, 0.25, float("nan"), 0.25, 0.125, 1.0][number], "name": f"n{number % 2}"},
            tags=["even"] if number % 2 == 0 else [],
            notes="<script>alert(1)</script>" if number == 1 else None,
        )
        run.log([(step, {"loss": 1 / (step + 1), "text": "hello"}) for step in range(200)])
        run.log([(0, {"cpu": 50.0}), (1, {"cpu": 60.0})], "system")
        run.log([(0, {"text": "one", "line": 0}), (0, {"text": "two \udc80", "line": 1})], "console")
        run.log([(0, {"kind": "alert", "message": "hot", "level": "warn", "degrees": 99})], "events")
    spike = builder.run("spike", project="q")
    spike.log([(step, {"loss": 1000.0 if step == 7777 else 0.0}) for step in range(20_000)], batch=20_000)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server over a filled folder."""
    folder = tmp_path_factory.mktemp("served") / "store"
    fill(StoreBuilder(folder))
    from treering.store.blobs import Blobs

    blobs = {"png": Blobs(folder / "blobs").put(PNG), "svg": Blobs(folder / "blobs").put(SVG)}
    with serving(folder) as found:
        found.blobs = blobs
        yield found


@pytest.fixture(scope="session")
def serve() -> Callable[..., Any]:
    """Serve a store with options of its own."""
    return serving


@pytest.fixture(scope="module")
def serve_all() -> Callable[..., Any]:
    """The same, for all tests of a module."""
    return serving


@pytest.fixture(scope="module")
def api(served: Served) -> FastAPI:
    """The routes behind the gate."""
    return create_api(ServerOptions(served.folder, TOKEN))


@pytest.fixture
def postgres_filled(postgres_url: str) -> Iterator[Served]:
    """A server over a filled PostgreSQL."""
    builder = StoreBuilder(postgres_url)
    fill(builder)
    builder.database.close()
    with serving(postgres_url) as found:
        yield found
