"""Searches beside each other: `python -m benchmarks.measures.sweeps PART...`.

Parts: `classic` (Branin, Hartmann-6, mixed5; 50 trials), `workers` (the same, eight at once), `bbob` (eight functions
in five dimensions), `learning` (scikit-learn models, score 0 - 100) and `speed` (seconds for a point at 50 and at 1,000
trials). Each part's figures are merged into one JSON file, and a table of all of them is printed as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.objectives import Objective

__all__ = ["PARTS", "measure", "table"]

PARTS = ("classic", "workers", "bbob", "learning", "speed")
RESULTS = Path(__file__).resolve().parents[1] / "sweeps.json"
_TRIALS, _WORKERS, _SEEDS = 50, 8, 10
_LEARNING_TRIALS = 40
# Set before NumPy and PyTorch are loaded: a point is to cost one core.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def search(objective: Objective, searcher: str, seed: int, trials: int, workers: int = 1) -> dict[str, Any]:
    """Run one search; workers take as long as each other, so a trial's value is known when as many have started."""
    from benchmarks.searchers import SEARCHERS

    function = objective.make(seed)
    engine = SEARCHERS[searcher](objective.parameters, seed)
    history: list[tuple[dict[str, Any], float | None]] = []
    spent: list[float] = []
    for _ in range(trials):
        ready = len(history) - workers
        if ready >= 0:
            point, _value = history[ready]
            history[ready] = (point, function(point))
        start = time.perf_counter()
        point = engine.suggest(history)
        spent.append(time.perf_counter() - start)
        history.append((point, None))
    values = [function(point) if value is None else value for point, value in history]
    points = [json.dumps(point, sort_keys=True) for point, _ in history]
    return {
        "best": min(values),
        "first": values[0],
        "half": min(values[: trials // 2]),
        "duplicates": len(points) - len(set(points)),
        "suggest_s": statistics.mean(spent),
    }


def measure(part: str, searchers: list[str], seeds: int, trials: int | None = None) -> Iterator[dict[str, Any]]:
    """Yield the figures of each objective and search."""
    from benchmarks import objectives

    if part == "speed":
        yield from (_speed(searcher, count) for count in (50, 1000) for searcher in searchers)
        return
    chosen = {"classic": objectives.CLASSIC, "workers": objectives.CLASSIC, "bbob": objectives.BBOB}
    count = trials or (_LEARNING_TRIALS if part == "learning" else _TRIALS)
    workers = _WORKERS if part == "workers" else 1
    for objective in chosen.get(part, objectives.LEARNING):
        for searcher in searchers:
            found = [search(objective, searcher, seed, count, workers) for seed in range(seeds)]
            best = objective.best or 0.0
            yield {
                "part": part,
                "task": objective.name,
                "searcher": searcher,
                "seeds": seeds,
                "trials": count,
                "regret": statistics.median(one["best"] - best for one in found),
                "half": statistics.median(one["half"] - best for one in found),
                "first": statistics.median(one["first"] - best for one in found),
                "least": min(one["best"] - best for one in found),
                "duplicates": sum(one["duplicates"] for one in found),
                "suggest_s": statistics.median(one["suggest_s"] for one in found),
            }


def _speed(searcher: str, count: int) -> dict[str, Any]:
    """Return the seconds for a point after `count` random ones, as the median of three (the first loads libraries)."""
    from benchmarks.objectives import CLASSIC
    from benchmarks.searchers import SEARCHERS

    objective = CLASSIC[1]
    function = objective.make(0)
    history: list[tuple[dict[str, Any], float | None]] = []
    for number in range(count):
        point = SEARCHERS["random"](objective.parameters, number).suggest([])
        history.append((point, function(point)))
    engine = SEARCHERS[searcher](objective.parameters, 0)
    if searcher in {"tpe", "gp"}:
        _tell(engine, history)
    spent: list[float] = []
    cpu: list[float] = []
    for _ in range(4):
        start, cpu_start = time.perf_counter(), time.process_time()
        point = engine.suggest(history)
        spent.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
        history.append((point, function(point)))
    return {
        "part": "speed",
        "task": f"{count} trials",
        "searcher": searcher,
        "suggest_s": statistics.median(spent[1:]),
        "cpu_s": statistics.median(cpu[1:]),
    }


def _tell(engine: Any, history: list[tuple[dict[str, Any], float | None]]) -> None:
    """Give Optuna a past that it did not choose."""
    import optuna

    study = engine._study  # ours, of the file beside
    distributions = {name: optuna.distributions.FloatDistribution(0, 1) for name in history[0][0]}
    study.add_trials(
        optuna.create_trial(params=point, distributions=distributions, value=value) for point, value in history
    )


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["part"], row["task"], row["searcher"]


def merge(rows: list[dict[str, Any]], path: Path) -> list[dict[str, Any]]:
    """Put new figures into the file, and return all of it."""
    known = {_key(row): row for row in json.loads(path.read_text())} if path.exists() else {}
    known |= {_key(row): row for row in rows}
    path.write_text(json.dumps(list(known.values()), indent=1) + "\n")
    return list(known.values())


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown: regret, or the score, and the average rank of each search."""
    searchers = list(dict.fromkeys(row["searcher"] for row in rows))
    lines: list[str] = []
    for part in PARTS:
        mine = [row for row in rows if row["part"] == part]
        if not mine:
            continue
        lines += ["", f"| {part} | {' | '.join(searchers)} |", f"| --- |{' ---: |' * len(searchers)}"]
        ranks: dict[str, list[float]] = {}
        for task in dict.fromkeys(row["task"] for row in mine):
            found = {row["searcher"]: row for row in mine if row["task"] == task}
            shown = {name: _shown(row, found) for name, row in found.items()}
            lines.append(f"| {task} | {' | '.join(shown.get(name, '-') for name in searchers)} |")
            if part != "speed":
                for name, rank in _ranks({name: row["regret"] for name, row in found.items()}).items():
                    ranks.setdefault(name, []).append(rank)
        if ranks:
            means = [f"{statistics.mean(ranks[name]):.2f}" if name in ranks else "-" for name in searchers]
            lines.append(f"| average rank | {' | '.join(means)} |")
    return "\n".join(lines[1:]) + "\n"


def _shown(row: dict[str, Any], beside: dict[str, dict[str, Any]]) -> str:
    if row["part"] == "speed":
        return f"{row['suggest_s']:.3f} s ({row['cpu_s']:.3f} of CPU)"
    if row["part"] != "learning":
        return f"{row['regret']:.3g}"
    # Bayesmark's: 0 is what a random first point gives, 100 the best that anybody found.
    least = min(one["least"] for one in beside.values())
    start = statistics.median(one["first"] for one in beside.values())
    return f"{100 * (start - row['regret']) / (start - least):.1f}" if start > least else "100.0"


def _ranks(values: dict[str, float]) -> dict[str, float]:
    """Return each name's rank, 1 for the least; equals share theirs."""
    found = list(values.values())
    return {
        name: 1 + sum(one < value for one in found) + (found.count(value) - 1) / 2 for name, value in values.items()
    }


def main() -> None:
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    from benchmarks.searchers import SEARCHERS

    parser = argparse.ArgumentParser(prog="python -m benchmarks.measures.sweeps", description=__doc__)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--searcher", action="append", choices=list(SEARCHERS), help="may be repeated; default: all")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--trials", type=int, help="fewer, for a try")
    parser.add_argument("--json", type=Path, default=RESULTS, help="file that figures are merged into")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[dict[str, Any]] = []
    for part in arguments.part or PARTS:
        for row in measure(part, arguments.searcher or list(SEARCHERS), arguments.seeds, arguments.trials):
            print(json.dumps(row), file=sys.stderr, flush=True)
            rows.append(row)
            merge(rows, arguments.json)
    print(table(merge(rows, arguments.json)))


if __name__ == "__main__":
    main()
