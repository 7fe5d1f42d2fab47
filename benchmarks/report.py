"""The table, on the terminal and in RESULTS.md, and the JSON file behind it."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import math
import os
import platform
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks import trackers
from benchmarks.harness import MEASURES, Figure, Outcome, load_measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

__all__ = ["RESULTS_JSON", "RESULTS_MD", "machine", "merge", "print_table", "write_markdown"]

RESULTS_JSON = Path(__file__).with_name("results.json")
_LAST = ("treering, usual run", "best peer / treering", "scaled", "target", "reached")
RESULTS_MD = Path(__file__).with_name("RESULTS.md")
_PACKAGES = ("treering", "tensorboard", "tensorboardX", "trackio", "wandb", "torch", "numpy", "msgspec", "pcodec")


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    versions = {name: _version(name) for name in _PACKAGES}
    return {
        "date": dt.datetime.now(dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{_cpu()}, {len(os.sched_getaffinity(0))} cores",
        "speed": f"{_loop_s():.2f} s for ten million additions in a Python loop",
        "load": f"{os.getloadavg()[0]:.1f} in the minute before",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
    }


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _loop_s() -> float:
    """The best of three, by which figures of different machines and hours can be compared."""
    least_s = math.inf
    for _ in range(3):
        start_s = time.perf_counter()
        total = 0
        for number in range(10_000_000):
            total += number
        least_s = min(least_s, time.perf_counter() - start_s)
    return least_s


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def merge(outcome: Outcome, where: Mapping[str, str], path: Path = RESULTS_JSON) -> dict[str, Any]:
    """Put one measure into the file, replacing the trackers that were measured now; returns the whole file."""
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    entry = results.setdefault(outcome.measure, {"values": {}, "reasons": {}, "taken": {}})
    entry["parameters"] = dict(outcome.parameters)
    for key, found in outcome.values.items():
        for tracker, values in found.items():
            entry["values"].setdefault(key, {})[tracker] = [float(f"{value:.6g}") for value in values]
            entry["reasons"].pop(tracker, None)
            entry["taken"][tracker] = dict(where)
    entry["reasons"] |= {tracker: reason.splitlines()[-1] for tracker, reason in outcome.reasons.items()}
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    return results


@dataclass(frozen=True)
class _Line:
    figure: Figure
    cells: dict[str, float]
    usual: float | None

    @property
    def ours(self) -> float | None:
        return self.cells.get("treering")

    @property
    def ratio(self) -> str:
        """How many times less than the best of the others."""
        others = [value for name, value in self.cells.items() if name in trackers.PEERS]
        if not self.figure.ratio or not others or not self.ours or self.ours <= 0:
            return ""
        return f"{min(others) / self.ours:.2g}x" if min(others) / self.ours < 100 else f"{min(others) / self.ours:.0f}x"

    @property
    def target(self) -> str:
        return "" if self.figure.target is None else f"<= {self.figure.target:g}"

    @property
    def scaled(self) -> float | None:
        """Our value on the machine for which the target was set, as a peer that was measured on both tells."""
        peer, known = self.figure.known or ("", 0.0)
        here = self.cells.get(peer)
        return self.ours * known / here if here and self.ours is not None else None

    @property
    def verdict(self) -> str:
        if self.figure.target is None or self.ours is None:
            return ""
        return "yes" if self.ours <= self.figure.target else "NO"


def _lines(results: Mapping[str, Any], only: tuple[str, ...] = MEASURES) -> Iterator[_Line]:
    for measure in MEASURES:
        if measure not in results or measure not in only:
            continue
        for figure in load_measure(measure).FIGURES:
            found = results[measure]["values"].get(figure.key, {})
            if found:
                usual = statistics.median(found["treering"]) if "treering" in found else None
                yield _Line(figure, {tracker: figure.of(values) for tracker, values in found.items()}, usual)


def _columns() -> list[str]:
    return ["treering", *trackers.PEERS, trackers.REFERENCE]


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def print_table(results: Mapping[str, Any], console: Console, only: tuple[str, ...] = MEASURES) -> None:
    """One table for people."""
    table = Table(title="treering beside its peers", title_justify="left")
    table.add_column("measure", overflow="fold")
    for name in _columns():
        table.add_column(trackers.load(name).name, justify="right")
    for name in _LAST:
        table.add_column(name, justify="right")
    for line in _lines(results, only):
        unit = f" ({line.figure.unit})" if line.figure.unit else ""
        style = {"yes": "green", "NO": "bold red", "": ""}[line.verdict]
        table.add_row(
            line.figure.label + unit,
            *(_text(line.cells.get(name)) for name in _columns()),
            _text(line.usual),
            line.ratio,
            _text(line.scaled) if line.scaled is not None else "",
            line.target,
            f"[{style}]{line.verdict}[/]" if style else "",
        )
    console.print(table)
    for note in _notes(results, only):
        console.print(note, style="dim", markup=False, highlight=False)


def _notes(results: Mapping[str, Any], only: tuple[str, ...] = MEASURES) -> Iterator[str]:
    for measure in only:
        for tracker, reason in sorted(results.get(measure, {}).get("reasons", {}).items()):
            yield f"{measure}, {trackers.load(tracker).name}: {reason}"


def write_markdown(results: Mapping[str, Any], path: Path = RESULTS_MD) -> None:
    """The same table for the repository."""
    head = ["measure", *(trackers.load(name).name for name in _columns()), *_LAST]
    text = [
        "# Results",
        "",
        "Made by `python -m benchmarks`; do not edit. Fresh processes, the trackers taking turns. Times are those of",
        "the least disturbed repetition (*usual run*: the median one), losses those of the worst. What each measure",
        "does stands at the top of its file in `benchmarks/measures/`; *none* is the same program without a tracker.",
        "*Scaled*: what our figure may be on the machine for which the target was set, reckoned from what one peer",
        "took there and takes here: an estimate, which reaches no target.",
        "",
        f"| {' | '.join(head)} |",
        f"| --- |{' ---: |' * (len(head) - 1)}",
    ]
    for line in _lines(results):
        unit = f" ({line.figure.unit})" if line.figure.unit else ""
        cells = [_text(line.cells.get(name)) for name in _columns()]
        cells = [line.figure.label.strip() + unit, *cells, _text(line.usual), line.ratio]
        cells += [_text(line.scaled) if line.scaled is not None else "", line.target, line.verdict]
        text.append(f"| {' | '.join(cells)} |")
    notes = [f"- {note}" for note in _notes(results)]
    text += ["", *notes] if notes else []
    text += ["", "## Where and when", "", *_where(results)]
    path.write_text("\n".join(text) + "\n")


def _where(results: Mapping[str, Any]) -> Iterator[str]:
    """The machine and the versions, said once for all measures that share them."""
    shared: dict[str, list[str]] = {}
    for measure in MEASURES:
        taken = results.get(measure, {}).get("taken", {}).get("treering")
        if taken:
            what = f"{taken['cpu']}; {taken['system']}; {taken['versions']}"
            shared.setdefault(what, []).append(f"{measure} ({taken['date']}, {taken['speed']}, load {taken['load']})")
    for what, measures in shared.items():
        yield f"- {what}: {'; '.join(measures)}."
