"""Artifacts over HTTP: collections, changes by people, differences, lineage, and what a collection would delete."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from models_yard import fill_models

import treering
from treering.server import routes_lineage
from treering.server.jobs import Jobs
from treering.server.refusals import Refusal


@pytest.fixture(scope="module")
def models(serve_all: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A client of a server over real artifacts, and their ids."""
    folder = tmp_path_factory.mktemp("models") / "store"
    ids = fill_models(folder)
    with serve_all(folder) as served, served.client() as client:
        client.base_url = f"{served.url}/api/v1"
        yield client, ids, folder


def ended(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    """The answer to something that takes a while."""
    for _ in range(200):
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        if answer.json()["state"] != "working":
            return dict(answer.json())
    raise AssertionError("it takes too long")


def test_collections_in_short(models: Any) -> None:
    client, _, _ = models
    found = {one["name"]: one for one in client.get("/artifact-collections", params={"project": "vision"}).json()}
    assert set(found) == {"images", "digits", "report"}
    digits = found["digits"]
    assert (digits["versions"], digits["latest"], digits["type"]) == (4, 3, "model")
    assert digits["aliases"] == [{"alias": "latest", "version": 3}, {"alias": "best", "version": 2}]  # no step-N
    assert 0 < digits["stored"] < digits["size"]  # the frozen layer is stored once
    everywhere = client.get("/artifact-collections").json()
    assert {one["project"] for one in everywhere} == {"vision", "model-registry"}
    times = [one["changed_us"] for one in everywhere]
    assert times == sorted(times, reverse=True)


def test_a_collection_with_its_versions(models: Any) -> None:
    client, ids, _ = models
    found = client.get("/artifact-collection", params={"project": "vision", "name": "digits"}).json()
    assert [one["version"] for one in found["versions"]] == [3, 2, 1, 0]
    best = found["versions"][1]
    assert (best["id"], best["files"], best["used_by"]) == (ids["digits:v2"], 2, 1)
    assert best["score"] == pytest.approx(0.94)
    assert (best["run_id"], best["run_name"], best["stage"]) == (ids["train"], "train", None)
    assert (found["total"], found["rule"], found["stages"], found["events"]) == (4, None, [], [])
    page = client.get("/artifact-collection", params={"project": "vision", "name": "digits", "before": 3, "limit": 2})
    assert [one["version"] for one in page.json()["versions"]] == [2, 1]
    missing = client.get("/artifact-collection", params={"project": "vision", "name": "nothing"})
    assert missing.status_code == 404


def test_people_change_what_is_theirs(models: Any) -> None:
    client, ids, _ = models
    address = f"/artifacts/{ids['digits:v0']}"
    said = {"aliases": ["step-0", "first"], "tags": ["seen", "<b>"], "description": "the <i>first</i> one"}
    changed = client.patch(address, json=said)
    assert changed.json() == {**said, "aliases": ["first", "step-0"], "tags": ["<b>", "seen"], "stage": None}
    assert client.patch(address, json={"aliases": ["step-0"], "description": ""}).json() == {
        "aliases": ["step-0"], "tags": ["<b>", "seen"], "description": None, "stage": None,
    }  # fmt: skip
    for wrong in ({"aliases": ["latest"]}, {"aliases": [""]}, {"aliases": ["new"], "tags": [""]}):
        assert client.patch(address, json=wrong).status_code == 400
    assert client.patch(address, json={}).json()["aliases"] == ["step-0"]  # nothing was half done
    assert client.patch(address, json={"metadata": {}}).status_code == 422


def test_a_stage_moves_on_purpose_only(models: Any) -> None:
    client, ids, _ = models
    address = f"/artifacts/{ids['registered']}"
    refused = client.patch(address, json={"aliases": ["production"]})
    assert refused.status_code == 400
    assert "stage" in refused.json()["error"]["message"]
    assert client.patch(address, json={"aliases": ["ours"]}).json()["stage"] == "staging"
    assert client.post(f"{address}/stage", json={"stage": "production", "note": "it is good"}).json()["stage"] == (
        "production"
    )
    assert client.post(f"{address}/stage", json={"stage": "nowhere"}).status_code == 400
    page = client.get("/artifact-collection", params={"project": "model-registry", "name": "digits"}).json()
    assert page["stages"] == ["staging", "production"]
    assert page["versions"][0]["stage"] == "production"
    assert page["events"][0]["text"] == "digits:v0 put into production from staging: it is good"
    assert client.post(f"{address}/stage", json={"stage": None}).json()["stage"] is None
    outside = client.post(f"/artifacts/{ids['digits:v0']}/stage", json={"stage": "staging"})
    assert outside.status_code == 400


def test_versions_differ_layer_by_layer(models: Any) -> None:
    client, ids, _ = models
    found = ended(client, "/artifact-diff", before=ids["digits:v0"], after=ids["digits:v3"])
    assert (found["state"], found["same"], found["files_left_out"]) == ("done", 0, 0)
    config, model = found["files"]
    assert (config["path"], config["change"], config["tensors"]) == ("config.json", "changed", None)
    tensors = {one["name"]: one for one in model["tensors"]}
    assert set(tensors) == {"head.weight", "head.bias", "extra.weight"}
    assert model["same"] == 1  # the frozen one
    assert tensors["head.weight"]["relative"] == pytest.approx(0.3, rel=1e-5)
    assert (tensors["head.weight"]["share"], tensors["head.weight"]["shape"]) == (1.0, [32, 10])
    assert (tensors["head.bias"]["not_finite"], tensors["extra.weight"]["change"]) == (10, "added")
    assert ended(client, "/artifact-diff", before=ids["digits:v1"], after=ids["digits:v1"])["files"] == []
    assert client.get("/artifact-diff", params={"before": ids["digits:v0"], "after": "no"}).status_code == 404


def test_what_is_too_large_is_not_compared_here(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, ids, _ = models
    monkeypatch.setattr(routes_lineage, "_MAX_DIFF_BYTES", 1000)
    found = ended(client, "/artifact-diff", before=ids["digits:v1"], after=ids["digits:v2"])
    model = next(one for one in found["files"] if one["path"] == "model.safetensors")
    assert (model["change"], model["tensors"]) == ("changed", None)
    assert "1,000" in model["unread"]


def test_where_a_version_comes_from_and_goes(models: Any) -> None:
    client, ids, _ = models
    found = client.get(f"/artifacts/{ids['digits:v2']}/lineage").json()
    nodes = {one["id"]: one for one in found["nodes"]}
    links = {(one["source"], one["target"], one["how"]) for one in found["links"]}
    assert links == {
        (ids["prepare"], ids["images:v0"], "made"),
        (ids["images:v0"], ids["train"], "used"),
        (ids["train"], ids["digits:v2"], "made"),
        (ids["digits:v2"], ids["evaluate"], "used"),
        (ids["evaluate"], ids["report:v0"], "made"),
        (ids["evaluate"], ids["registered"], "made"),
        (ids["digits:v2"], ids["registered"], "started from"),
    }
    assert nodes[ids["prepare"]]["depth"] == -3
    assert nodes[ids["registered"]] | {"hidden": 0} == {
        "id": ids["registered"], "kind": "version", "label": "digits:v0", "project": "model-registry", "name": "digits",
        "version": 0, "state": "model", "depth": 1, "hidden": 0,
    }  # fmt: skip
    few = client.get(f"/artifacts/{ids['digits:v2']}/lineage", params={"most": 2}).json()
    assert len(few["nodes"]) == 2
    assert sum(one["hidden"] for one in few["nodes"]) > 0


def test_a_rule_is_tried_without_deleting_anything(models: Any) -> None:
    client, _, folder = models
    now = ended(client, "/artifact-plan", project="vision")
    assert (now["plan"]["leaving"], now["rule"]) == ([], None)
    tried = ended(client, "/artifact-plan", project="vision", name="digits", last=1)
    assert tried["rule"] == "the last 1 and what has an alias"
    leaving = {one["title"]: one for one in tried["plan"]["leaving"]}
    assert set(leaving) == {"digits:v0", "digits:v1"}  # v2 is called best
    assert leaving["digits:v0"]["why"].startswith("digits keeps the last 1")
    assert treering.Api(folder).rules() == []
    treering.Api(folder).keep("vision/digits", best=1, aliases=["release-*"])
    page = client.get("/artifact-collection", params={"project": "vision", "name": "digits"}).json()
    assert page["rule"] == "the best 1 and what is called release-*"
    assert [one["leaving"] is None for one in page["versions"]] == [True, False, False, False]
    treering.Api(folder).keep_all("vision/digits")
    assert len(treering.Api(folder).versions("digits", "vision")) == 4
    assert client.get("/artifact-plan", params={"last": 1}).status_code == 400
    wrong = client.get("/artifact-plan", params={"project": "vision", "name": "digits", "days": 1, "metric": "x"})
    assert wrong.status_code == 400


def test_work_is_shared_waits_its_turn_and_is_tried_again() -> None:
    jobs, begun, go_on = Jobs(), threading.Event(), threading.Event()

    def slow(job: Any) -> str:
        job.tell(1, 2)
        begun.set()
        assert go_on.wait(60)
        return "done"

    first = jobs.get("a", slow)
    assert begun.wait(60)
    assert jobs.get("a", slow) is first
    assert (first.done, first.total, first.result) == (1, 2, None)
    order: list[int] = []
    others = [jobs.get(number, lambda _job, number=number: order.append(number) or number) for number in range(7)]
    with pytest.raises(Refusal, match="wait a moment"):
        jobs.get("one too many", slow)
    assert order == []  # one at a time
    go_on.set()
    for job in [first, *others]:
        job.wait(60)
    assert (first.result, sorted(order)) == ("done", list(range(7)))

    def broken(_job: Any) -> None:
        raise treering.errors.UsageError("no such thing")

    failed = jobs.get("b", broken)
    failed.wait(60)
    assert (failed.trouble, failed.is_over) == ("no such thing", True)
    assert jobs.get("b", broken) is failed  # not at once again
    failed.ended_s = time.monotonic() - 60
    again = jobs.get("b", lambda _job: "good")
    again.wait(60)
    assert again.result == "good"
    assert jobs.get("b", broken, fresh_s=1000) is again
