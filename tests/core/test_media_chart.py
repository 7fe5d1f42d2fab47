"""Charts in Vega-Lite: descriptions with their data, and the charts that `treering.plot` makes of tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import treering
from treering import plot
from treering.api import Api
from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Chart, Table, load, store, wrap
from treering.store.blobs import Blobs
from treering.store.values import decode, encode

SPEC: dict[str, Any] = {"mark": "point", "encoding": {"x": {"field": "a", "type": "quantitative"}}}
TABLE = Table(columns=["step", "loss.train", "name"], data=[[0, 1.0, "a"], [1, float("nan"), "b"], [2, 0.5, "a"]])


def values_of(chart: Chart) -> Any:
    return chart.spec["data"]["values"]


@pytest.mark.parametrize(
    "data", [Table(columns=["a"], data=[[1], [2]]), pd.DataFrame({"a": [1, 2]}), [{"a": 1}, {"a": 2}]]
)
def test_data_of_every_kind(data: object) -> None:
    for spec in (SPEC, json.dumps(SPEC)):
        chart = Chart(spec, data, caption="c")
        assert (chart.spec["mark"], values_of(chart), chart.caption) == ("point", [{"a": 1}, {"a": 2}], "c")
    assert "data" not in SPEC


def test_what_json_does_not_have() -> None:
    rows = [{"a": float("inf"), "b": np.float32("nan"), "c": np.arange(2), "d": pd.Timestamp("2026-01-01")}]
    assert values_of(Chart(SPEC, rows)) == [{"a": None, "b": None, "c": [0, 1], "d": "2026-01-01T00:00:00"}]


class Altair:
    """As the charts of Altair are: told by where their class comes from."""

    __module__ = "altair.vegalite.v5.api"

    def to_dict(self) -> dict[str, Any]:
        return {**SPEC, "datasets": {"d": [{"a": 1, "url": "no address"}]}, "data": {"name": "d"}}


def test_charts_of_altair_come_with_their_data() -> None:
    chart = wrap(Altair())
    assert isinstance(chart, Chart)
    assert chart.spec["datasets"]["d"] == [{"a": 1, "url": "no address"}]


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (3, UnsupportedValue),
        ([], UnsupportedValue),
        ("{", UsageError),
        ({"encoding": {}}, UsageError),
        ({**SPEC, "data": {"url": "http://127.0.0.1/x.csv"}}, UsageError),
        ({"layer": [{**SPEC, "data": {"url": "x.csv"}}]}, UsageError),
        ({**SPEC, "title": object()}, UnsupportedValue),
    ],
)
def test_what_is_no_chart(spec: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Chart got"):
        Chart(spec)


def test_data_that_do_not_fit() -> None:
    with pytest.raises(UnsupportedValue, match="as data"):
        Chart(SPEC, 3)
    with pytest.raises(UsageError, match="100,001 rows"):
        Chart(SPEC, [{}] * 100_001)


def test_through_the_store(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    chart = Chart(SPEC, [{"a": "ключ"}], caption="c")
    reference = store("chart", decode(encode(chart)).payload, blobs)
    assert set(reference) == {"format", "caption", "blob"}
    read = load("chart", decode(encode(reference)), blobs)
    assert isinstance(read, Chart)
    assert (read, read.spec) == (chart, chart.spec)
    assert read._repr_mimebundle_()["application/vnd.vegalite.v5+json"] == chart.spec
    with pytest.raises(CorruptData, match="Chart"):
        _ = Chart.from_payload({"format": "vega-lite", "data": b"{"}).spec


def test_logged_and_read_back(store_dir: Path) -> None:
    with treering.init() as run:
        run.log({"chart": plot.line(TABLE, "step", "loss.train"), "altair": Altair()}, step=3)
    (read,) = Api(store_dir).runs()
    assert read.media("chart") == [(3, plot.line(TABLE, "step", "loss.train"))]
    assert isinstance(read.media("altair")[0][1], Chart)


def test_columns_are_drawn() -> None:
    line = plot.line(TABLE, "step", "loss.train", stroke="name", title="Loss")
    encoding = line.spec["encoding"]
    assert (line.spec["title"], line.spec["mark"]["type"]) == ("Loss", "line")
    assert [encoding[axis]["field"] for axis in ("x", "y", "color")] == ["step", r"loss\.train", "name"]
    assert values_of(line)[1] == {"step": 1, "loss.train": None, "name": "b"}
    assert plot.scatter(TABLE, "name", "step").spec["encoding"]["x"]["type"] == "nominal"
    bars = plot.bar(TABLE, "name", "step").spec["encoding"]
    assert (bars["y"]["field"], bars["y"]["sort"], bars["x"]["field"]) == ("name", None, "step")
    counted = plot.histogram(TABLE, "step").spec["encoding"]
    assert (counted["x"]["bin"], counted["y"]["aggregate"]) == ({"maxbins": 30}, "count")
    with pytest.raises(UsageError, match="no column 'other'"):
        plot.line(TABLE, "step", "other")


def test_series_are_lines() -> None:
    chart = plot.line_series([0, 1], [[1.0, 2.0], [3.0, 4.0]], keys=["a", "b"], xname="epoch")
    assert values_of(chart)[2] == {"epoch": 0, "value": 3.0, "line": "b"}
    own = plot.line_series(np.array([[0, 1], [5, 6]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert values_of(own)[3] == {"x": 6, "value": 4.0, "line": "1"}
    for ys, keys in (([[1.0]], None), ([[1.0, 2.0]], ["a", "b"])):
        with pytest.raises(UsageError, match="line_series got"):
            plot.line_series([0, 1], ys, keys)
