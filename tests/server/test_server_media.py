"""Tables, histograms over time and episodes: what a page cannot read by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

import treering
from treering.server.app import create_api
from treering.server.options import ServerOptions

TOKEN = "secret-token-of-these-tests-0123456789abcdef"


def record(folder: Path) -> str:
    with treering.init(dir=folder, project="p") as run:
        for step in range(10):
            values = np.concatenate([np.zeros(6), [2.0**-step, -(2.0**-step)]])
            counts, edges = (
                np.array([1, 6, 1]),
                np.array([-(2.0**-step), -1e-3 * 2**-step, 1e-3 * 2**-step, 2.0**-step]),
            )
            run.log({"spread": treering.Histogram(values), "edges": treering.Histogram(np_histogram=(counts, edges))})
        pixels = np.random.default_rng(0).integers(0, 255, (32, 32), dtype=np.uint8)
        cells = [[number, treering.Image(pixels), [None, "text", 2.5][number % 3]] for number in range(50)]
        run.log({"table": treering.Table(columns=["number", "picture", "mixed"], rows=cells), "number": 1.0})
        for number in range(400):
            row: dict[str, Any] = {"episode/return": float(number % 100), "episode/env": number % 2}
            run.log({**row, "episode/length": 5, "episode/id": number // 2, "episode/is_success": number >= 300})
        run.log({"episode/video": treering.Video(np.zeros((2, 8, 8), dtype=np.uint8), fps=2), "episode/id": 199})
    return run.id


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    folder = tmp_path_factory.mktemp("media") / "store"
    run = record(folder)
    with TestClient(create_api(ServerOptions(folder, TOKEN))) as client:
        yield client, f"/api/v1/runs/{run}"


def test_rows_of_a_table(asked: tuple[TestClient, str]) -> None:
    client, run = asked
    page = client.get(f"{run}/table", params={"key": "table", "row": 10, "start": 1, "limit": 2}).json()
    assert (page["columns"], page["total"], len(page["rows"])) == (["number", "picture", "mixed"], 50, 2)
    number, picture, mixed = page["rows"][0]
    assert (number, picture["$media"], mixed) == (1, "image", "text")
    assert client.get(f"{run}/blobs/{picture['value']['blob']}").headers["content-type"] == "image/png"
    for wrong in ({"key": "table", "row": 9}, {"key": "number", "row": 10}, {"key": "no", "row": 0}):
        assert client.get(f"{run}/table", params=wrong).status_code == 404


def test_no_histogram_is_left_out(asked: tuple[TestClient, str]) -> None:
    client, run = asked
    spread, edges, none = client.get(
        f"{run}/histograms", params={"key": ["spread", "edges", "no"], "columns": 4}
    ).json()
    assert none["error"]
    assert [column["merged"] for column in spread["columns"]] == [3, 3, 2, 2]
    assert sum(sum(column["counts"]) for column in spread["columns"]) == pytest.approx(80)
    assert (spread["powers"], len(spread["edges"])) == (False, 65)
    assert sum(sum(column["counts"]) for column in edges["columns"]) == pytest.approx(80)
    middle = next(at for at, edge in enumerate(edges["edges"]) if edge > 0) - 1
    # Zeros stay one bin, though later histograms have finer ones there.
    assert [column["counts"][middle] for column in edges["columns"]] == pytest.approx([18, 18, 12, 12])


def test_episodes_with_what_stands_beside_them(asked: tuple[TestClient, str]) -> None:
    client, run = asked
    found = client.get(f"{run}/episodes", params={"window": 50, "most": 20}).json()
    assert found["total"] == 400
    assert len(found["x"]) == len(found["points"]["return"]) <= 20
    assert {0, 99} <= set(found["points"]["return"])  # every extreme
    every, *envs = found["returns"]
    assert every["values"][-1] == pytest.approx(np.mean(range(50, 100)))
    assert [(one["env"], one["episodes"]) for one in envs] == [(0, 200), (1, 200)]
    assert envs[0]["values"][-1] == pytest.approx(np.mean(range(0, 100, 2)))
    assert found["success"]["values"][-1] == 1.0
    assert found["lengths"]["values"] == [5.0] * len(found["lengths"]["values"])
    (video,) = found["videos"]
    assert (video["episode"], video["total"], video["env"], video["length"]) == (199, 99.0, 1, 5)
    assert client.get(f"{run}/episodes", params={"key": "table"}).status_code == 404
