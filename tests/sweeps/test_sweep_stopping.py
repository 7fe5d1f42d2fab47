"""Early stopping: the rules by hand, the prediction that is kept, and how a training is ended."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import treering
from treering.cli._app import app
from treering.errors import StoreError
from treering.sweeps.agents import run_agent
from treering.sweeps.audit import Audit, audit
from treering.sweeps.calls import Calls
from treering.sweeps.config import config_of
from treering.sweeps.link import Link, TrialStopped
from treering.sweeps.opening import open_sweeps
from treering.sweeps.records import Agent, Result, Trial, thinned
from treering.sweeps.stopping import EarlyStop, decide, predict
from treering.sweeps.ticket import set_ticket
from treering.sweeps.working import Options, make_ticket


def trial(number: int, values: list[float], state: str = "finished") -> Trial:
    curve = [(count + 1, value) for count, value in enumerate(values)]
    final = values[-1:] if state == "finished" else None
    return Trial("s", number, state, {}, {}, "random", 1, "r", 0, curve=curve, values=final)


def rule(**keys: Any) -> EarlyStop:
    config = config_of(
        {
            "method": "random",
            "metric": {"name": "loss", "goal": "minimize"},
            "parameters": {"a": {"value": 1}},
            "early_terminate": keys,
        }
    )
    assert config.early_stop is not None
    return config.early_stop


@pytest.mark.parametrize(
    ("keys", "bands"),
    [
        ({"min_iter": 3}, (3, 9, 27, 81)),
        ({"min_iter": 2, "eta": 2}, (2, 4, 8, 16)),
        ({"max_iter": 81, "s": 3}, (3, 9, 27)),
        ({"max_iter": 10, "s": 2, "eta": 2}, (2, 5)),
    ],
)
def test_bands_are_those_of_the_convention(keys: dict[str, Any], bands: tuple[int, ...]) -> None:
    assert rule(type="hyperband", **keys).bands[: len(bands)] == bands


# Ten trials of three calls each; the best third at call 3 has 0, 1 or 2.
TEN = [trial(number, [9.0, 9.0 - number, float(number)]) for number in range(10)]


@pytest.mark.parametrize(("number", "stops"), [(0, False), (3, False), (4, True), (9, True)])
def test_hyperband_keeps_the_best_part_of_a_band(number: int, stops: bool) -> None:
    mine = trial(number, [9.0, 9.0 - number, float(number)], "running")
    others = [one for one in TEN if one.number != number]
    assert bool(decide(rule(type="hyperband", min_iter=3), 1.0, mine, 0, [*others, mine])) is stops


def test_strict_looks_at_the_value_and_not_at_the_best_so_far() -> None:
    mine = trial(9, [0.0, 9.0, 9.0], "running")
    trials = [*TEN[:9], mine]
    assert decide(rule(type="hyperband", min_iter=3, strict=True), 1.0, mine, 0, trials)
    assert not decide(rule(type="hyperband", min_iter=3, strict=False), 1.0, mine, 0, trials)


def test_a_band_that_was_passed_is_not_looked_at_again() -> None:
    mine = trial(9, [9.0, 9.0, 9.0, 9.0], "running")
    assert not decide(rule(type="hyperband", min_iter=3), 1.0, mine, 3, [*TEN[:9], mine])


def test_more_is_better_where_the_goal_says_so() -> None:
    mine = trial(9, [9.0, 9.0, 9.0], "running")
    assert not decide(rule(type="hyperband", min_iter=3), -1.0, mine, 0, [*TEN[:9], mine])


def test_nan_is_the_worst() -> None:
    mine = trial(9, [9.0, 9.0, float("nan")], "running")
    assert decide(rule(type="hyperband", min_iter=3), 1.0, mine, 0, [*TEN[:9], mine])


@pytest.mark.parametrize("kind", ["median", "asha"])
def test_prunings_of_optuna_stop_the_bad_and_keep_the_good(kind: str) -> None:
    keys = {"type": kind, "min_iter": 2}
    good, bad = trial(20, [0.0, 0.0], "running"), trial(21, [9.0, 9.9], "running")
    assert not decide(rule(**keys), 1.0, good, 1, [*TEN, good])
    assert decide(rule(**keys), 1.0, bad, 1, [*TEN, bad])


def test_wilcoxon_compares_with_the_best_call_by_call() -> None:
    best = trial(0, [0.1 * step for step in range(12)])
    bad = trial(1, [0.1 * step + 1.0 + 0.01 * step for step in range(10)], "running")
    assert decide(rule(type="wilcoxon", min_iter=3), 1.0, bad, 0, [best, bad])


def test_the_prediction_is_what_the_others_did_from_there() -> None:
    ended = [trial(number, [10.0, 10.0 - move]) for number, move in enumerate([1, 2, 3, 4, 5])]
    told = predict(trial(9, [8.0], "running"), ended, "why")
    assert told.value == 5.0
    assert told.low is not None
    assert told.high is not None
    assert (told.low < 4, told.high > 6) == (True, True)
    assert predict(trial(9, [8.0], "running"), ended[:2], "why").low is None


def test_a_long_curve_keeps_its_bands_and_ever_fewer_of_others() -> None:
    kept = [count for count in range(1, 200_000) if thinned(count, frozenset({177_147}))]
    assert kept[:1024] == list(range(1, 1025))
    assert 177_147 in kept
    assert len(kept) < 10_000


STOPPING = {
    "method": "grid",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"level": {"values": [0.2, 0.1, 0, 5, 6]}},
    "early_terminate": {"type": "hyperband", "min_iter": 2, "eta": 3},
}


def wait_for_orders(run: Any) -> None:
    """Log until the sweep has answered: reports go on a thread of their own."""
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        run.log({"loss": run.config.level})
        time.sleep(0.02)
    raise AssertionError("nobody stopped the training")


def test_log_ends_a_trial_that_is_not_worth_going_on_with(bare: Path) -> None:
    from treering.sweeps.agents import run_agent

    sweep_id = treering.sweep(STOPPING)
    ended = []

    def train() -> None:
        run = treering.init()
        try:
            for _ in range(2):
                run.log({"loss": run.config.level})
            if run.config.level >= 5:
                wait_for_orders(run)
        except TrialStopped as stop:
            ended.append((run.config.level, str(stop)))
            raise

    assert run_agent(sweep_id, train, options=Options(report_interval_s=0.05)) == 5
    assert [level for level, _ in ended] == [5, 6]
    assert "the sweep stopped this trial: at log call 2" in ended[0][1]
    with open_sweeps(str(bare)) as sweeps:
        trials = sweeps.trials(sweep_id)
    assert [one.state for one in trials] == ["finished"] * 3 + ["stopped"] * 2
    assert trials[3].prediction is not None
    assert trials[3].prediction.value == 5.0
    runs = {run.config["level"]: run for run in treering.Api(bare).runs()}
    assert runs[5].state == "finished"
    assert [event.kind for event in runs[5].events()] == ["stopped_early"]


def test_a_loop_that_asks_ends_in_its_own_way(bare: Path) -> None:
    from treering.sweeps.agents import run_agent

    sweep_id = treering.sweep(STOPPING)
    left = []

    def train() -> None:
        run = treering.init()
        deadline_s = time.monotonic() + 60
        run.log({"loss": run.config.level})
        while not run.should_stop and time.monotonic() < deadline_s and (run.config.level >= 5 or run.step < 3):
            run.log({"loss": run.config.level})
            time.sleep(0.02)
        run.log({"test": 1})  # after the order, and allowed
        left.append((run.config.level, run.should_stop))

    run_agent(sweep_id, train, options=Options(report_interval_s=0.05))
    assert left == [(0.2, False), (0.1, False), (0, False), (5, True), (6, True)]


def test_an_audited_share_runs_on(bare: Path) -> None:
    sweep_id = treering.sweep({**STOPPING, "early_terminate": {"type": "hyperband", "min_iter": 1, "audit": 1.0}})
    with open_sweeps(str(bare)) as sweeps:
        for level in range(5):
            one = sweeps.lease(sweep_id, Agent("a")).trial
            assert one is not None
            assert sweeps.report(one.key, [(1, float(level))]).order == ""
            sweeps.finish(one.key, Result("finished", {"loss": float(level)}))
        trials = sweeps.trials(sweep_id)
    assert [one.state for one in trials] == ["finished"] * 5
    assert [one.audited for one in trials] == [False, True, True, True, True]
    assert trials[4].values == [4.0]  # beside what was predicted
    assert trials[4].prediction is not None


def test_a_program_is_ended_quietly(bare: Path, tmp_path: Path) -> None:
    """Uncaught, the stop is the end of a program with success and without a traceback."""
    from treering.sweeps.agents import run_agent

    script = tmp_path / "train.py"
    script.write_text(
        textwrap.dedent(
            """
            import time, treering
            run = treering.init()
            end = time.monotonic() + 60
            while run.step < 2 or run.config.level >= 5 and time.monotonic() < end:
                run.log({"loss": run.config.level})
                time.sleep(0.02)
            """
        )
    )
    sweep_id = treering.sweep(
        {**STOPPING, "program": str(script), "parameters": {"level": {"values": [0.2, 0.1, 0, 5]}}}
    )
    run_agent(sweep_id, options=Options(report_interval_s=0.05))
    with open_sweeps(str(bare)) as sweeps:
        trials = sweeps.trials(sweep_id)
    assert [(one.state, one.failure) for one in trials] == [("finished", None)] * 3 + [("stopped", None)]


def test_the_share_that_runs_on_tells_how_often_the_rule_was_wrong(bare: Path) -> None:
    """A real agent: the rule would stop the last two, one of which came to be the best of all."""
    curves = [[0.3] * 4, [0.2] * 4, [0.1] * 4, [5.0, 5.0, 5.0, 0.0], [6.0] * 4]
    config = {
        "method": "grid",
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {"which": {"min": 0, "max": 4}},
        "early_terminate": {"type": "hyperband", "min_iter": 2, "audit": 1.0},
    }
    sweep_id = treering.sweep(config)

    def train() -> None:
        run = treering.init()
        for count, value in enumerate(curves[run.config.which], 1):
            run.log({"loss": value})
            deadline_s = time.monotonic() + 60
            with open_sweeps(str(bare)) as sweeps:
                while sweeps.trials(sweep_id)[-1].count < count:  # so that the rule has looked at it
                    assert time.monotonic() < deadline_s
                    time.sleep(0.01)

    assert run_agent(sweep_id, train, options=Options(report_interval_s=0.01)) == 5
    with open_sweeps(str(bare)) as sweeps:
        sweep, trials = sweeps.sweep(sweep_id), sweeps.trials(sweep_id)
    assert [(one.state, one.audited) for one in trials] == [("finished", False)] * 3 + [("finished", True)] * 2
    late, bad = trials[3].prediction, trials[4].prediction
    assert late is not None
    assert bad is not None
    assert (late.value, late.count, bad.value) == (5.0, 2, 6.0)  # none of those before had moved at all
    assert audit(config_of(sweep.config), trials) == Audit(stopped=0, audited=2, wrong=1, told=0, held=0)
    shown = CliRunner().invoke(app, ["sweep", "show", sweep_id])
    assert "1 of 2 trials that ran on would have been stopped wrongly" in shown.output
    assert "5, runs on" in shown.output


@pytest.mark.parametrize("trouble", [False, True], ids=["", "its rows cannot be read at first"])
def test_calls_that_a_resumed_training_repeats_count_once(
    trouble: bool, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten calls and a checkpoint after the seventh: the eighth is the next one's first, however it is gone back to."""
    if trouble:
        read, tries = Link._logged, Counter[int]()

        def logged(self: Link, earlier: Any) -> Any:
            tries[earlier.next_step] += 1
            if tries[earlier.next_step] < 2:
                raise StoreError(5, "the database is locked")
            return read(self, earlier)

        monkeypatch.setattr(Link, "_logged", logged)
    sweep_id = treering.sweep({**STOPPING, "parameters": {"level": {"values": [1]}}})
    options = Options(report_interval_s=0.05)
    with open_sweeps(str(bare)) as sweeps:
        sweep = sweeps.sweep(sweep_id)
        for attempt in range(3):
            holds = (sweeps.trials(sweep_id)[0].run_id,) if attempt else ()
            one = sweeps.lease(sweep_id, Agent("a", holds=holds)).trial
            assert one is not None
            assert one.attempt == attempt + 1
            set_ticket(make_ticket(str(bare), sweep, config_of(sweep.config), one, options))
            run = treering.init(resume_step=6 if attempt == 1 else None)
            if attempt == 2:
                run.rewind(6)
            for step in range(7 if attempt else 0, 10 + attempt):
                run.log({"loss": float(step)})
            if trouble:
                time.sleep(3 * options.report_interval_s)  # told at the next report
            run.finish("failed")
            set_ticket(None)
            sweeps.give_back(one.key, "died")
        (trial,) = sweeps.trials(sweep_id)
    assert trial.curve == [(step + 1, float(step)) for step in range(12)]


def test_calls_that_were_never_reported_are_told_by_the_run() -> None:
    calls = Calls(2, frozenset({2000}))
    logged = [(step, 0.1 * step) for step in range(5)]
    assert calls.recall(logged, known=2) == [(3, 0.2), (4, 0.1 * 3), (5, 0.4)]
    assert (calls.note(3), calls.note(4), calls.count) == (True, True, 5)  # its step says that it is the fourth again
    assert (calls.note(4), calls.count) == (True, 6)  # which only the first call of an attempt says
    assert (calls.rewind(3), calls.note(4), calls.count) == (4, True, 5)
    for step in range(5, 3000):
        calls.note(step)
    assert (calls.rewind(1999), calls.rewind(-1)) == (2000, 0)
