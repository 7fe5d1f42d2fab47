"""Where the curves of two runs part, over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from store_builder import StoreBuilder

from treering.server import routes_compare

ROWS = 3000


@pytest.fixture(scope="module")
def client(serve_all: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server over two runs that part at step 2001, and a third that has nothing of theirs."""
    folder = tmp_path_factory.mktemp("pair") / "store"
    builder = StoreBuilder(folder)
    for name in ("a", "b"):
        rows = []
        for step in range(ROWS):
            row: dict[str, Any] = {"loss": 1 / (step + 1), "epoch": step // 1000, "same": step}
            if name == "b" and step > 2000:
                row["loss"] += 1e-6
            if step % (10 if name == "a" else 15) == 0:
                row["val"] = float("nan") if step == 30 else step
            row[f"only-{name}"] = 1.0
            row["word"] = "x" if name == "a" or step != 5 else "y"
            rows.append((step, row))
        builder.run(name, definitions=[{"name": "val", "x": "epoch"}]).log(rows, batch=ROWS)
    builder.run("c").log([(0, {"other": 1.0})])
    builder.database.close()
    with serve_all(folder) as served, served.client() as found:
        yield found


def ask(client: httpx.Client, *keys: str, **given: Any) -> dict[str, dict[str, Any]]:
    answer = client.post("/api/v1/parting", json={"runs": ["a", "b"], "keys": keys, **given})
    assert answer.status_code == 200, answer.text
    return {row["key"]: row for row in answer.json()}


def test_every_value_counts(client: httpx.Client) -> None:
    found = ask(client, "loss", "same", "word", "val", x="_step")
    assert found["loss"]["state"] == "parted"
    assert (found["loss"]["at"], found["loss"]["last_same"], found["loss"]["differing"]) == (2001, 2000, 999)
    assert found["loss"]["values"] == [1 / 2002, 1 / 2002 + 1e-6]
    assert found["loss"]["widest"] == pytest.approx(1e-6)
    assert (found["same"]["state"], found["same"]["compared"]) == ("same", ROWS)
    assert (found["word"]["at"], found["word"]["values"]) == (5, ["x", "y"])
    assert (found["val"]["state"], found["val"]["compared"], found["val"]["only"]) == ("same", 100, [200, 100])


def test_a_tolerance(client: httpx.Client) -> None:
    assert ask(client, "loss", absolute=1e-5)["loss"]["state"] == "same"
    assert ask(client, "loss", relative=1e-9)["loss"]["at"] == 2001
    assert ask(client, "loss", relative=0.01)["loss"]["state"] == "same"


def test_what_cannot_be_compared_says_why(client: httpx.Client) -> None:
    found = ask(client, "only-a", "nothing", "loss", x="epoch")
    assert (found["only-a"]["state"], found["nothing"]["state"]) == ("unread", "unread")
    assert "only-a" in found["only-a"]["error"]
    assert found["loss"]["x_key"] == "epoch"
    assert ask(client, "val")["val"]["x_key"] == "epoch"  # as define_metric said
    assert found["loss"]["at"] == 2  # the thousand values of epoch 2 are compared in their order
    assert ask(client, "loss", x="word")["loss"]["error"] == "'word' holds no numbers and is no axis"


def test_no_more_than_memory_holds(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_compare, "_MAX_VALUES", 2 * ROWS)
    found = ask(client, "loss", "same")
    assert found["loss"]["state"] == "parted"
    assert "fewer" in found["same"]["error"]
    monkeypatch.setattr(routes_compare, "_MAX_VALUES", ROWS)
    assert "6,000 values" in ask(client, "loss")["loss"]["error"]


@pytest.mark.parametrize(
    "wrong", [{"runs": ["a"]}, {"keys": ["loss"] * 201}, {"absolute": -1}, {"relative": 2}, {"stream": "console"}]
)
def test_questions_that_are_none(client: httpx.Client, wrong: dict[str, Any]) -> None:
    body = {"runs": ["a", "b"], "keys": ["loss"], **wrong}
    assert client.post("/api/v1/parting", json=body).status_code == 422
    assert client.post("/api/v1/parting", json={"runs": ["a", "gone"], "keys": []}).status_code == 404
