"""How a measure is repeated, and what comes out of it."""

from __future__ import annotations

import importlib
import shutil
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks import trackers
from benchmarks.process import Child, MeasureError
from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from types import ModuleType

__all__ = ["MEASURES", "Bench", "Figure", "Outcome", "load_measure", "percentile", "run_measure"]

#: The order of the table.
MEASURES = (
    "log_latency",
    "cpu_and_disk",
    "kill",
    "read_series",
    "last_values",
    "training_step",
    "startup",
    "many_writers",
    "memory",
    "artifacts",
    "watch",
    "callback_overhead",
    "server_write",
    "server_read",
    "handover",
    "dashboard",
)

#: What a measure's modules hold: `FIGURES`, `PARAMETERS[size]`, `REPEATS[size]`, `rep(bench)`, `child(...)`.
Values = dict[str, float]
Pick = Literal["least", "median", "most"]


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        key: name in the JSON file.
        label: what the row is called, with its conditions.
        unit: printed after every value.
        target: what treering must reach: at most this; None for rows that only inform.
        pick: which repetition the table shows: the least disturbed one for times, the worst one for losses.
        ratio: False where a ratio to the peers means nothing (counts of errors, noise).
        known: a peer, and what it took on the machine for which the target was set. What the same peer takes here says
            how much slower this machine is at such work.
    """

    key: str
    label: str
    unit: str
    target: float | None = None
    ratio: bool = True
    pick: Pick = "least"
    known: tuple[str, float] | None = None

    def of(self, values: Sequence[float]) -> float:
        """The one value that stands for several repetitions."""
        if self.pick == "median":
            return statistics.median(values)
        return min(values) if self.pick == "least" else max(values)


@dataclass
class Outcome:
    """All repetitions of one measure."""

    measure: str
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict[str, dict[str, list[float]]])
    reasons: dict[str, str] = field(default_factory=dict[str, str])
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def add(self, tracker: str, values: Values) -> None:
        for key, value in values.items():
            self.values.setdefault(key, {}).setdefault(tracker, []).append(value)

    def median(self, key: str, tracker: str) -> float | None:
        """The middle of all repetitions, or None where there is none."""
        found = self.values.get(key, {}).get(tracker)
        return statistics.median(found) if found else None


@dataclass
class Bench:
    """One repetition of one measure with one tracker.

    Attributes:
        scratch: new empty folder, gone afterwards.
        fixture: folder of this measure and tracker that stays until the last repetition.
        repetition: counted from 0.
    """

    measure: str
    tracker: str
    parameters: Mapping[str, Any]
    scratch: Path
    fixture: Path
    repetition: int = 0

    @property
    def store(self) -> Path:
        return self.scratch / "store"

    def child(self, **parameters: Any) -> Child:
        """Start a fresh process that runs this measure's `child` with these parameters on top of the measure's."""
        return self.child_in(self.scratch, **parameters)

    def child_in(self, folder: Path, tracker: str | None = None, name: str = "child", **parameters: Any) -> Child:
        """As `child`, in another folder or with another tracker; `name` keeps the files of several apart."""
        folder.mkdir(parents=True, exist_ok=True)
        tracker = tracker or self.tracker
        environ = trackers.load(tracker).environ(folder / "store")
        return Child(self.measure, tracker, {**self.parameters, **parameters}, folder, environ, name)

    def prepared(self, **parameters: Any) -> Path:
        """The fixture folder, filled by a child with these parameters when asked for the first time."""
        if not (self.fixture / "prepared").exists():
            process = self.child_in(self.fixture, **parameters)
            process.result()
            process.reap_orphans()
            (self.fixture / "prepared").touch()
        return self.fixture


def percentile(values: list[float], share: float) -> float:
    """The value that `share` (0..1) of all values do not exceed; the list is sorted in place."""
    values.sort()
    return values[min(len(values) - 1, int(len(values) * share))]


def load_measure(name: str) -> ModuleType:
    """The module of one measure."""
    return importlib.import_module(f"benchmarks.measures.{name}")


def run_measure(name: str, names: list[str], size: str, repeats: int | None, say: Callable[[str], None]) -> Outcome:
    """Measure every tracker of `names`, taking turns; each repetition starts with another one."""
    module = load_measure(name)
    outcome = Outcome(name, parameters=module.PARAMETERS[size])
    names = [*names]
    if getattr(module, "NEEDS_REFERENCE", False):
        names.append(trackers.REFERENCE)
    with _folder() as fixtures:
        for repetition in range(repeats or module.REPEATS[size]):
            turn = repetition % len(names)
            for tracker in names[turn:] + names[:turn]:
                if tracker not in outcome.reasons:
                    _one(module, outcome, tracker, fixtures / tracker, repetition, say)
    finish = getattr(module, "finish", None)
    if finish:
        finish(outcome)
    return outcome


def _one(
    module: ModuleType, outcome: Outcome, tracker: str, fixture: Path, repetition: int, say: Callable[[str], None]
) -> None:
    started = time.monotonic()
    with _folder() as scratch:
        bench = Bench(outcome.measure, tracker, outcome.parameters, scratch, fixture, repetition)
        try:
            values = module.rep(bench)
        except UnavailableError as reason:
            outcome.reasons[tracker] = str(reason)
            return
        except MeasureError as failure:
            # One tracker that breaks must not cost the others their figures.
            outcome.reasons[tracker] = str(failure).strip()
            say(f"{outcome.measure} {tracker}: {failure}")
            return
    outcome.add(tracker, values)
    text = "  ".join(f"{key}={value:.4g}" for key, value in values.items())
    say(f"{outcome.measure} #{repetition} {tracker} ({time.monotonic() - started:.1f} s): {text}")


@contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="treering-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
