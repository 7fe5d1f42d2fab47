"""What a project's page asks for besides runs: columns, metrics, any place in a list, and changes by people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from store_builder import StoreBuilder

import treering

HEADERS = {"Content-Type": "application/json"}


@pytest.fixture
def client(served: Any) -> Any:
    with served.client() as found:
        yield found


def column(client: httpx.Client, key: str, **query: Any) -> dict[str, Any] | None:
    answer = client.get("/api/v1/columns", params=query).json()
    return next((one for one in answer["columns"] if one["key"] == key), None)


def test_columns_tell_what_differs(client: httpx.Client) -> None:
    lr = column(client, "lr", project="p")
    assert lr == {"scope": "config", "key": "lr", "runs": 5, "numbers": 5, "min": 0.0, "max": 0.4, "differs": True}
    big = column(client, "big", project="p")
    assert big is not None
    assert not big["differs"]
    name = column(client, "name", project="p")
    assert name is not None
    assert (name["min"], name["max"], name["differs"]) == ("n0", "n1", True)


def test_a_column_that_some_runs_lack_differs(client: httpx.Client) -> None:
    big = column(client, "big", project="q")
    assert big is not None
    assert big["differs"]
    assert column(client, "big", project="q", filter="id = 'run5'") == {**big, "differs": False}


def test_columns_look_at_the_newest(client: httpx.Client) -> None:
    lr = column(client, "lr", project="p", newest=2)
    assert lr is not None
    assert (lr["runs"], lr["min"], lr["max"]) == (2, pytest.approx(0.3), 0.4)


def test_metrics_of_runs(client: httpx.Client) -> None:
    answer = client.post("/api/v1/metrics", json={"runs": ["run0", "run1", "no such run"]}).json()
    assert [(one["key"], one["numeric"], one["runs"], one["points"]) for one in answer] == [
        ("loss", True, 2, 400),
        ("text", False, 2, 400),
    ]
    system = client.post("/api/v1/metrics", json={"runs": ["run0"], "stream": "system"}).json()
    assert [one["key"] for one in system] == ["cpu"]


@pytest.mark.parametrize("order", ["-created", "summary.loss", "-config.lr, name"])
def test_any_place_of_a_list(client: httpx.Client, order: str) -> None:
    query = {"order": order, "filter": "project in ('p', 'q')"}
    whole = [run["id"] for run in client.get("/api/v1/runs", params=query).json()["runs"]]
    for offset in (0, 1, 3, 6, 100):
        page = client.get("/api/v1/runs", params={**query, "offset": offset, "limit": 2, "count": True}).json()
        assert [run["id"] for run in page["runs"]] == whole[offset : offset + 2]
        assert page["total"] == len(whole)


def test_any_place_of_several_databases(tmp_path: Path, serve: Callable[..., Any]) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number in range(5):
        builder.run(f"run{number}")
    (tmp_path / "store" / "bundles").mkdir()
    treering.init(mode="offline", dir=tmp_path / "store", project="p").finish()
    with serve(tmp_path / "store") as served, served.client() as client:
        whole = [run["id"] for run in client.get("/api/v1/runs").json()["runs"]]
        assert len(whole) == 6
        pages = [client.get("/api/v1/runs", params={"offset": at, "limit": 2}).json()["runs"] for at in (0, 2, 4)]
        assert [run["id"] for page in pages for run in page] == whole


def test_many_metrics_share_one_x_axis(client: httpx.Client) -> None:
    query = {"runs": ["run0", "run1"], "keys": ["loss", "nothing", "text"], "x": "_step", "width": 800}
    body = client.post("/api/v1/series", json=query).content
    alone = [
        client.post("/api/v1/series", json={**query, "runs": [run], "keys": ["loss"]}).content for run in query["runs"]
    ]
    for one in alone:
        assert np.frombuffer(one[-3200:], "<f8").tobytes() in body


def test_people_name_and_tag_runs(tmp_path: Path, serve: Callable[..., Any]) -> None:
    StoreBuilder(tmp_path / "store").run("a", tags=["old"], notes="before")
    with serve(tmp_path / "store") as served, served.client(**HEADERS) as client:
        answer = client.patch("/api/v1/runs/a", json={"name": " best ", "tags": ["new", "x", "new"], "notes": "<b>"})
        assert answer.status_code == 200, answer.text
        assert [answer.json()[key] for key in ("name", "tags", "notes")] == ["best", ["new", "x"], "<b>"]
        assert client.patch("/api/v1/runs/a", json={"notes": ""}).json()["notes"] is None
        listed = client.get("/api/v1/runs", params={"filter": "tag = 'x' and name = 'best'"}).json()["runs"]
        assert [run["id"] for run in listed] == ["a"]
        assert not client.get("/api/v1/runs", params={"filter": "tag = 'old'"}).json()["runs"]
        for wrong in ({"name": " "}, {"tags": [""]}, {"name": "a\0b"}, {"tags": ["x" * 300]}):
            assert client.patch("/api/v1/runs/a", json=wrong).status_code == 400, wrong
        assert client.patch("/api/v1/runs/a", json={"state": "finished"}).status_code == 422
        assert client.patch("/api/v1/runs/b", json={"name": "x"}).status_code == 404


def test_a_run_that_goes_on_keeps_the_name_people_gave(tmp_path: Path, serve: Callable[..., Any]) -> None:
    run = treering.init(dir=tmp_path / "store", project="p", name="first")
    run.log({"loss": 1.0})
    run.flush()
    with serve(tmp_path / "store") as served, served.client(**HEADERS) as client:
        assert client.patch(f"/api/v1/runs/{run.id}", json={"name": "second"}).status_code == 200
        run.log({"loss": 2.0})
        run.summary["best"] = 1
        run.finish()
        assert client.get(f"/api/v1/runs/{run.id}").json()["name"] == "second"


def test_runs_are_deleted_but_not_while_they_run(tmp_path: Path, serve: Callable[..., Any]) -> None:
    builder = StoreBuilder(tmp_path / "store")
    builder.run("done")
    with serve(tmp_path / "store") as served, served.client() as client:
        live = treering.init(dir=tmp_path / "store", project="p")
        assert client.delete("/api/v1/runs/done").status_code == 204
        assert client.get("/api/v1/runs/done").status_code == 404
        refused = client.delete(f"/api/v1/runs/{live.id}")
        assert refused.status_code == 400
        assert "running" in refused.json()["error"]["message"]
        live.finish()
