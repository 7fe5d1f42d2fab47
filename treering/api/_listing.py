"""Several runs: a sequence, and a table of what they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast, overload

from treering.api._run import ApiRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from treering.api._tables import Filled

__all__ = ["Runs", "flat", "leaves"]

_SHOWN_RUNS = 20


class Runs(Sequence[ApiRun]):
    """Runs in order. `runs.to_pandas()` is a table: a row for each run, its fields, config and summary as columns."""

    def __init__(self, runs: Iterable[ApiRun]) -> None:
        self._runs = list(runs)

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, at: int) -> ApiRun: ...

    @overload
    def __getitem__(self, at: slice) -> Runs: ...

    def __getitem__(self, at: int | slice) -> ApiRun | Runs:
        return Runs(self._runs[at]) if isinstance(at, slice) else self._runs[at]

    def to_pandas(self) -> pd.DataFrame:
        """Return a DataFrame with the columns id, name, project ..., `config.KEY` and `summary.KEY`."""
        from treering.api._tables import to_pandas

        return to_pandas(self._columns())

    def to_polars(self) -> pl.DataFrame:
        """Return the same as a polars DataFrame; a column of mixed types holds JSON texts."""
        from treering.api._tables import to_polars

        return to_polars(self._columns())

    def to_arrow(self) -> pa.Table:
        """Return the same as an Arrow table; a column of mixed types holds JSON texts."""
        from treering.api._tables import to_arrow

        return to_arrow(self._columns())

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one flat dict for each run, without the keys that it lacks."""
        return [flat(run) for run in self]

    def _columns(self) -> dict[str, Filled]:
        from treering.api._tables import column_of

        rows = self.to_dicts()
        keys = dict.fromkeys(key for row in rows for key in row)
        return {key: column_of([row.get(key) for row in rows]) for key in keys}

    def _repr_html_(self) -> str:
        from treering.notebook.cards import runs_card

        return runs_card(self)

    def __repr__(self) -> str:
        if not self._runs:
            return "Runs(none)"
        shown = self._runs[:_SHOWN_RUNS]
        width = min(max(len(run.name) for run in shown), 40)
        lines = [
            f"  {run.id}  {run.name[:width]:<{width}}  {run.state:<11}  {run.created:%Y-%m-%d %H:%M}" for run in shown
        ]
        more = [f"  ... and {len(self) - _SHOWN_RUNS:,} more"] if len(self) > _SHOWN_RUNS else []
        return "\n".join([f"Runs({len(self):,})", *lines, *more])


def flat(run: ApiRun) -> dict[str, Any]:
    """Return what a run is, its config and its summary as one flat dict, without what it lacks."""
    row: dict[str, Any] = {
        "id": run.id,
        "name": run.name,
        "project": run.project,
        "state": run.state,
        "created": run.created,
        "duration": run.duration,
        "group": run.group,
        "job_type": run.job_type,
        "tags": ",".join(run.tags),
        "notes": run.notes,
    }
    row = {key: value for key, value in row.items() if value is not None}
    for scope, values in (("config", run.config), ("summary", run.summary)):
        row.update({f"{scope}.{key}": value for key, value in leaves(values).items()})
    return row


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Join the keys of nested dicts with dots, as filters name them."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            flat.update(leaves(cast("dict[str, Any]", value), f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
