"""The sweep's YAML: every key of the convention is taken, and what is wrong is named with its line and the fix."""

from __future__ import annotations

from typing import Any

import pytest

from treering.sweeps.config import config_of, read_config
from treering.sweeps.distributions import Categorical, Constant, Continuous, IntUniform
from treering.sweeps.findings import SweepError
from treering.sweeps.parameters import DISTRIBUTIONS
from treering.sweeps.text import read_yaml

WHOLE = """
apiVersion: v1
kind: sweep
name: search
description: all that there is
entity: team
project: digits
program: train.py
command: ["${env}", "${interpreter}", "${program}", "${args}"]
method: bayes
metric: {name: val.loss, goal: minimize, target: 0.1, impute: best, impute_while_running: latest}
early_terminate: {type: hyperband, max_iter: 27, s: 2, eta: 3, strict: false}
run_cap: 20
controller: {type: local}
parameters:
  fixed: {value: 3}
  batch: {values: [16, 32]}
  weighted: {values: [a, b], probabilities: [0.3, 0.7], distribution: categorical_w_probabilities}
  layers: {min: 1, max: 5}
  dropout: {min: 0.0, max: 0.5}
  q: {distribution: q_uniform, min: 0, max: 1, q: 0.1}
  exponent: {distribution: log_uniform, min: -9.2, max: -2.3}
  lr: {distribution: log_uniform_values, min: 1e-5, max: 1e-1}
  q_lr: {distribution: q_log_uniform_values, min: 1, max: 1000, q: 5}
  q_exponent: {distribution: q_log_uniform, min: 0, max: 5}
  inverse: {distribution: inv_log_uniform, min: 1, max: 2}
  inverse_values: {distribution: inv_log_uniform_values, min: 0.1, max: 2}
  n: {distribution: normal, mu: 1, sigma: 2}
  q_n: {distribution: q_normal, q: 0.5}
  ln: {distribution: log_normal}
  q_ln: {distribution: q_log_normal}
  b: {distribution: beta, a: 2, b: 3}
  q_b: {distribution: q_beta, q: 0.1}
  optimizer:
    parameters:
      kind: {values: [sgd, adam]}
      deep:
        parameters:
          momentum: {min: 0.5, max: 0.99}
"""


def read(text: str) -> Any:
    document = read_yaml(text)
    return read_config(document.data, document.findings)


def refused(text: str) -> str:
    with pytest.raises(SweepError) as refusal:
        read(text)
    return str(refusal.value)


def sweep(parameters: str = "a: {values: [1, 2]}", method: str = "random", rest: str = "") -> str:
    return f"method: {method}\nmetric: {{name: loss, goal: minimize}}\n{rest}\nparameters:\n  {parameters}\n"


def test_every_key_of_the_convention_is_taken() -> None:
    config = read(WHOLE)
    assert config.metric.target == 0.1
    assert (config.metric.impute, config.metric.impute_while_running) == ("best", "latest")
    assert config.early_stop.bands == (3, 9)
    assert config.run_cap == 20
    kinds = {one.name: type(one.distribution) for one in config.space.parameters}
    assert kinds["fixed"] is Constant
    assert kinds["layers"] is IntUniform
    assert kinds["dropout"] is Continuous
    assert kinds["optimizer/deep/momentum"] is Continuous
    assert len(DISTRIBUTIONS) == 18


def test_params_are_nested_as_the_file_nests_them() -> None:
    config = read(sweep("a: {value: 1}\n  b:\n    parameters:\n      c: {values: [x]}"))
    assert config.space.params({"b/c": "x"}) == {"a": 1, "b": {"c": "x"}}


def test_the_default_distributions_are_those_of_the_convention() -> None:
    config = read(sweep("a: {min: 1, max: 2}\n  b: {min: 1, max: 2.0}\n  c: {values: [1]}\n  d: {value: {x: 1}}"))
    found = [type(one.distribution) for one in config.space.parameters]
    assert found == [IntUniform, Continuous, Categorical, Constant]


def test_a_number_without_a_dot_before_its_exponent_is_a_number() -> None:
    config = read(sweep("a: {values: [1e-4, '1e-4']}"))
    assert config.space.parameters[0].distribution == Categorical((0.0001, "1e-4"))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (sweep("a: {min: 5, max: 1}"), 5, "swap them"),
        (sweep("a: {valeus: [1]}"), 5, "Did you mean 'values'?"),
        (sweep("a: 3"), 5, "write `value: 3`"),
        (sweep("a: {distribution: loguniform, min: 1, max: 2}"), 5, "Did you mean 'log_uniform'?"),
        (sweep("a: {distribution: log_uniform_values, min: 0, max: 1}"), 5, "more than 0"),
        (sweep("a: {distribution: log_uniform, min: 0, max: 1000}"), 5, "log_uniform_values"),
        (sweep("a: {distribution: normal, min: 0, max: 1}"), 5, "no ends"),
        (sweep("a: {min: '0', max: 1.0}"), 5, "without quotes"),
        (sweep("a: {values: []}"), 5, "a list of at least one"),
        (sweep("a: {values: [1, 2], probabilities: [0.5]}"), 5, "one for each"),
        (sweep("a: {values: [1, 2], probabilities: [0.5, 0.6]}"), 5, "add up to"),
        (sweep("a: {distribution: q_uniform, min: 0, max: 1, q: 0}"), 5, "more than 0"),
        (sweep("a: {distribution: normal, sigma: -1}"), 5, "more than 0"),
        (sweep("a.b$: {value: 1}"), 5, "no name of a parameter"),
        (sweep("a: {min: 0.0, max: 1.0}", method="grid"), 5, "list `values`"),
        (sweep(rest="run_cap: 0"), 3, "1 or more"),
        (sweep(rest="run_cpa: 1"), 3, "Did you mean 'run_cap'?"),
        (sweep(rest="early_terminate: {type: hyperband}"), 3, "either `min_iter`"),
        (sweep(rest="early_terminate: {type: hyperband, min_iter: 1, eta: 1}"), 3, "more than 1"),
        (sweep(rest="early_terminate: {type: hyperband, max_iter: 2, s: 9}"), 3, "lower s"),
        (sweep(method="bayse"), 1, "Did you mean 'bayes'?"),
        ("method: random\nparameters:\n  a: {value: 1}\n  a: {value: 2}\n", 4, "first in line 3"),
        ("method: random\nmetric: {name: x, goal: up}\nparameters: {a: {value: 1}}\n", 2, "minimize, maximize"),
        ("method: random\nparameters:\n  a: [1\n", 4, "correct the YAML"),
        ("method: bayes\nparameters: {a: {min: 1, max: 2}}\n", 1, "`metric` is missing"),
        (sweep("a: {min: 1, max: 2, when: {b: 1}}"), 5, "no parameter 'b'"),
        (sweep("a: {min: 1, max: 2, when: {b: 1}}\n  b: {min: 1, max: 2, when: {a: 1}}"), 5, "depends on itself"),
        (sweep(method="custom", rest="scheduler: {engine: optun}"), 3, "Did you mean 'optuna'?"),
        (sweep(method="custom", rest="scheduler: {engine: ax, optimiser: x}"), 3, "Did you mean 'optimizer'?"),
        (sweep(rest="scheduler: {engine: optuna}"), 3, "belongs to `method: custom`"),
        (sweep(rest="metrics: [{name: a}, {name: b}]"), 3, "stands beside `metric`"),
        (sweep(rest="controller: {type: remote}"), 3, "`{type: local}` or `{type: cloud}`"),
        (sweep(rest="kind: job"), 3, "it takes `sweep`"),
        (sweep(rest="command: python train.py"), 3, "a list of words"),
        (sweep(rest="initial_points: [{a: 3}]"), 3, "no point of this space"),
        (sweep(rest="constraints: [{max: 3}]"), 3, "`{metric: latency_ms, max: 10}`"),
        ("method: random\nparameters: &a {b: {parameters: *a}}\n", 2, "an alias that contains itself"),
        ("method: !!python/object:os.system x\nparameters: {a: {value: 1}}\n", 1, "the tag"),
    ],
)  # fmt: skip
def test_an_error_points_at_its_line_and_says_the_fix(text: str, line: int, words: str) -> None:
    told = refused(text)
    assert words in told
    assert any(one.startswith(f"sweep.yaml:{line}:") for one in told.splitlines()), told


def test_all_errors_are_told_at_once() -> None:
    assert len(refused(sweep("a: {min: 5, max: 1}\n  b: {values: []}", rest="run_cap: x")).splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (sweep("lr: {distribution: log_uniform, min: 1e-5, max: 1e-1}"), "draws from 1 to 1.105"),
        (sweep("lr: {values: [on, off]}"), "in quotes"),
        (sweep("q: {distribution: q_uniform, min: 0, max: 10}", method="grid"), "leaves max out"),
        ("method: random\nmetric: {name: loss}\nparameters: {a: {value: 1}}\n", "is minimized"),
        (sweep("a: {values: [1, 2], probabilities: [0.5, 0.5]}", method="tpe"), "`random` alone"),
        (sweep(method="custom", rest="scheduler: {}\nearly_terminate: {type: hyperband, min_iter: 3}"), "W&B refuses"),
        (sweep(rest="job: a"), "W&B's launch"),
    ],
)
def test_what_looks_like_a_mistake_is_a_warning(text: str, words: str) -> None:
    assert any(words in one for one in read(text).warnings)


def test_exponents_that_are_meant_are_no_warning() -> None:
    assert read(sweep("lr: {distribution: log_uniform, min: -9.2, max: -2.3}")).warnings == []


def test_a_scheduler_of_the_convention_names_a_sampler() -> None:
    text = sweep(method="custom", rest="scheduler: {engine: optuna, optimizer: {type: TPESampler}}")
    assert read(text).method == "tpe"


def test_a_dictionary_is_told_by_its_keys() -> None:
    with pytest.raises(SweepError, match=r"parameters\.a\.min: 3 is more than max"):
        config_of({"method": "random", "parameters": {"a": {"min": 3, "max": 1}}})


def test_merge_keys_and_anchors_are_read() -> None:
    config = read("method: random\nparameters:\n  a: &a {min: 1, max: 3}\n  b: {<<: *a, max: 9}\n")
    assert config.space.parameters[1].distribution == IntUniform(1, 9)
