"""Long stretches of alike rows are decoded at once; what they say is what each record by itself says."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treering.records import OPERATION, Row, decode_record, write_operation
from treering.store.batch import to_columns
from treering.store.uniform import Block, read_rows
from treering.store.values import encode

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_NS = 1_700_000_000_000_000_000

numbers = st.one_of(
    st.floats(),
    st.sampled_from([0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1]),
    st.sampled_from([-1, -32, -33, -128, -129, -(2**31), -(2**63)]),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
keys = st.sampled_from(["loss", "a/b", "\N{SNOWMAN}", "x" * 40, "nul\0", "", "_step"])
shapes = st.dictionaries(keys, st.one_of(numbers, st.dictionaries(keys, numbers, max_size=2)), min_size=0, max_size=4)


def same(value: Any) -> Any:
    """What tells values apart to the last bit and type."""
    return (type(value), struct.pack("<d", value) if isinstance(value, float) else value)


def by_columns(items: list[Any]) -> dict[str, list[tuple[int, Any]]]:
    found: dict[str, list[tuple[int, Any]]] = {}
    for part in to_columns(items):
        values: list[Any] = part.values.tolist() if isinstance(part.values, np.ndarray) else list(part.values)
        found.setdefault(part.key, []).extend(
            (int(row), same(value)) for row, value in zip(part.rows, values, strict=True)
        )
    return {key: sorted(pairs, key=lambda pair: pair[0]) for key, pairs in found.items()}


def records_of(rows: list[dict[str, Any]], step_of: Callable[[int], int] = int) -> list[bytes]:
    return [encode((0, number, step_of(number), NOW_NS + number * 1_000_003, data)) for number, data in enumerate(rows)]


def alone(records: list[bytes]) -> list[Row]:
    return [decode_record(record) for record in records]


@settings(max_examples=60, deadline=None)
@given(runs=st.lists(st.tuples(shapes, st.integers(1, 200), st.booleans()), min_size=1, max_size=4))
def test_read_together_or_alone(runs: list[tuple[dict[str, Any], int, bool]]) -> None:
    rows: list[dict[str, Any]] = []
    for shape, count, drifts in runs:
        rows.extend(
            {key: turn / 7 if drifts and isinstance(value, float) else value for key, value in shape.items()}
            for turn in range(count)
        )
    records = records_of(rows)
    assert by_columns(list(read_rows(records))) == by_columns(alone(records))


def test_a_long_training_is_a_few_blocks() -> None:
    rows = [
        {"loss": math.exp(-turn / 1000), "epoch": turn // 256, "ok": turn % 3 == 0, "val": {"f1": turn / 9}}
        for turn in range(2000)
    ]
    records = records_of(rows, step_of=lambda number: number * 10)
    items = list(read_rows(records))
    blocks = [item for item in items if isinstance(item, Block)]
    assert len(blocks) < 12
    # The first numbers grow in length every few rows.
    assert sum(len(block.steps) for block in blocks) > 1800
    columns = by_columns(items)
    assert columns == by_columns(alone(records))
    assert columns["val/f1"][1999] == (1999, same(1999 / 9))
    assert columns["_step"][1999] == (1999, same(19_990))


@pytest.mark.parametrize("odd", [None, True, {}, [], "", -1, 0.5])
def test_a_single_odd_value_ends_the_block(odd: object) -> None:
    rows: list[dict[str, Any]] = [{"loss": turn / 3, "n": 5} for turn in range(300)]
    rows[150]["n"] = odd  # but for 0.5 one byte, as 5 is
    records = records_of(rows)
    items = list(read_rows(records))
    assert any(isinstance(item, Block) for item in items)
    assert by_columns(items) == by_columns(alone(records))


def test_names_too_long_for_an_index_are_cut_as_ever() -> None:
    records = records_of([{"k" * 3000: float(turn), "a": {"b" * 1990: turn / 3}} for turn in range(200)])
    assert by_columns(list(read_rows(records))) == by_columns(alone(records))


def test_operations_among_rows_stay_in_order() -> None:
    rows = records_of([{"loss": float(turn)} for turn in range(200)])
    records = [*rows[:100], write_operation("set", {"notes": "x"}), *rows[100:]]
    found = [
        item.row if isinstance(item, Block) or item.stream != OPERATION else "operation" for item in read_rows(records)
    ]
    at = found.index("operation")
    numbers = [number for number in found if isinstance(number, int)]
    assert numbers == sorted(numbers)
    assert found[at + 1] == 100


def test_rows_known_already_are_cut_off() -> None:
    block = Block(0, 10, np.arange(5), np.arange(5), {"a": np.arange(5.0)})
    assert block.since(12).columns["a"].tolist() == [2.0, 3.0, 4.0]  # type: ignore[union-attr]  # rows are left
    assert block.since(3) is block
    assert block.since(15) is None
    assert (block.next_row, block.last_step, block.step_from(3), block.step_from(13)) == (15, 4, 0, 3)
