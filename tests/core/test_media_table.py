from __future__ import annotations

import decimal
import math
from collections import OrderedDict
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Histogram, Image, Table, Text, digests, load, store, wrap
from treering.media._base import INLINE_BYTES
from treering.store.blobs import Blobs
from treering.store.values import Carried, decode, encode
from treering.zstd import pack

NEW_YEAR = datetime.fromisoformat("2024-01-01T00:00:00")
ZONES = st.none() | st.just(timezone.utc) | st.just(timezone(timedelta(hours=5, minutes=30)))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.datetimes(timezones=ZONES)
    | st.dates()
    | st.times()
)
NESTED = st.recursive(
    st.none() | st.integers(-9, 9) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
MEDIA = st.builds(Text, st.text(max_size=5)) | st.builds(Histogram, st.lists(st.floats(-9, 9), max_size=4))
CELLS = SCALARS | NESTED | MEDIA
COLUMNS = st.one_of(
    *(st.lists(kind, min_size=3, max_size=3) for kind in (CELLS, st.integers(0, 9), st.floats(), MEDIA))
)


def journalled(table: Table) -> Any:
    carried = decode(encode(table))
    assert isinstance(carried, Carried)
    return carried.payload


def stored(table: Table, folder: Path) -> Table:
    blobs = Blobs(folder / "blobs")
    again = load("table", decode(encode(store("table", journalled(table), blobs))), blobs)
    assert isinstance(again, Table)
    return again


def same(a: Any, b: Any) -> bool:
    """Compare with NaN equal to itself, and True, 1 and 1.0 different."""
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@given(st.lists(COLUMNS, min_size=1, max_size=4))
def test_cells_come_back_equal(columns: list[list[Any]]) -> None:
    names = [f"c{number}" for number in range(len(columns))]
    table = Table(data=dict(zip(names, columns, strict=True)))
    again = Table.from_payload(journalled(table))
    assert again == table
    assert (again.columns, again.types, len(again)) == (names, table.types, 3)
    for name, column in zip(names, columns, strict=True):
        assert same(again.column(name), column)


@given(st.lists(COLUMNS, min_size=1, max_size=3))
def test_cells_come_back_equal_from_the_store(
    tmp_path_factory: pytest.TempPathFactory, columns: list[list[Any]]
) -> None:
    table = Table(data={str(number): column for number, column in enumerate(columns)})
    assert stored(table, tmp_path_factory.getbasetemp()) == table


def test_types() -> None:
    table = Table(
        data={
            "bool": [True, None],
            "int": [1, 2],
            "number": [1, 2.5],
            "float": [None, math.nan],
            "string": ["a", "b"],
            "bytes": [b"a", b"b"],
            "datetime": [NEW_YEAR, None],
            "date": [date(2024, 1, 1), date(2024, 1, 2)],
            "time": [time(1), time(2)],
            "json": [[1], {"a": 1}],
            "image": [Image(np.zeros((5, 5))), None],
            "mixed": [1, "a"],
            "bools and ints": [True, 1],
            "empty": [None, None],
        }
    )
    expected = {name: name for name in table.columns}
    assert table.types == {**expected, "float": "number", "bools and ints": "mixed"}


def test_ways_to_give_data() -> None:
    expected = Table(["a", "b"], [[1, "x"], [2, None]])
    assert expected.data == [[1, "x"], [2, None]]
    assert Table(columns=["a", "b"], rows=((1, "x"), (2, None))) == expected
    assert Table(data=[{"a": 1, "b": "x"}, {"a": 2}]) == expected
    assert Table(["a", "b"], [{"b": "x", "a": 1}, {"a": 2}]) == expected
    assert Table(data=OrderedDict(a=[1, 2], b=["x", None])) == expected
    assert Table(["a", "b"], {"b": ["x", None], "a": np.array([1, 2])}) == expected
    assert Table(["a", "b"], (row for row in [[1, "x"], [2, None]])) == expected
    grown = Table(columns=["a", "b"])
    grown.add_data(1, "x")
    grown.add_row([2, None])
    assert grown == expected
    by_dict = Table(columns=["a", "b"])
    by_dict.add_row({"b": "x", "a": 1})
    by_dict.add_row(2, None)
    assert by_dict == expected
    by_column = Table()
    by_column.add_column("a", [1, 2])
    by_column.add_column("b", ["x", None])
    assert by_column == expected
    assert list(expected.iterrows()) == [(0, [1, "x"]), (1, [2, None])]
    assert expected.get_column("b") == ["x", None]
    unnamed = Table(data=np.array([[1, 2], [3, 4]]))
    assert (unnamed.columns, unnamed.data) == (["0", "1"], [[1, 2], [3, 4]])
    first = Table()
    first.add_data(1, 2)
    assert (first.columns, first.data) == (["0", "1"], [[1, 2]])
    assert Table([1, 2], [[3, 4]]).columns == ["1", "2"]  # type: ignore[list-item]


def test_empty(tmp_path: Path) -> None:
    for table in (Table(), Table(["a"]), Table(data=[]), Table(data=[{}])):
        assert len(table) == 0
        assert table.data == []
        assert stored(table, tmp_path) == table


def test_numpy_and_other_cells() -> None:
    class Name(str):
        __slots__ = ()

    table = Table(
        data=[
            [np.int32(3), 3],
            [np.float32(0.5), 0.5],
            [np.bool_(True), True],
            [np.str_("x"), "x"],
            [Name("y"), "y"],
            [np.array([1, 2]), [1, 2]],
            [np.array(7), 7],
            [np.datetime64("2024-01-02T03:04:05.123456789"), datetime.fromisoformat("2024-01-02T03:04:05.123456")],
            [np.datetime64("2024-01-02"), date(2024, 1, 2)],
            [np.datetime64("NaT"), None],
            [decimal.Decimal("1.5"), 1.5],
            [Path("a/b"), "a/b"],
            [(1, (2, 3)), [1, [2, 3]]],
            [{1: np.float64(2)}, {"1": 2.0}],
            [bytearray(b"x"), b"x"],
            ["a\udc80", "a\\udc80"],
        ]
    )
    for given_, expected in table.data:
        assert same(given_, expected), (given_, expected)


def test_tensors_and_pictures() -> None:
    torch = pytest.importorskip("torch")
    from PIL import Image as pillow  # noqa: N813

    table = Table(data=[[torch.tensor(2.5), torch.tensor([1, 2]), pillow.new("RGB", (6, 5))]])
    assert table.data == [[2.5, [1, 2], Image(np.zeros((5, 6, 3)))]]


def test_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "int": [1, 2],
            "float": [0.5, math.nan],
            "text": ["a", None],
            "time": pandas.to_datetime(["2024-01-01", None]),
            "nullable": pandas.array([1, None], dtype="Int64"),
            "category": pandas.Categorical(["x", "y"]),
        },
        index=[10, 20],
    )
    table = Table(dataframe=frame)
    assert table.types == {
        "int": "int",
        "float": "number",
        "text": table.types["text"],
        "time": "datetime",
        "nullable": "int",
        "category": "string",
    }
    assert table.column("time") == [NEW_YEAR, None]
    assert table.column("nullable") == [1, None]
    assert Table(data=frame) == table == wrap(frame)
    assert Table(columns=["text", "int"], dataframe=frame).columns == ["text", "int"]
    again = stored(table, tmp_path).to_pandas()
    assert list(again["int"]) == [1, 2]
    assert list(table.get_dataframe().columns) == list(frame.columns)
    with pytest.raises(UsageError, match="twice"):
        Table(dataframe=pandas.DataFrame([[1, 2]], columns=["a", "a"]))


def test_polars_and_arrow() -> None:
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [[1], [2, 3]], "d": [date(2024, 1, 1), None]})
    table = Table(dataframe=frame)
    assert table.data == [[1, "x", [1], date(2024, 1, 1)], [None, "y", [2, 3], None]]
    assert table == wrap(frame)
    pytest.importorskip("pyarrow")
    assert Table(dataframe=frame.to_arrow()) == table


def test_what_was_added_may_change_afterwards() -> None:
    nested: dict[str, Any] = {"a": [1]}
    histogram = Histogram([1.0])
    table = Table(["x", "y"], [[nested, histogram]])
    payload = table.to_payload()
    before = encode(payload)
    nested["a"].append(2)
    histogram.nan = 5
    table.add_data(None, None)
    table.add_column("z", [1, 2])
    table.data[0][0] = "changed"
    table.column("x")[0] = "changed"
    assert encode(payload) == before
    assert encode(Table.from_payload(decode(before)).to_payload()) == before


def test_large_tables_leave_the_column(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    noise = np.random.default_rng(0)
    pictures = [Image(noise.integers(0, 256, (40, 40, 3), np.uint8)) for _ in range(5)]
    table = Table(["image", "any", "noise"])
    for row in range(600):
        table.add_data(pictures[row % 3], pictures[3 + row % 2] if row else "x", float(noise.random()))
    reference = store("table", table.to_payload(), blobs)
    assert len(encode(reference)) < INLINE_BYTES
    assert set(digests(Carried("table", reference))) == set(blobs.digests())
    assert len(list(blobs.digests())) == 1 + len(pictures)
    again = load("table", decode(encode(reference)), blobs)
    assert again == table
    # Written twice, as when a journal is replayed: nothing new.
    store("table", again.to_payload(), blobs)
    assert len(list(blobs.digests())) == 1 + len(pictures)


@pytest.mark.parametrize(
    ("arguments", "in_text"),
    [
        ({"data": [[1]], "rows": [[1]]}, "data and rows"),
        ({"dataframe": [[1]]}, "pandas or polars frame"),
        ({"columns": ["a", "a"]}, "twice"),
        ({"columns": ["a"], "data": [[1, 2]]}, "2 cells in row 0; it takes 1"),
        ({"data": [[1, 2], [1]]}, "1 cells in row 1; it takes 2"),
        ({"data": [[1], {"a": 1}]}, "all sequences or all dicts"),
        ({"data": ["ab", "cd"]}, "[[x] for x in values]"),
        ({"data": [1, 2]}, "[[x] for x in values]"),
        ({"data": "ab"}, "got a str as data"),
        ({"data": 3}, "got a int as data"),
        ({"data": {"a": [1, 2], "b": [1]}}, "2, 1 cells"),
        ({"columns": ["c"], "data": {"a": [1]}}, "without the columns ['c']"),
    ],
)
def test_refused_arguments(arguments: dict[str, Any], in_text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Table(**arguments)
    assert in_text in str(caught.value)
    assert "takes" in str(caught.value) or "it has" in str(caught.value)


def test_refused_additions() -> None:
    table = Table(["a", "b"], [[1, 2]])
    with pytest.raises(UsageError, match="row of 1 cells; it takes 2"):
        table.add_data(1)
    with pytest.raises(UsageError, match=r"row with \['c'\]"):
        table.add_row({"c": 1})
    with pytest.raises(UsageError, match="already"):
        table.add_column("a", [1])
    with pytest.raises(UsageError, match="column of 2 cells; it takes 1"):
        table.add_column("c", [1, 2])
    with pytest.raises(UsageError, match="no column 'z'"):
        table.column("z")
    with pytest.raises(UnsupportedValue):
        table.add_data(1, object())
    assert table.data == [[1, 2]]


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("cell", "in_text"),
    [
        (object(), "builtins.object"),
        (2**64, "an integer of 65 bits"),
        (-(10**400), "an integer of"),
        (1 + 2j, "complex"),
        (np.zeros(5000), "shape (5000,)"),
        (timedelta(1), "timedelta"),
        (deep(50), "deep"),
        ([Text("x")], "a Text inside a list"),
        (lambda: 3, "function"),
    ],
)
def test_refused_cells(cell: object, in_text: str) -> None:
    with pytest.raises(UnsupportedValue) as caught:
        Table(["a", "b"], [[1, 2], [3, cell]])
    assert in_text in str(caught.value)
    assert "in column 'b', row 1" in str(caught.value)
    assert "Convert it first" in str(caught.value)


def test_a_list_that_holds_itself() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(UnsupportedValue, match="deep"):
        Table(["a"], [[loop]])


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"columns": ["a"], "types": ["int"], "rows": 1},
        {"columns": ["a"], "types": [], "rows": 1, "cells": [[1]]},
        {"columns": ["a"], "types": ["int"], "rows": 2, "cells": [[1]]},
        {"columns": ["a"], "types": ["date"], "rows": 1, "cells": [["yesterday"]]},
        {"columns": ["a"], "types": ["date"], "rows": 1, "cells": [[3]]},
        {"columns": ["a"], "types": ["hologram"], "rows": 1, "cells": [[{}]]},
        {"columns": ["a"], "types": ["mixed"], "rows": 1, "cells": [[3]]},
        {"columns": ["a"], "types": ["image"], "rows": 1, "cells": [[{}]]},
    ],
)
def test_damaged_payloads(payload: dict[str, Any]) -> None:
    with pytest.raises(CorruptData):
        Table.from_payload(payload)


def test_damaged_data(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    for data in (b"no zstd", pack(b"\xc1", 3), pack(encode([1]), 3)):
        with pytest.raises(CorruptData, match="a Table in the store is damaged"):
            load("table", {"columns": ["a"], "types": ["int"], "rows": 1, "data": data}, blobs)


def test_looks() -> None:
    table = Table(["<b>", "n"], [["<script>", number] for number in range(30)])
    assert repr(table) == "Table(30 rows; <b>: string, n: int)"
    shown = table._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 21
    assert "20 of 30 rows" in shown
    assert "data:image/png;base64," in Table(data=[[Image(np.zeros((5, 5)))]])._repr_html_()
    assert "<td></td>" in Table(data=[[None]])._repr_html_()
    assert "Histogram" in Table(data=[[Histogram([1])]])._repr_html_()
    assert Table(["a"], [[1]]) != Table(["a"], [[1.0]])
    assert Table(["a"], [[math.nan]]) == Table(["a"], [[math.nan]])
