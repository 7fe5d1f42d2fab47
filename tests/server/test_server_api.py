"""What the API answers, on both databases."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from itertools import product
from typing import Any

import brotli
import numpy as np
import pytest
from store_builder import START_US, StoreBuilder

import treering
from treering import zstd
from treering.server.wire import decode_cursor, encode_cursor


def unpack(body: bytes) -> list[dict[str, Any]]:
    """Read what `wire.pack_series` wrote, as a browser does."""
    length = int.from_bytes(body[:4], "little")
    assert (8 + length) % 8 == 0
    numbers = np.frombuffer(body, "<f8", offset=8 + length)
    series = json.loads(body[8 : 8 + length])["series"]
    for one in series:
        at, count = one["at"], one["points"]
        one["x"], one["values"] = numbers[at : at + count], numbers[at + count : at + 2 * count]
    return series


def test_projects(served: Any) -> None:
    with served.client() as client:
        projects = client.get("/api/v1/projects").json()
        assert [(one["name"], one["runs"]) for one in projects] == [("p", 5), ("q", 2)]
        running = client.get("/api/v1/runs", params={"project": "p", "filter": "state = running"}).json()["runs"]
        assert projects[0]["running"] == len(running)
        changed = client.get("/api/v1/runs", params={"project": "p"}).json()["runs"]
        assert projects[0]["changed_us"] == max(one["updated_us"] for one in changed)


def pages(client: Any, **asked: Any) -> list[str]:
    """Ids of all runs, read page by page."""
    found: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get("/api/v1/runs", params={**asked, **after}).json()
        assert len(page["runs"]) <= asked["limit"]
        found += [run["id"] for run in page["runs"]]
        if page["next"] is None:
            return found
        after = {"after": page["next"]}


ORDERS = [
    "-created",
    "name",
    "summary.loss",
    "-summary.loss",
    "config.lr",
    "summary.name, -config.lr",
    "duration",
    "group",
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_are_the_whole_list(order: str, limit: int, served: Any) -> None:
    with treering.Api(served.folder) as api, served.client() as client:
        assert pages(client, order=order, limit=limit) == [run.id for run in api.runs(order=order)]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_on_postgresql(order: str, postgres_filled: Any) -> None:
    with treering.Api(postgres_filled.folder) as api, postgres_filled.client() as client:
        assert pages(client, order=order, limit=2) == [run.id for run in api.runs(order=order)]


def test_the_api_on_postgresql(postgres_filled: Any) -> None:
    with postgres_filled.client() as client:
        assert client.get("/api/v1/runs", params={"filter": "tag = 'even'", "count": 1}).json()["total"] == 3
        assert client.get("/api/v1/runs/run1").json()["config"]["net"] == {"depth": 1}
        answer = client.post("/api/v1/series", json={"runs": ["run1"], "keys": ["loss"]})
        assert unpack(answer.content)[0]["points"] == 200
        assert client.get("/api/v1/runs/run1/console").json()["total"] == 2


def test_chosen_columns_and_filters(served: Any) -> None:
    asked = {"project": "p", "filter": "config.lr > 0.15 and tag = 'even'", "order": "config.lr", "count": "true"}
    columns = {"column": ["config.net.depth", "summary.*", "config.missing"]}
    with served.client() as client:
        page = client.get("/api/v1/runs", params={**asked, **columns}).json()
    assert page["total"] == 2
    assert [run["id"] for run in page["runs"]] == ["run2", "run4"]
    assert page["runs"][0]["values"] == {
        "config.net.depth": 2,
        "summary.loss": {"$number": "NaN"},
        "summary.name": "n0",
    }
    assert page["runs"][0]["created_us"] == START_US + 2 * 60_000_000


def test_a_cursor_of_another_order_is_refused(served: Any) -> None:
    with served.client() as client:
        cursor = client.get("/api/v1/runs", params={"limit": 1}).json()["next"]
        answer = client.get("/api/v1/runs", params={"after": cursor, "order": "name"})
        assert answer.status_code == 400
        assert "another order" in answer.json()["error"]["message"]


def test_a_forged_cursor_reads_nothing_more(served: Any) -> None:
    with served.client() as client:
        for values in ([], [1], [{"d": "x"}, 1, "r"], [None, None], ["x"] * 40):
            answer = client.get("/api/v1/runs", params={"after": encode_cursor(["-created", *values])})
            assert answer.status_code == 400, values
        # What has the right form is only a place in the list.
        answer = client.get("/api/v1/runs", params={"after": encode_cursor(["-created", "x", "' OR 1=1", "z"])})
        assert len(answer.json()["runs"]) <= 7


def test_cursors_keep_every_type() -> None:
    from decimal import Decimal

    values = [None, 1.5, float("inf"), 2**60, "é", True, Decimal("30.000001")]
    assert decode_cursor(encode_cursor(values)) == values


def test_one_run(served: Any) -> None:
    with served.client() as client:
        run = client.get("/api/v1/runs/run2").json()
        assert client.get("/api/v1/runs/run").status_code == 404  # ids only, no beginnings of them
    assert run["config"] == {"lr": 0.2, "net": {"depth": 2}, "big": {"$integer": str(2**60)}}
    assert run["summary"]["loss"] == {"$number": "NaN"}
    assert {metric["key"]: metric["count"] for metric in run["metrics"]} == {"loss": 200, "text": 200}
    assert [metric["key"] for metric in run["system"]] == ["cpu"]
    assert [attempt["number"] for attempt in run["attempts"]] == [1]
    assert run["failure"] is None


def test_console_and_events(served: Any) -> None:
    with served.client() as client:
        assert [line["text"] for line in client.get("/api/v1/runs/run1/console").json()["lines"]] == [
            "one",
            "two \\udc80",
        ]
        page = client.get("/api/v1/runs/run1/console", params={"start": 1, "limit": 5}).json()
        assert [line["number"] for line in page["lines"]] == [1]
        (event,) = client.get("/api/v1/runs/run1/events").json()
    assert (event["kind"], event["level"], event["fields"]) == ("alert", "warn", {"degrees": 99})


def test_a_wall_of_charts(served: Any) -> None:
    runs = [f"run{number}" for number in range(6)]
    with served.client() as client:
        answer = client.post("/api/v1/series", json={"runs": [*runs, "none"], "keys": ["loss", "nope", "text"]})
        system = client.post(
            "/api/v1/series", json={"runs": ["run1"], "keys": ["cpu"], "stream": "system", "x": "_time"}
        )
    series = {(one["run"], one["key"]): one for one in unpack(answer.content)}
    assert len(series) == 21
    np.testing.assert_array_equal(series["run3", "loss"]["values"], 1 / (np.arange(200) + 1))
    np.testing.assert_array_equal(series["run3", "loss"]["x"], np.arange(200))
    assert "error" not in series["run3", "loss"]
    assert "nope" in series["run3", "nope"]["error"]
    assert series["run3", "text"]["kind"] == "text"
    assert "no run" in series["none", "loss"]["error"]
    assert unpack(system.content)[0]["values"].tolist() == [50.0, 60.0]


def test_a_spike_is_never_lost(served: Any) -> None:
    with served.client() as client:
        for width, log in product((1, 10, 800), (False, True)):
            asked = {"runs": ["spike"], "keys": ["loss"], "width": width, "log_x": log}
            (one,) = unpack(client.post("/api/v1/series", json=asked).content)
            assert one["points"] <= 2 * width + 2
            assert one["total"] == 20_000
            assert one["x"][one["values"].argmax()] == 7777
            assert one["values"].max() == 1000.0
            assert width < 800 or ((one["x"] < 100).sum() > 60) == log


def test_a_range(served: Any) -> None:
    with served.client() as client:
        asked = {"runs": ["run1"], "keys": ["loss"], "start": 50, "stop": 60}
        (one,) = unpack(client.post("/api/v1/series", json=asked).content)
        too_much = {"runs": ["r"] * 1000, "keys": ["k"] * 1000}
        assert client.post("/api/v1/series", json=too_much).status_code == 400
    assert one["x"].tolist() == list(range(50, 60))


def test_etags(served: Any) -> None:
    with served.client() as client:
        for address in ("/api/v1/runs", "/api/v1/projects", "/api/v1/runs/run1", "/api/v1/openapi.json"):
            first = client.get(address)
            again = client.get(address, headers={"If-None-Match": first.headers["etag"]})
            assert (again.status_code, again.content) == (304, b""), address
            assert again.headers["x-content-type-options"] == "nosniff"
            assert client.get(address, headers={"If-None-Match": 'W/"other"'}).status_code == 200


def test_compression(served: Any) -> None:
    asked = {"runs": ["run1"], "keys": ["loss"]}
    with served.client(**{"Accept-Encoding": "identity"}) as client:
        plain = client.post("/api/v1/series", json=asked).content
        for coding, unpacked in (
            ("gzip", gzip.decompress),
            ("br", brotli.decompress),
            ("zstd", zstd.unpack),
        ):
            headers = {"Accept-Encoding": coding}
            with client.stream("POST", "/api/v1/series", json=asked, headers=headers) as answer:
                body = b"".join(answer.iter_raw())
                assert answer.headers["content-encoding"] == coding
                assert answer.headers["vary"] == "Accept-Encoding"
            assert len(body) < len(plain)
            assert unpacked(body) == plain
        refused = client.post("/api/v1/series", json=asked, headers={"Accept-Encoding": "gzip;q=0, zstd; q=0, br;q=0"})
        assert "content-encoding" not in refused.headers


def test_blobs_are_all_that_is_served_of_their_folder(served: Any) -> None:
    other = served.folder / "blobs" / "no" / "not-a-digest"
    other.parent.mkdir()
    other.write_text("secret")
    with served.client() as client:
        assert client.get("/api/v1/runs/run1/blobs/not-a-digest").status_code == 404


def test_media_never_act(served: Any) -> None:
    with served.client() as client:
        picture = client.get(f"/api/v1/runs/run1/blobs/{served.blobs['png']}")
        script = client.get(f"/api/v1/runs/run1/blobs/{served.blobs['svg']}")
        assert client.get(f"/api/v1/runs/run1/blobs/{'0' * 64}").status_code == 404
        part = client.get(f"/api/v1/runs/run1/blobs/{served.blobs['png']}", headers={"Range": "bytes=0-7"})
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["content-disposition"].startswith("inline")
    assert script.headers["content-type"] == "application/octet-stream"
    assert script.headers["content-disposition"].startswith("attachment")
    for answer in (picture, script):
        assert answer.headers["content-security-policy"].startswith("sandbox;")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert (part.status_code, part.content) == (206, b"\x89PNG\r\n\x1a\n")


def test_real_media_and_artifacts(store_dir: Any, serve: Callable[..., Any], tmp_path: Any) -> None:
    page = tmp_path / "page.html"
    page.write_text("<script>alert(1)</script>")
    with treering.init(project="m", id="media") as run:
        run.log({"picture": treering.Image(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8))})
        run.log({"counts": treering.Histogram([1.0, 2.0])})
        run.log_artifact(page, name="report", type="page").wait()
    with serve(store_dir) as one, one.client() as client:
        media = client.get("/api/v1/runs/media/media", params={"key": "picture"}).json()
        value = media["rows"][0]["value"]
        assert (media["kind"], media["total"], value["$media"]) == ("media", 1, "image")
        blob = client.get(f"/api/v1/runs/media/blobs/{value['value']['blob']}")
        assert blob.headers["content-type"] == "image/png"
        (version,) = client.get("/api/v1/artifacts", params={"project": "m"}).json()
        assert (version["name"], version["version"], version["aliases"]) == ("report", 0, ["latest"])
        assert client.get("/api/v1/runs/media/artifacts").json() == [version]
        (file,) = client.get(f"/api/v1/artifacts/{version['id']}/files").json()
        answer = client.get(f"/api/v1/artifacts/{version['id']}/file", params={"path": file["path"]})
        for path, status in (("../page.html", 400), ("/etc/passwd", 400), ("a\0b", 400), ("..\\x", 400), ("no", 404)):
            asked = {"path": path}
            assert client.get(f"/api/v1/artifacts/{version['id']}/file", params=asked).status_code == status, path
    assert answer.content == page.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_store_that_is_not_there_yet(tmp_path: Any, serve: Callable[..., Any]) -> None:
    with serve(tmp_path / "later") as one, one.client() as client:
        assert client.get("/api/v1/projects").json() == []
        assert client.get("/api/v1/runs/r").status_code == 404
        StoreBuilder(tmp_path / "later").run("r").database.close()
        (project,) = client.get("/api/v1/projects").json()
        assert (project["name"], project["runs"], project["running"]) == ("p", 1, 0)
