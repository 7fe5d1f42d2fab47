"""Running statistics of one column, from which summaries are made without reading the column again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from treering.store.values import NUMERIC, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from treering.store.columns import Chunk, Numbers

__all__ = ["ColumnStats", "small"]

# A last value larger than this (a table, a long list) is not repeated in the statistics.
_MAX_LAST_BYTES = 4096


class ColumnStats(msgspec.Struct):
    """Statistics of all values of a column, whatever their kinds.

    Attributes:
        count: values of any kind.
        finite: finite numbers among them; `sum` is theirs.
        nan: NaNs among them.
        first, last: oldest and newest value; None where it is too large to repeat.
        last_row: the newest value's row.
        min, max: of the numbers that are not NaN.
    """

    count: int = 0
    finite: int = 0
    nan: int = 0
    sum: float = 0.0
    min: float | None = None
    max: float | None = None
    first: Any = None
    last: Any = None
    last_row: int = -1

    @property
    def mean(self) -> float | None:
        """Mean of the finite numbers."""
        return self.sum / self.finite if self.finite else None

    def add(self, kind: str, values: Sequence[Any] | Numbers, chunks: Sequence[Chunk]) -> None:
        """Take in new values, which lie in `chunks`."""
        if not self.count:
            self.first = small(values[0])
        self.count += len(values)
        if chunks[-1].last_row > self.last_row:
            self.last_row = chunks[-1].last_row
            self.last = small(values[-1])
        if kind not in NUMERIC:
            return
        for chunk in chunks:
            self.nan += chunk.nan_count
            if chunk.minimum is not None and chunk.maximum is not None:
                self.min = chunk.minimum if self.min is None else min(self.min, chunk.minimum)
                self.max = chunk.maximum if self.max is None else max(self.max, chunk.maximum)
        self._add_up(values)

    def _add_up(self, values: Sequence[Any] | Numbers) -> None:
        if len(values) < _SHORT:
            finite = [float(value) for value in values if -_INFINITY < value < _INFINITY]
            self.finite += len(finite)
            self.sum += sum(finite)
            return
        import numpy as np

        numbers = np.asarray(values, dtype=np.float64)
        with np.errstate(all="ignore"):
            total = float(numbers.sum())
            finite_count = len(numbers)
            if not -_INFINITY < total < _INFINITY:
                numbers = numbers[np.isfinite(numbers)]
                finite_count, total = len(numbers), float(numbers.sum())
        self.finite += finite_count
        self.sum += total


# Fewer values are added up without NumPy.
_SHORT = 64
_INFINITY = float("inf")


def small(value: Any) -> Any:
    """Return a value for the statistics, or None for one that is too large to be repeated there."""
    if type(value) in (float, int, bool):
        return value
    if hasattr(value, "item"):
        return value.item()
    return value if len(encode(value)) <= _MAX_LAST_BYTES else None
