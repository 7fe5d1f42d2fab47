"""Names and values of series, the same through every adapter."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["learning_rates", "metric_name", "number"]

SECTIONS = frozenset({"eval", "test", "train", "val"})


@lru_cache(maxsize=4096)
def metric_name(name: str, prefix: str | None = None) -> str:
    """The name of a series: `val_loss` is `val/loss`, `loss` is `<prefix>/loss`, a name with a slash stays."""
    if "/" in name:
        return name
    section, _, rest = name.partition("_")
    if rest and section in SECTIONS:
        return f"{section}/{rest}"
    return f"{prefix}/{name}" if prefix else name


def learning_rates(rates: Mapping[str, object] | Sequence[object]) -> dict[str, object]:
    """`lr/<group>` for each parameter group: by its name, or by its number where groups have none."""
    named = rates.items() if isinstance(rates, Mapping) else enumerate(rates)
    return {f"lr/{group}": rate for group, rate in named}


def number(value: object) -> object:
    """A tensor or array of one element as a Python number (this waits for its device); anything else as it is."""
    if type(value) in {float, int, str, bool}:
        return value
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and all(size == 1 for size in cast("tuple[int, ...]", shape)):
        item = getattr(value, "item", None)
        if callable(item):
            return item()
    return value
