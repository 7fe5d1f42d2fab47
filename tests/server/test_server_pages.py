"""The dashboard's files: found below any prefix, compressed, kept by browsers, and nothing beside them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from treering.server import routes_pages

PLAIN = {"Accept-Encoding": "identity"}
SCRIPT = "console.log('the dashboard')\n" * 100
PAGE = '<!doctype html><meta name="treering-root" content="" /><script src="./assets/index-Ab3_-x9Z.js"></script>'


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small dashboard in place of the built one."""
    folder = tmp_path_factory.mktemp("dashboard") / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    (folder / "assets" / "index-Ab3_-x9Z.js").write_text(SCRIPT, encoding="utf-8")
    (folder / "assets" / "index-Ab3_-x9Z.js.br").write_bytes(b"not really brotli")
    (folder / "assets" / "index-Ab3_-x9Z.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (folder / "assets" / "icon.svg").write_text("<svg/>", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes_pages, "STATIC", folder)
        yield folder


@pytest.fixture
def client(static: Path, served: Any) -> Iterator[httpx.Client]:
    with served.client(**PLAIN) as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/digits", "/digits/runs/abc", "/digits/artifacts/model", "/digits/sweeps/s1"])
def test_every_page_is_the_one_page(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert 'src="/assets/index-Ab3_-x9Z.js"' in answer.text
    assert answer.headers["cache-control"] == "private, no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(("path", "status"), [("/api", 200), ("/api/x", 404), ("/assets/x.js", 404), ("/~61pi", 200)])
def test_reserved_names_are_the_servers(client: httpx.Client, path: str, status: int) -> None:
    # `/api` alone is no route of the API: a page may stand there, but links write that project as ~61pi.
    assert client.get(path).status_code == status


def test_behind_a_prefix_the_page_knows_it(static: Path, serve: Callable[..., Any], tmp_path: Path) -> None:
    with serve(tmp_path / "store", root_path="/tracking") as served, served.client(**PLAIN) as client:
        for path in ("/tracking/digits", "/digits"):  # whether the proxy leaves the prefix or cuts it off
            page = client.get(path).text
            assert 'src="/tracking/assets/index-Ab3_-x9Z.js"' in page
            assert 'name="treering-root" content="/tracking"' in page
        assert client.get("/tracking/assets/index-Ab3_-x9Z.js").text == SCRIPT


@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("br;q=0, gzip", "gzip"), ("identity", None)])
def test_files_leave_compressed_as_the_browser_takes_them(
    client: httpx.Client, accepted: str, coding: str | None
) -> None:
    answer = client.get("/assets/index-Ab3_-x9Z.js", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert answer.text == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["vary"] == "Accept-Encoding"


def test_brotli_comes_first(client: httpx.Client) -> None:
    with client.stream("GET", "/assets/index-Ab3_-x9Z.js", headers={"Accept-Encoding": "gzip, br, zstd"}) as answer:
        assert answer.headers["content-encoding"] == "br"
        assert b"".join(answer.iter_raw()) == b"not really brotli"


def test_a_name_with_a_hash_is_kept_for_good_and_no_other(client: httpx.Client) -> None:
    assert "immutable" in client.get("/assets/index-Ab3_-x9Z.js").headers["cache-control"]
    assert client.get("/assets/icon.svg").headers["cache-control"] == "private, no-cache"
    tag = client.get("/assets/icon.svg").headers["etag"]
    assert client.get("/assets/icon.svg", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.parametrize("name", ["..%2findex.html", "%2e%2e%2findex.html", ".hidden", "index-Ab3_-x9Z.js.br", "no.js"])
def test_nothing_beside_the_files_is_served(client: httpx.Client, static: Path, name: str) -> None:
    (static / "assets" / ".hidden").write_text("secret", encoding="utf-8")
    answer = client.get(f"/assets/{name}")
    assert answer.status_code == 404 or answer.text.startswith("<!doctype html>")
    assert "secret" not in answer.text


def test_without_a_built_dashboard_the_page_says_how_to_build_it(client: httpx.Client, static: Path) -> None:
    (static / "index.html").rename(static / "away")
    answer = client.get("/digits")
    (static / "away").rename(static / "index.html")
    assert answer.status_code == 200
    assert "nox -s ui" in answer.text
    assert "/api/v1" in answer.text
