"""Writing over HTTP: what is taken, in which order, from whom, and what is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from copies import opened, rows_of

import treering
from treering.artifacts.frames import frame_chunk
from treering.artifacts.manifest import Entry, encode_manifest
from treering.errors import NotFound, UsageError
from treering.online.client import Client, Conflict, RefusedKey, RowsExpected, Unreachable, check_url
from treering.online.delivery import AttemptPart, RunDocument, VersionPart, frame_rows
from treering.server.inbox import Inbox
from treering.store import Store
from treering.store.values import Carried, encode
from treering.zstd import pack

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
BEGAN_US = 1_767_225_600_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("write") / "server"


@pytest.fixture(scope="module")
def taking(folder: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A server that all tests of one folder share."""
    with request.getfixturevalue("serve_all")(folder) as served:
        yield served


def document(version: int = 1, **given: Any) -> RunDocument:
    attempts = given.pop("attempts", [AttemptPart(1, "running", BEGAN_US, 0)])
    fields: dict[str, Any] = {
        "version": version, "project": "p", "name": "n", "state": "running", "created_us": BEGAN_US,
        "attempt": attempts[-1].attempt, "attempts": attempts, **given,
    }  # fmt: skip
    return RunDocument(**fields)


def records(*numbers: int, stream: int = 0, **data: Any) -> list[bytes]:
    return [
        encode((stream, number, number * 10, (BEGAN_US + number) * 1000, data or {"a": number})) for number in numbers
    ]


def test_rows_come_once_and_in_order(place: Path | str, serve: Callable[..., Any]) -> None:
    with serve(place) as served, Client(served.url, TOKEN) as client:
        with pytest.raises(NotFound, match="send its document first"):
            client.append("r", "history", 0, 2, records(0, 1))
        progress = client.put_run("r", document(config={"lr": 0.1, "n": float("nan")}))
        assert (progress.version, progress.next_rows["history"]) == (1, 0)
        assert client.append("r", "history", 0, 3, records(0, 1, 2)) == 3
        with pytest.raises(RowsExpected) as gap:
            client.append("r", "history", 5, 6, records(5))
        assert gap.value.expected == 3
        # Again, partly again, and with numbers in between that nobody has.
        assert client.append("r", "history", 0, 3, records(0, 1, 2, a=-1)) == 3
        assert client.append("r", "history", 1, 5, records(1, 2, 3, 4)) == 5
        assert client.append("r", "history", 5, 9, records(6, 7)) == 9
        assert client.append("r", "history", 9, 9, []) == 9
        many = records(*range(9, 209))
        assert client.append("r", "history", 9, 209, many) == 209
        assert client.append("r", "history", 100, 210, many[91:] + records(209)) == 210
        assert client.append("r", "console", 0, 1, records(0, stream=2, text="x", line=0)) == 1
        # A document that was sent earlier comes later.
        client.put_run("r", document(4, name="new", summary_set={"best": 1}, tags=["t"], config={"b": b"\0"}))
        assert client.put_run("r", document(3, name="old")).version == 4
        assert client.beat("r").next_rows == {"history": 210, "system": 0, "console": 1, "events": 0}
        database = opened(place)
        rows = rows_of(database, "r", "history")
        database.close()
        assert sorted(rows) == [*range(5), 6, 7, *range(9, 210)]
        assert all(dict(msgspec.msgpack.decode(row))["a"] == number for number, row in rows.items())
        with treering.Api(place) as api:
            run = api.run("r")
            assert (run.name, run.tags, run.summary, run.config["b"]) == ("new", ("t",), {"a": 209, "best": 1}, b"\0")
            assert list(run.history("a").x)[:3] == [0, 10, 20]


def test_a_later_attempt_supersedes_what_came_before_it(place: Path | str, serve: Callable[..., Any]) -> None:
    first = AttemptPart(1, "rewound", BEGAN_US, 0, ended_us=BEGAN_US + 5)
    second = AttemptPart(2, "finished", BEGAN_US + 5, 4, from_step=20, ended_us=BEGAN_US + 9)
    with serve(place) as served, Client(served.url, TOKEN) as client:
        # All attempts are known before the first row comes, as when a run is brought over afterwards.
        told: dict[str, Any] = {"attempts": [first, second], "state": "finished", "ended_us": BEGAN_US + 9}
        client.put_run("r", document(1, **told))
        client.append("r", "history", 0, 4, records(0, 1, 2, 3))
        client.append("r", "history", 4, 5, [encode((0, 4, 20, BEGAN_US * 1000, {"a": 0.5}))])
        with treering.Api(place) as api:
            assert api.run("r").state == "running"
        client.put_run("r", document(2, complete=True, **told))
        with treering.Api(place) as api:
            run = api.run("r")
            assert (run.state, run.summary, run.metrics["a"].max) == ("finished", {"a": 0.5}, 1.0)
            assert list(run.history("a").values) == [0, 1, 0.5]


def test_what_people_write_on_the_server_stays(taking: Any) -> None:
    with Client(taking.url, TOKEN) as client, taking.client() as web:
        client.put_run("renamed", document(1, tags=["a"], notes="mine"))
        assert web.patch("/api/v1/runs/renamed", json={"name": "theirs", "tags": ["b"]}).status_code == 200
        client.put_run("renamed", document(2, tags=["a"], notes="new", config={"lr": 1}))
        found = web.get("/api/v1/runs/renamed").json()
        assert (found["name"], found["tags"], found["notes"], found["config"]) == ("theirs", ["b"], "new", {"lr": 1})
        client.put_run("renamed", document(3, name="mine after all", tags=["a"], notes="new"))
        assert web.get("/api/v1/runs/renamed").json()["name"] == "mine after all"


def test_another_run_of_the_same_id_is_refused(taking: Any) -> None:
    with Client(taking.url, TOKEN) as client:
        client.put_run("mine", document())
        for other in (
            document(9, created_us=BEGAN_US + 1),
            document(9, attempts=[AttemptPart(1, "running", BEGAN_US + 7, 0)]),
        ):
            with pytest.raises(Conflict, match="another run 'mine'") as conflict:
                client.put_run("mine", other)
            assert conflict.value.code == "other_run"
        assert client.beat("mine").version == 1


def test_a_run_that_this_machine_writes_is_not_taken_from_others(taking: Any) -> None:
    with treering.init("p", id="local", dir=taking.folder, settings={"system_interval_s": 0, "quiet": True}):
        with Client(taking.url, TOKEN) as client, pytest.raises(Conflict, match="own store") as conflict:
            client.put_run("local", document())
        assert conflict.value.code == "written_here"


def test_a_key_of_one_run_opens_that_run_alone(taking: Any) -> None:
    with taking.client() as owner:
        key = owner.post("/api/v1/runs/keyed/key").json()["key"]
    assert TOKEN not in key
    with Client(taking.url, key) as client:
        client.put_run("keyed", document())
        assert client.append("keyed", "history", 0, 1, records(0)) == 1
        for call in (
            lambda: client.put_run("other", document()),
            lambda: client.append("keyed2", "history", 0, 1, records(0)),
            lambda: client.get("projects"),
            lambda: client.get("runs/keyed/../other"),
        ):
            with pytest.raises((RefusedKey, NotFound)):
                call()
    for forged in (key[:-1] + "x", key.replace("keyed", "other"), "run-.keyed", "run-"):
        with Client(taking.url, forged) as client, pytest.raises(RefusedKey):
            client.beat("other" if "other" in forged else "keyed")


def test_a_run_that_is_not_heard_of_is_lost_until_it_is(place: Path | str, serve: Callable[..., Any]) -> None:
    with serve(place) as served, Client(served.url, TOKEN) as client:
        client.put_run("r", document())
        client.append("r", "history", 0, 1, records(0))
        inbox = Inbox(place)
        assert inbox.give_up_lost() == []
        inbox._since_us = 0
        database = inbox.store.database
        database.execute("UPDATE deliveries SET seen_us = :at", {"at": BEGAN_US})
        assert inbox.give_up_lost() == ["r"]
        assert inbox.give_up_lost() == []
        with treering.Api(place) as api:
            assert (api.run("r").state, api.run("r").failure["step"]) == ("lost", 0)
        assert client.append("r", "history", 1, 2, records(1)) == 2
        with treering.Api(place) as api:
            run = api.run("r")
            assert (run.state, run.failure, run.ended, run.attempts[0].state) == ("running", None, None, "running")
        inbox.close()


def nested(depth: int) -> bytes:
    return b"\x95\x00\x00\x00\x00\x81\xa1a" + b"\x91" * depth + b"\x00"


BOMB = pack(bytes(1 << 30), 1)
HOSTILE: list[tuple[bytes, dict[str, str], int]] = [
    (b"\x05\0\0\0\x95", {}, 400),
    (b"\xff\xff\xff\xff", {}, 400),
    (frame_rows([b"\xc1"]), {}, 400),
    (frame_rows([b"\x80"]), {}, 400),
    (frame_rows([b"\x95\xa1x\x00\x00\x00\x80"]), {}, 400),
    (frame_rows([nested(100)]), {}, 400),
    (frame_rows([nested(200_000)]), {}, 400),
    (frame_rows(records(3, 2)), {}, 400),
    (frame_rows(records(0, stream=1)), {}, 400),
    (frame_rows([encode((0, 0, 2**64 - 1, 0, {}))]), {}, 400),
    (frame_rows([encode((0, 0, 0, -5, {"a": 1}))]), {}, 400),
    (frame_rows([encode((0, 2**63, 0, 0, {"a": 1}))]), {}, 400),
    (frame_rows([encode((0, 0, 0, 0, {str(key): 1 for key in range(100_001)}))]), {}, 400),
    (frame_rows([b"\x95\x00\x00\x00\x00\x81\xa1a\xc7\x01\x63\x00"]), {}, 400),
    (b"not zstd", {"Content-Encoding": "zstd"}, 400),
    (BOMB, {"Content-Encoding": "zstd"}, 413),
    (BOMB[:100], {"Content-Encoding": "zstd"}, 413),
    (b"x", {"Content-Encoding": "gzip"}, 415),
    (b"x", {"Content-Type": "text/plain"}, 415),
    (bytes(9 << 20), {}, 413),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_rows(number: int, taking: Any) -> None:
    body, headers, status = HOSTILE[number]
    with Client(taking.url, TOKEN) as client:
        client.put_run("hostile", document())
    with taking.client(**{"Content-Type": "application/msgpack", **headers}) as raw:
        tracemalloc.start()
        answer = raw.post("/api/v1/runs/hostile/rows/history", params={"first_row": 0}, content=body)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (answer.status_code, bool(answer.json()["error"]["message"])) == (status, True)
        assert peak < (64 << 20) + 3 * len(body)
        assert raw.get("/healthz").status_code == 200
    with Client(taking.url, TOKEN) as client:
        assert client.beat("hostile").next_rows["history"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "odd"}, {"project": ""}, {"name": "x" * 1001}, {"created_us": -1}, {"created_us": 2**60},
        {"next_step": 2**63}, {"attempts": [AttemptPart(0, "running", BEGAN_US, 0)]},
        {"definitions": [{"name": 3}]}, {"attempts": [AttemptPart(1, "running", BEGAN_US, -1)]},
        {"ended_us": 2**61}, {"tags": [3]}, {"config": []}, {"attempt": 2},
    ],
    ids=str,
)  # fmt: skip
def test_hostile_documents(wrong: dict[str, Any], taking: Any) -> None:
    plain = {**msgspec.structs.asdict(document()), **wrong}
    with taking.client(**{"Content-Type": "application/msgpack"}) as raw:
        answer = raw.put("/api/v1/runs/bad", content=encode(plain))
        assert (answer.status_code, bool(answer.json()["error"]["message"])) == (400, True)
        for body in (b"", b"\x80", b"\xc1", b"\x81\xa1a" * 50_000, encode([1, 2])):
            assert raw.put("/api/v1/runs/bad", content=body).status_code == 400
        assert raw.get("/api/v1/runs/bad").status_code == 404


@pytest.mark.parametrize("run_id", ["..", "a%2Fb", "%2e%2e", ".hidden", "a" * 129, "a b", "a\u00e9", "a;b", "con%0A"])
def test_ids_that_would_be_paths(run_id: str, taking: Any) -> None:
    with taking.client(**{"Content-Type": "application/msgpack"}) as raw:
        answer = raw.put(f"/api/v1/runs/{run_id}", content=encode(msgspec.structs.asdict(document())))
        assert answer.status_code in {400, 404, 405, 422}


def test_a_body_that_is_cut_off_is_not_taken(taking: Any) -> None:
    import socket

    with Client(taking.url, TOKEN) as client:
        client.put_run("cut", document())
    body = frame_rows(records(*range(100)))
    head = (
        f"POST /api/v1/runs/cut/rows/history?first_row=0&stop=100 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        f"{TOKEN}\r\nContent-Type: application/msgpack\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    # Whole records arrive, and less than was promised.
    with socket.create_connection(("127.0.0.1", taking.port)) as connection:
        connection.sendall(head.encode() + body[: len(frame_rows(records(*range(50))))])
    with Client(taking.url, TOKEN) as client:
        assert client.beat("cut").next_rows["history"] == 0


def test_media_must_be_what_their_name_says(taking: Any) -> None:
    data = b"picture" * 1000
    digest = blake3(data).hexdigest()
    with Client(taking.url, TOKEN) as client:
        client.put_run("media", document())
        assert client.missing_blobs("media", [digest]) == [digest]
        with pytest.raises(UsageError, match="are not"):
            client.put_blob("media", digest, lambda: [b"another"])
        with pytest.raises(UsageError):
            client.put_blob("media", "../../x", lambda: [data])
        client.put_blob("media", digest, lambda: [data[:10], data[10:]])
        assert client.missing_blobs("media", [digest]) == []
        # A row may name what is no medium; reading it leads nowhere.
        hostile = Carried("image", {"blob": "../../treering.db", "format": "png", "width": 1, "height": 1})
        assert client.append("media", "history", 0, 1, records(0, image=hostile)) == 1
    with taking.client() as raw:
        assert raw.get(f"/api/v1/runs/media/blobs/{digest}").content == data
        assert raw.get("/api/v1/runs/media/media", params={"key": "image"}).status_code == 200
    assert not list((taking.folder / "blobs" / "incoming").glob("arriving-*"))
    (taking.folder.parent / "secret").write_text("not of this store")
    blobs = Store(taking.folder, opened(taking.folder)).blobs
    for outside in ("../secret", "../../treering.db", "AB" * 32):
        for look in (blobs.get, blobs.size, blobs.path):
            with pytest.raises(NotFound, match="no blob's name"):
                look(outside)


def part(entries: list[Entry], **given: Any) -> VersionPart:
    fields = {"name": "m", "type": "model", "project": "p", "created_us": BEGAN_US, **given}
    return VersionPart(manifest=encode_manifest(entries), **fields)


def test_chunks_and_versions_must_be_what_they_say(taking: Any) -> None:
    data = bytes(range(256)) * 100
    chunk_id = blake3(data).digest()
    with Client(taking.url, TOKEN) as client:
        client.put_run("art", document())
        with pytest.raises(Conflict) as missing:
            client.put_version("art", "v1", part([Entry("a.bin", len(data), chunk_id)]))
        assert missing.value.code == "chunks_missing"
        head, body = frame_chunk(chunk_id, memoryview(data))
        for wrong in (
            [bytes(32), head[32:], body], [head[:32], (2 << 20).to_bytes(4, "little"), head[36:], body],
            [head, bytes(body)[:-1]], [head[:20]], [head, b"\0" * len(body)],
        ):  # fmt: skip
            with pytest.raises(UsageError, match="not taken"):
                client.put_chunks("art", b"".join(map(bytes, wrong)))
        assert client.missing_chunks("art", [chunk_id]) == [chunk_id]
        client.put_chunks("art", head + bytes(body))
        assert client.missing_chunks("art", [chunk_id]) == []
        for entry in (
            Entry("../a", len(data), chunk_id), Entry("/etc/passwd", len(data), chunk_id),
            Entry("a\\b", len(data), chunk_id), Entry("a", len(data) + 1, chunk_id), Entry("a", 5, b"short"),
            Entry("a", 2 * len(data), bytes(32), chunk_id * 2, len(data).to_bytes(4, "little") * 2),
        ):  # fmt: skip
            with pytest.raises(UsageError):
                client.put_version("art", "v1", part([entry]))
        for wrong_part in (
            part([], name="../x"), part([], project=""), part([], created_us=-1), part([], tags=["a" * 5000]),
        ):  # fmt: skip
            with pytest.raises(UsageError):
                client.put_version("art", "v1", wrong_part)
        bomb = VersionPart(manifest=BOMB, name="m", type="model", project="p", created_us=BEGAN_US)
        with pytest.raises(UsageError):
            client.put_version("art", "v1", bomb)
        assert client.missing_versions("art", ["v1"]) == ["v1"]
        for _ in range(2):
            client.put_version("art", "v1", part([Entry("a.bin", len(data), chunk_id)]))
        assert client.missing_versions("art", ["v1", "v2"]) == ["v2"]
        with pytest.raises(NotFound):
            client.chunks("v1", [bytes(32)])
    with treering.Api(taking.folder) as api:
        assert [(one.name, one.version) for one in api.versions("m")] == [("m", 0)]
        assert api.version("m").read() == data


def test_addresses_of_servers() -> None:
    assert check_url(" https://host:1/prefix/ ") == "https://host:1/prefix"
    for wrong in ("host", "ftp://host", "http://", "http://user:secret@host", "http://host?x=1", "file:///etc/passwd"):
        with pytest.raises(UsageError, match="no address"):
            check_url(wrong)


def test_a_redirect_does_not_take_the_key_elsewhere() -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    asked: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers.get("Authorization"))
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    with Client(f"http://127.0.0.1:{server.server_address[1]}", TOKEN) as client, pytest.raises(treering.TreeringError):
        client.beat("r")
    server.shutdown()
    server.server_close()
    assert len(asked) == 1


def test_a_server_that_is_not_there_is_said_so() -> None:
    with Client("http://127.0.0.1:9", TOKEN) as client, pytest.raises(Unreachable, match="does not answer"):
        client.beat("r")
