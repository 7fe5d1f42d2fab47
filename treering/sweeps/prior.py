"""What earlier sweeps and runs have found in a space: points with their values, for a model to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from treering.errors import NotFound
from treering.store.values import decode
from treering.sweeps.outcomes import found_in
from treering.sweeps.records import ENDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from treering.sweeps.config import SweepConfig
    from treering.sweeps.space import Point
    from treering.sweeps.trials import Rows

__all__ = ["read_prior"]


def read_prior(
    rows: Rows, config: SweepConfig, elsewhere: Callable[[str], Iterator[Rows]] | None = None
) -> list[tuple[Point, list[float]]]:
    """Return the points of `config.prior` (ids of sweeps or runs of this store) that lie in the space.

    Args:
        rows: where they are looked for first.
        config: of the new sweep.
        elsewhere: opens what else of the place may have an id, one after the other: files of their own.

    Raises:
        NotFound: an id that is neither; or nothing of it lies in the space.
    """
    found: list[tuple[Point, list[float]]] = []
    for one in config.prior:
        pairs = _of(rows, one, config)
        for others in elsewhere(one) if elsewhere is not None and pairs is None else ():
            pairs = _of(others, one, config) if pairs is None else pairs
        if pairs is None:
            raise NotFound(f"prior: there is no sweep and no run {one!r} in this store; check the id")
        if not pairs:
            raise NotFound(f"prior: nothing of {one!r} lies in this space with a value of the metric; leave it out")
        found += pairs
    return found


def _of(rows: Rows, one: str, config: SweepConfig) -> list[tuple[Point, list[float]]] | None:
    return _of_sweep(rows, one, config) if rows.sweeps("id = :id", {"id": one}) else _of_run(rows, one, config)


def _of_sweep(rows: Rows, sweep_id: str, config: SweepConfig) -> list[tuple[Point, list[float]]]:
    pairs: list[tuple[Point, list[float]]] = []
    for trial in rows.trials(sweep_id):
        point = config.space.point_of(trial.params)
        if trial.state in ENDED and trial.values and len(trial.values) == len(config.metrics) and point is not None:
            pairs.append((point, trial.values))
    return pairs


def _of_run(rows: Rows, run_id: str, config: SweepConfig) -> list[tuple[Point, list[float]]] | None:
    found = rows.database.query("SELECT config, summary FROM runs WHERE id = :id", {"id": run_id})
    if not found:
        return None
    blobs: list[dict[str, Any]] = [decode(blob) if blob else {} for blob in found[0]]
    settings, summary = blobs
    point = config.space.point_of(settings)
    values: list[Any] = [found_in(summary, one.name) for one in config.metrics]
    fine = all(isinstance(value, (int, float)) for value in values)
    return [(point, [float(value) for value in values])] if point is not None and fine else []
