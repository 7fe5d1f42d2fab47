"""Google Cloud Storage and Azure by configuration alone: which requests leave for which server, and what comes back."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

import treering
from treering.artifacts.backends import open_backend
from treering.errors import CorruptData, NotFound, StoreError, UsageError

DATA = bytes(range(256))


class Listener(ThreadingHTTPServer):
    """Has one object, "packs/p", below whatever container; remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[str] = []
        self.etag = '"1"'

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(f"{self.command} {path}")
        start, _, end = (self.headers["Range"] or "bytes=0-255").removeprefix("bytes=").partition("-")
        part = DATA[int(start) : int(end) + 1]
        self.send_response(206 if path.endswith("/packs/p") else 404)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(DATA)}")
        self.send_header("ETag", self.server.etag)
        self.send_header("Last-Modified", "Sun, 22 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_azure(listener: Listener, tmp_path: Path) -> None:
    url = f"az://container/prefix?account_name=me&endpoint={listener.address}/me&skip_signature=true"
    backend = open_backend(tmp_path, url)
    assert backend.read("packs/p", [(3, 4)]) == [DATA[3:7]]
    assert listener.asked == ["GET /me/container/prefix/packs/p"]
    with pytest.raises(NotFound, match="az://container/prefix: packs/q cannot be read: it is not there"):
        backend.read("packs/q", [(0, 1)])


def test_google(listener: Listener, tmp_path: Path) -> None:
    key = {"gcs_base_url": listener.address, "disable_oauth": True, "private_key": "", "private_key_id": ""}
    options = f"service_account_key={quote(json.dumps({**key, 'client_email': ''}))}&allow_http=true"
    backend = open_backend(tmp_path, f"gs://bucket/prefix?{options}")
    assert backend.read("packs/p", [(3, 4)]) == [DATA[3:7]]
    assert listener.asked == ["GET /bucket/prefix/packs/p"]
    with pytest.raises(NotFound, match="gs://bucket/prefix: packs/q cannot be read: it is not there"):
        backend.read("packs/q", [(0, 1)])


@pytest.mark.parametrize(
    "url", ["az://container/x?endpoint=http://127.0.0.1:1", "gs://bucket/x?service_account_key={}"]
)
def test_what_is_configured_wrongly(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be opened"):
        open_backend(tmp_path, url)


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_references_into_other_clouds(
    scheme: str, listener: Listener, store_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server is, and with which key, is said by the environment alone."""
    key = {"gcs_base_url": listener.address, "disable_oauth": True, "private_key": "", "private_key_id": ""}
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps({**key, "client_email": ""}))
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"{listener.address}/me")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "me")
    monkeypatch.setenv("AZURE_SKIP_SIGNATURE", "true")
    artifact = treering.Artifact("refs")
    assert artifact.add_reference(f"{scheme}://bucket/packs/p", "p") == ["p"]
    artifact.save("p")
    assert (artifact.get_path("p").uri, artifact.get_path("p").size) == (f"{scheme}://bucket/packs/p", 256)
    assert ((artifact.download(tmp_path / "out") / "p").read_bytes(), artifact.stored) == (DATA, 0)
    listener.etag = '"2"'
    with pytest.raises(CorruptData, match="has changed since"):
        artifact.download(tmp_path / "again")


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listener: Listener
) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    install = r"pip install 'treering\[buckets\]'"
    with pytest.raises(StoreError, match=install):
        open_backend(tmp_path, "s3://bucket/prefix")
    data = treering.Artifact("data", "dataset")
    with pytest.raises(StoreError, match=install):
        data.add_reference("gs://bucket/file")
    data.add_reference(f"{listener.address}/packs/p")
    data.add_reference(Path(__file__).as_uri())
