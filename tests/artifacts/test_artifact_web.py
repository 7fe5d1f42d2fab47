"""References to files behind http:// addresses, on a real server of this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

import treering
from treering.errors import CorruptData, NotFound, StoreError


class Files(BaseHTTPRequestHandler):
    """Serves what is in `content`: by path and query, with these headers."""

    content: ClassVar[dict[str, tuple[bytes, dict[str, str]]]] = {}

    def do_HEAD(self) -> None:
        if self.path.startswith("/no-head"):
            self.send_error(405)
        else:
            self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        if self.path not in self.content:
            self.send_error(403 if "secret" in self.path else 404)
            return
        data, headers = self.content[self.path]
        self.send_response(302 if "Location" in headers else 200)
        self.send_header("Content-Length", headers.get("Content-Length", str(len(data))))
        for name in ("ETag", "Last-Modified", "Location"):
            if name in headers:
                self.send_header(name, headers[name])
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def web() -> Iterator[str]:
    Files.content = {
        "/a%20b/data.csv?version=2": (b"1,2\n" * 1000, {"ETag": '"one"'}),
        "/dated.bin": (b"dated", {"Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}),
        "/no-head/x.bin": (b"x", {"ETag": '"x"'}),
        "/nothing-known": (b"anything", {}),
        "/moved": (b"", {"Location": "/dated.bin"}),
        "/cut-off": (b"half", {"ETag": '"c"', "Content-Length": "8"}),
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_files_behind_addresses(web: str, store_dir: Path, tmp_path: Path) -> None:
    artifact = treering.Artifact("refs")
    assert artifact.add_reference(f"{web}/a%20b/data.csv?version=2") == ["data.csv"]
    for name in ("dated.bin", "no-head/x.bin", "nothing-known", "moved"):
        artifact.add_reference(f"{web}/{name}", name)
    artifact.save("p")
    assert (artifact.size, artifact.stored) == (0, 0)
    assert artifact.get_path("data.csv").size == 4000
    artifact.download(tmp_path / "out")
    for name, path in (("data.csv", "/a%20b/data.csv?version=2"), ("dated.bin", "/dated.bin"), ("moved", "/dated.bin")):
        assert (tmp_path / "out" / name).read_bytes() == Files.content[path][0]
    Files.content["/a%20b/data.csv?version=2"] = (b"other", {"ETag": '"two"'})
    Files.content["/dated.bin"] = (b"later", {"Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"})
    Files.content["/nothing-known"] = (b"else", {})
    for name in ("data.csv", "dated.bin", "moved"):
        with pytest.raises(CorruptData, match=f"{name}' refers to, has changed since it was added"):
            artifact.download(tmp_path / "again", name)
    artifact.download(tmp_path / "again", "nothing-known")  # nobody could know
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["nothing-known"]


def test_what_is_not_there(web: str, store_dir: Path, tmp_path: Path) -> None:
    artifact = treering.Artifact("refs")
    with pytest.raises(NotFound, match="there is nothing at"):
        artifact.add_reference(f"{web}/none")
    with pytest.raises(StoreError, match="the server says 403"):
        artifact.add_reference(f"{web}/secret")
    with pytest.raises(StoreError, match="cannot be reached"):
        artifact.add_reference("http://127.0.0.1:1/x")
    artifact.add_reference(f"{web}/cut-off", "cut-off")
    artifact.add_reference(f"{web}/dated.bin")
    artifact.save("p")
    with pytest.raises(StoreError, match="cannot be reached"):
        artifact.download(tmp_path, "cut-off")
    assert not (tmp_path / "cut-off").exists()
    del Files.content["/dated.bin"]
    with pytest.raises(NotFound, match="there is nothing at"):
        artifact.download(tmp_path, "dated.bin")
