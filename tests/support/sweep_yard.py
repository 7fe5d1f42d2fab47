"""Sweeps for tests of the dashboard, worked on by the real samplers and the real rule of early stopping."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from dashboard_yard import XSS

from treering.store.database import Sqlite
from treering.sweeps.config import config_of_text
from treering.sweeps.records import Agent, Result
from treering.sweeps.store import StoredSweeps

__all__ = ["ODD", "ONE", "TWO", "fill_sweeps", "work"]

ONE = """\
# A small network
method: tpe
name: digits-tpe
project: digits
seed: 3
metric: {name: val/loss, goal: minimize}
run_cap: 36
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  dropout: {min: 0.0, max: 0.5}
  layers: {min: 1, max: 6}
  optimizer: {values: [adam, sgd, rmsprop]}
early_terminate: {type: hyperband, min_iter: 2, audit: 0.3}
"""
TWO = """\
method: nsga2
name: accuracy or speed
project: digits
seed: 1
metrics: [{name: accuracy, goal: maximize}, {name: latency_ms, goal: minimize}]
run_cap: 24
parameters:
  width: {distribution: q_log_uniform_values, min: 16, max: 512, q: 16}
  layers: {min: 1, max: 8}
"""
# Names of parameters are plain words; whatever else is in a definition may be anything.
ODD = f"""\
method: grid
name: "{XSS}"
description: "{XSS} {{{{7*7}}}}"
project: "{XSS}"
metric: {{name: "{XSS}", goal: maximize}}
parameters:
  choice: {{values: ["{XSS}", "</script><script>alert(1)</script>", {{"{XSS}": 1}}, "3", 3, {{a}}]}}
  n: {{values: [1, 2]}}
"""


def loss(point: dict[str, Any], epoch: int) -> float:
    """A bowl around lr 1e-3, dropout 0.2 and three layers, with some unevenness."""
    bowl = 0.4 * (math.log10(point["lr"]) + 3) ** 2 + 3 * (point["dropout"] - 0.2) ** 2
    bowl += 0.15 * abs(point["layers"] - 3) + {"adam": 0.0, "sgd": 0.3, "rmsprop": 0.1}[point["optimizer"]]
    uneven = 0.1 * math.sin(40 * point["dropout"] + 7 * epoch)
    return 0.05 + bowl + (1.2 + uneven) * math.exp(-epoch / 3)


def work(sweeps: StoredSweeps, sweep_id: str, agents: int = 2) -> None:
    """Run all trials of a sweep, two at a time, as agents do; one that drops almost everything fails."""
    crew = [Agent(f"agent{number}", host=f"node{number}", pid=0) for number in range(agents)]
    while True:
        held = [offer.trial for offer in (sweeps.lease(sweep_id, agent) for agent in crew) if offer.trial is not None]
        if not held:
            return
        for trial in held:
            point = trial.point
            if point["dropout"] > 0.485:
                sweeps.finish(trial.key, Result("failed", failure="ValueError: diverged"))
                continue
            for epoch in range(1, 9):
                if sweeps.report(trial.key, [(epoch, loss(point, epoch))]).order:
                    break
            sweeps.finish(trial.key, Result("finished", {"val/loss": loss(point, epoch)}))


def fill_sweeps(folder: Path) -> dict[str, str]:
    """Make sweeps that have ended, and one that nobody has begun; returns their ids by name."""
    folder.mkdir(parents=True, exist_ok=True)
    database = Sqlite(folder / "treering.db", create=True)
    try:
        sweeps = StoredSweeps(database)
        made = {
            name: sweeps.create(config_of_text(text, name).plain, source=text).id
            for name, text in (("one", ONE), ("two", TWO), ("odd", ODD))
        }
        work(sweeps, made["one"])
        who = Agent("agent0", host="node0", pid=0)
        while (trial := sweeps.lease(made["two"], who).trial) is not None:
            width, layers = trial.point["width"], trial.point["layers"]
            told = {"accuracy": 1 - 1 / (1 + math.log(width) * layers**0.5), "latency_ms": width * layers / 50}
            sweeps.report(trial.key, [(1, told["accuracy"])])
            sweeps.finish(trial.key, Result("finished", told))
        evil = Agent(XSS, host=XSS, pid=0)
        while (trial := sweeps.lease(made["odd"], evil).trial) is not None:
            sweeps.report(trial.key, [(1, float(trial.number))])
            state = "failed" if trial.number == 1 else "finished"
            sweeps.finish(trial.key, Result(state, {XSS: float(trial.number)}, XSS if state == "failed" else None))
        text = "method: random\nname: not begun\nproject: digits\nparameters: {x: {min: 0.0, max: 1.0}}\n"
        made["new"] = sweeps.create(config_of_text(text, "new").plain, source=text).id
    finally:
        database.close()
    return made
