"""`treering.Api(url=...)`: a server's runs are read as those of a store are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from server_yard import TOKEN

import treering
from treering.errors import NotFound, StoreError, UsageError
from treering.online.client import RefusedKey
from treering.store.filter_tree import filter_of, tree_of
from treering.store.read_filter import parse_filter

FILTERS: list[Any] = [
    None,
    "state = 'failed' or not (config.lr < 0.25)",
    "name ~ 'name-*' and config.net.depth exists and id in ('a', 'b', 'c')",
    {"config.lr": {"$gt": 0.1}, "$or": [{"state": "finished"}, {"tags": "x"}]},
    "created > '2026-01-01' and duration > '10s' and summary.none is null",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies") / "store"
    patch = pytest.MonkeyPatch()
    patch.setenv("TREERING_DIR", str(folder))
    for number, name in enumerate("abc"):
        with treering.init(project="p", id=name, name=f"name-{name}", settings={"console": True}) as run:
            run.config.update({"lr": 0.1 * (number + 1), "net": {"depth": number}})
            for step in range(200):
                run.log({"loss": 1 / (step + 1 + number), "wave": np.sin(step)}, step=step)
            run.log({"picture": treering.Image(np.full((40, 40, 3), number * 9, dtype=np.uint8)), "note": "so"})
            run.log_event("milestone", "half way", level="warn", epoch=3)
            print("a line of", name)
            if name == "a":
                file = folder.parent / "weights.bin"
                file.write_bytes(bytes(range(256)) * 500)
                run.log_artifact(file, name="weights", type="model", aliases=["good"]).wait()
    with treering.init(project="q", id="fork", fork_from="a?_step=50") as run:
        run.log({"loss": 7.0}, step=60)
    patch.undo()
    return folder


@pytest.fixture(scope="module")
def url(place: Path, serve_all: Callable[..., Any]) -> Iterator[str]:
    with serve_all(place) as served:
        yield served.url


@pytest.fixture
def far(url: str) -> Iterator[treering.Api]:
    with treering.Api(url=url, key=TOKEN) as api:
        yield api


@pytest.fixture
def near(place: Path) -> Iterator[treering.Api]:
    with treering.Api(place) as api:
        yield api


@pytest.mark.parametrize("given", FILTERS, ids=str)
def test_filters_travel(given: Any, near: treering.Api, far: treering.Api) -> None:
    node = parse_filter(given)
    assert filter_of(json.loads(json.dumps(tree_of(node)))) == node
    for order, limit in (("-created", None), ("-config.lr, name", 2), ("summary.loss", None), (None, None)):
        expected = [run.id for run in near.runs(filters=given, order=order, limit=limit)]
        assert [run.id for run in far.runs(filters=given, order=order, limit=limit)] == expected
    assert [run.id for run in far.runs("q")] == ["fork"]
    assert far.projects() == near.projects() == ["p", "q"]


@pytest.mark.parametrize(
    "tree",
    [
        ["drop"],
        [],
        "loss",
        ["=", "run", "id; DROP TABLE runs", ["x"]],
        ["=", "runs", "id", ["x"]],
        ["=", "run", "id", [["x"]]],
        ["=", "run", "id", []],
        ["=", "run", ["id"], [1]],
        [["="], "run", "id", ["x"]],
        ["not"],
    ],
)
def test_a_filter_that_is_none_is_refused(tree: Any, url: str) -> None:
    with pytest.raises(UsageError, match="filter"):
        filter_of(tree)
    body = {"where": tree} if isinstance(tree, list) else {"where": [tree]}
    answer = httpx.post(f"{url}/api/v1/copies", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 400


def test_a_filter_that_is_too_deep_is_refused() -> None:
    tree: list[Any] = ["all"]
    for _ in range(100):
        tree = ["not", tree]
    with pytest.raises(UsageError, match="filter"):
        filter_of(tree)


@pytest.mark.parametrize("run_id", ["a", "c", "fork"])
def test_a_run_reads_the_same(run_id: str, near: treering.Api, far: treering.Api) -> None:
    there, here = far.run(run_id), near.run(run_id)
    for name in ("id", "name", "project", "state", "config", "summary", "created", "ended", "tags", "attempts"):
        if name != "summary" or run_id == "fork":
            assert getattr(there, name) == getattr(here, name), name
    assert there.capture == here.capture
    assert there.metrics.keys() == here.metrics.keys()
    assert there.metrics["loss"] == here.metrics["loss"]
    for x in ("_step", "_time", "_runtime", "_row", "wave"):
        one, other = there.history("loss", x=x, samples=50), here.history("loss", x=x, samples=50)
        assert one.values.tolist() == other.values.tolist()
        assert one.x.tolist() == other.x.tolist()
        assert one.row_numbers.tolist() == other.row_numbers.tolist()
    together = there.history(["loss", "wave"])
    assert together.to_pandas().equals(here.history(["loss", "wave"]).to_pandas())
    assert [row.get("loss") for row in there.scan_history(["loss"])] == [
        row.get("loss") for row in here.scan_history(["loss"])
    ]
    assert len(list(there.scan_history())) == len(list(here.scan_history()))
    assert str(there.console()) == str(here.console())
    assert there.events() == here.events()
    assert there.check() == []


def test_media_come_when_they_are_looked_at(near: treering.Api, far: treering.Api) -> None:
    (step, picture), (_, expected) = far.run("b").media("picture")[0], near.run("b").media("picture")[0]
    assert step == 200
    assert np.asarray(picture.to_pil()).tolist() == np.asarray(expected.to_pil()).tolist()


def test_a_version_is_brought_whole(near: treering.Api, far: treering.Api, tmp_path: Path) -> None:
    version, expected = far.version("p/weights:good"), near.version("weights:good")
    assert (version.id, version.version, version.aliases) == (expected.id, expected.version, expected.aliases)
    folder = version.download(tmp_path / "here")
    assert (Path(folder) / "weights.bin").read_bytes() == bytes(range(256)) * 500
    assert far.version("weights", project="p").digest == expected.digest
    with pytest.raises(NotFound, match="weights"):
        far.version("weights:other")


def test_only_what_is_new_comes_again(place: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_DIR", str(place))
    got: list[int] = []
    with treering.Api(url=url, key=TOKEN) as far, treering.init(project="live", id="live") as run:
        client = far._mirror._client  # type: ignore[union-attr]
        ask = client.copy_chunks

        def counted(*given: Any) -> dict[str, Any]:
            found = ask(*given)
            got.append(sum(len(column["chunks"]) for column in found["columns"].values()))
            return found

        monkeypatch.setattr(client, "copy_chunks", counted)
        for step in range(3):
            run.log({"loss": float(step)}, step=step)
        assert run.flush()
        seen = far.run("live")
        assert seen.history("loss").values.tolist() == [0, 1, 2]
        got.clear()
        assert seen.history("loss").values.tolist() == [0, 1, 2]
        assert sum(got) == 0
        run.log({"loss": 9.0}, step=5)
        assert run.flush()
        assert seen.history("loss").values.tolist() == [0, 1, 2, 9]
        assert sum(got) == 2  # of the loss and of the step
        run.finish()
        assert seen.state == "running"
        assert seen.reload().state == "finished"
        assert seen.history("loss").values.tolist() == [0, 1, 2, 9]  # also when chunks were merged
        treering.Api(place).delete("live")
        with pytest.raises(NotFound, match="no longer"):
            seen.reload()


def test_what_a_server_does_not_do_is_said(far: treering.Api) -> None:
    for refused in (
        far.versions,
        lambda: far.run("a").versions(),
        far.registry,
        lambda: far.keep("weights", last=1),
        lambda: far.delete("a"),
        far.reports,
    ):
        with pytest.raises(UsageError, match="server's Api"):
            refused()
    with pytest.raises(NotFound, match=r"did you mean .*'name-a'"):
        far.run("name-x")


def test_wrong_addresses_and_keys(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RefusedKey, match="TREERING_API_KEY"):
        treering.Api(url=url, key="wrong")
    with pytest.raises(UsageError, match="give one of them"):
        treering.Api(tmp_path, url=url)
    monkeypatch.setattr("treering.online.mirror._PATIENCE_S", 0.0)
    with pytest.raises(StoreError, match="does not answer"):
        treering.Api(url="http://127.0.0.1:9", key="k")
    monkeypatch.setenv("TREERING_URL", url)
    monkeypatch.setenv("TREERING_API_KEY", TOKEN)
    with treering.Api(url=True) as api:
        assert api.projects() == ["p", "q"]
        assert repr(api) == f"Api(url={url!r})"


def test_chunks_come_in_pieces(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("treering.server.routes_copies._BYTES_AT_ONCE", 100)
    with treering.Api(url=url, key=TOKEN) as far:
        history = far.run("a").history(["loss", "wave"])
        assert history.rows == 200
        assert next(iter(far.run("a").scan_history()))["loss"] == 1.0


def test_a_body_is_checked(url: str) -> None:
    with httpx.Client(base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.post("runs/a/copy/history", json={"known": {"loss": [[1]]}}).status_code == 422
        assert client.post("runs/a/copy/nothing", json={}).status_code == 422
        assert client.post("runs/none/copy/history", json={}).status_code == 404
        assert client.get("runs/none/copy").status_code == 404
        assert client.post("copies", json={"where": ["all"], "limit": 0}).status_code == 422
        found = msgspec.msgpack.decode(client.post("runs/a/copy/history", json={"keys": ["none"]}).content)
        assert found == {"columns": {}, "more": False}
