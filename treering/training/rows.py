"""The part of a training that records its rows, its configuration and its summary."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from treering.errors import UnsupportedValue
from treering.training.checkpoints import Checkpoints
from treering.training.names import metric_name, number, numbers

if TYPE_CHECKING:
    from treering._run import Run
    from treering.training.options import Options

__all__ = ["Rows"]

_PLAIN = frozenset({bool, float, int, str})
# What rows are drawn over; the same for all that write to a run, whatever stands before their series.
_AXES = frozenset({"batch", "batch_step", "episode", "epoch", "iteration", "step", "tokens", "update"})
# A program that makes up names is not to be remembered for ever.
_MOST_KINDS = 1000


class Rows(Checkpoints):
    """What `Training` has of rows."""

    log_every: int
    errors: int

    def __init__(self, framework: str, options: Options) -> None:
        super().__init__(framework, options)
        self._logged_at: int | None = None
        self._errors_told = 0
        self._config: dict[str, object] = {}
        self._not_finite: set[str] = set()
        self._series: dict[str | None, dict[str, str]] = {}
        self._prefixed: dict[str, str] = {}
        self._pause_s = (options.get("log_every_ms") or 0.0) / 1e3
        self._is_shaped = bool(self._pause_s or self._prefix)
        self._goes_on = False
        self._logged_s: dict[tuple[str, ...], float] = {}
        self._held: dict[tuple[str, ...], tuple[dict[str, object], int, float]] = {}

    @property
    @abstractmethod
    def run(self) -> Run | None:
        """The run, opened now if nothing was recorded before."""

    def due(self, step: int) -> bool:
        """Whether `step` is to be logged: the first one is, then one each `log_every`, however far steps jump."""
        return self._logged_at is None or abs(step - self._logged_at) >= self.log_every

    def log(self, values: Mapping[str, object], *, step: int, prefix: str | None = None, **axes: float | None) -> None:
        """Record one row.

        Args:
            values: metrics under the framework's own names, see `metric_name`; tensors of one element become numbers.
            step: optimizer updates done, or environment steps.
            prefix: section of the names that have none, `"train"`.
            **axes: what else the row can be drawn over, `epoch=3`; None is left out.
        """
        names = self._series.get(prefix)
        if names is None:
            names = self._series[prefix] = {}
        row: dict[str, object] = {}
        is_plain = True
        for name, value in values.items():
            full = names.get(name)
            if full is None:
                full = names[name] = metric_name(name, prefix)
            row[full] = value
            if type(value) is not float and type(value) not in _PLAIN:
                is_plain = False
        if not is_plain:
            row = numbers(row)
        for name, axis in axes.items():
            if axis is not None:
                row[name] = axis  # a comprehension is a call
        self.put(row, step)

    def put(self, row: dict[str, object], step: int) -> None:
        """Record one row as it is: full names, no tensors. Belongs to `Training` from now on."""
        # Comes with each step of a training whose own work has driven all of this out of the caches: what is not
        # executed costs nothing, so the usual case goes through without a call.
        run = self._run
        if run is None or run.ended:
            run = self.run
            if run is None:
                return
        if self._is_shaped:
            shaped = self._shaped(row, step)
            if shaped is None:
                return
            row = shaped
        for name, value in row.items():
            if type(value) is float and value - value != 0.0:  # NaN and infinities
                self._first_not_finite(name, value, step)
        if self.errors > self._errors_told:
            self._errors_told = self.errors
            row["treering/errors"] = self.errors
        self.step = self._logged_at = step
        try:
            run.log(row, step=step)
        except UnsupportedValue:
            run.log({name: value for name, value in row.items() if _surely_stored(value)}, step=step)
            raise  # to the guard: one warning that names the key, after the rest of the row was kept

    def _shaped(self, row: dict[str, object], step: int) -> dict[str, object] | None:
        """Return a row as the options `prefix` and `log_every_ms` want it; None for one that is held back."""
        if self._prefix:
            row = {self._full_name(name): value for name, value in row.items()}
        if not (self._pause_s and self._goes_on) or "episode" in row:  # each episode counts
            return row
        kind, now_s = tuple(row), time.monotonic()
        if now_s - self._logged_s.get(kind, -1e9) >= self._pause_s:
            if len(self._logged_s) > _MOST_KINDS:
                self._logged_s.clear()
            self._logged_s[kind] = now_s
            self._held.pop(kind, None)
            return row
        self._held.pop(kind, None)  # to the end of the order
        self._held[kind] = row, step, time.time()
        self.step = self._logged_at = step
        return None

    def _full_name(self, name: str) -> str:
        full = self._prefixed.get(name)
        if full is None:
            plain = name in _AXES or name.startswith("treering/")
            full = self._prefixed[name] = name if plain else f"{self._prefix}/{name}"
        return full

    def _bring_held(self) -> None:
        """Record the last row of each kind that was held back, for the last step is always logged."""
        self._goes_on = False
        held, self._held = self._held, {}
        self._logged_s.clear()
        run = self._run
        if run is not None and not run.ended:
            for row, step, time_s in held.values():
                run.log(row, step=step, time_s=time_s)

    def _first_not_finite(self, name: str, value: float, step: int) -> None:
        if name not in self._not_finite and self._run is not None:
            self._not_finite.add(name)
            self._run.log_event(
                "non_finite",
                f"{name} is {value} at step {step}",
                level="warn",
                series=name,
                step=step,
                value=str(value),
            )

    def configure(self, part: str, values: object) -> None:
        """Put `values` (any object) into the run's config: as `config[framework][part]`, or where the user wants it."""
        run = self.run
        place = (self.options.get("config_prefixes") or {}).get(part, self.framework)
        if run is None or place is None:
            return
        if place == self.framework:
            self._config[part] = values
            run.config.update({self.framework: dict(self._config)})
        elif place:
            run.config.update({place: values})
        else:
            self.hyperparameters(cast("Mapping[str, Any]", values) if isinstance(values, Mapping) else {part: values})

    def hyperparameters(self, values: Mapping[str, object]) -> None:
        """Put the user's own settings into the run's config, at its top; what he gave as `config=` wins."""
        run = self.run
        if run is not None:
            run.config.update({**values, **(self.options.get("config") or {})})

    def summarize(self, values: Mapping[str, object], prefix: str | None = None) -> None:
        """Put values that stand for the whole training into the run's summary."""
        run = self.run
        if run is not None:
            for name, value in values.items():
                name = metric_name(name, prefix)  # noqa: PLW2901
                run.summary[self._full_name(name) if self._prefix else name] = number(value)


def _surely_stored(value: object) -> bool:
    return isinstance(value, (float, int, str)) or hasattr(value, "to_payload")
