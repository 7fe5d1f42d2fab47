"""The Transformers Trainer: axes, names, checkpoints, runs, searches and resumption, on real trainings."""

from __future__ import annotations

import contextlib
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

import torch
import transformers
from readings import OneRun, Runs, by_alias, points
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import treering
from treering.callbacks.transformers import TreeringCallback
from treering.errors import TreeringWarning

SHAPE: dict[str, Any] = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
DATA: Any = [{"input_ids": [number % 4] * 4, "labels": number % 2} for number in range(8)]


def model() -> Any:
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(vocab_size=4, max_position_embeddings=4, **SHAPE))


def trainer(folder: Path, *callbacks: Any, scores: Any = (), **arguments: Any) -> Any:
    """Four updates of two rows each; `scores` are what the evaluations come to, one after the other."""
    coming = iter(scores)
    options: dict[str, Any] = {
        "max_steps": 4,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "per_device_train_batch_size": 2,
        **arguments,
    }
    model_init, mine = options.pop("model_init", None), options.pop("model", None)
    return Trainer(
        None if model_init else mine or model(),
        TrainingArguments(str(folder), learning_rate=0.1, use_cpu=True, disable_tqdm=True, **options),
        train_dataset=DATA,
        eval_dataset=DATA[:2],
        compute_metrics=(lambda _: {"score": next(coming)}) if scores else None,
        callbacks=list(callbacks),
        model_init=model_init,
    )


class RaiseAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise RuntimeError("power cut")


# -- axes, names, values ----------------------------------------------------------------------------------------------


def test_steps_are_updates_and_each_evaluation_is_a_row(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(
        tmp_path, TreeringCallback(), gradient_accumulation_steps=2, max_steps=2, eval_strategy="steps", eval_steps=1
    )
    with pytest.warns(TreeringWarning, match="logs 2 times the loss") if LARGE else contextlib.nullcontext():
        fit.train()
    run = only_run()
    assert run.history("train/loss").x.tolist() == [1, 2]
    assert run.history("eval/loss").x.tolist() == [1, 2]
    assert run.history("eval/loss", x="epoch").x.tolist() == [0.5, 1.0]
    logged = [row for row in fit.state.log_history if "loss" in row]
    assert points(run, "train/loss") == [(row["step"], row["loss"]) for row in logged]
    assert points(run, "grad/norm") == [(row["step"], row["grad_norm"]) for row in logged]
    assert set(run.metrics) == {
        *("epoch", "train/loss", "grad/norm", "lr/0", "lr/1", *(["train/loss_per_item"] if LARGE else [])),
        *("eval/loss", "eval/runtime", "eval/samples_per_second", "eval/steps_per_second", "treering/overhead_ms"),
    }


def test_learning_rates_are_those_of_their_step(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringCallback()).train()
    run = only_run()
    for group in ("lr/0", "lr/1"):
        assert points(run, group) == [(step, pytest.approx(0.1 * (5 - step) / 4)) for step in (1, 2, 3, 4)]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_first_and_the_last_step_are_logged_whatever_the_interval(
    tmp_path: Path, recorded: Runs, accumulated: int
) -> None:
    for every in (1, 3):
        callback = TreeringCallback(name=f"every {every}")
        fit = trainer(tmp_path, callback, logging_steps=every, max_steps=5, gradient_accumulation_steps=accumulated)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TreeringWarning)  # of a loss that is two times too large
            fit.train()
    each, some = recorded()
    assert each.history("train/loss").x.tolist() == [1, 2, 3, 4, 5]
    assert some.history("train/loss").x.tolist() == [1, 3, 5]
    for step in (1, 5):
        assert dict(some.history("train/loss"))[step] == pytest.approx(dict(each.history("train/loss"))[step], rel=1e-3)
        assert dict(some.history("lr/0"))[step] == dict(each.history("lr/0"))[step]
    assert [row["step"] for row in fit.state.log_history if "loss" in row] == [3], "the Trainer's own log is as it was"


def test_what_stands_for_the_whole_training(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringCallback())
    output = fit.train()
    run = only_run()
    assert run.summary["train/mean_loss"] == output.training_loss
    assert run.summary["train/loss"] == fit.state.log_history[-2]["loss"]
    assert run.summary["train/total_flos"] == fit.state.total_flos


def test_tokens(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringCallback(), include_num_input_tokens_seen="all").train()
    assert only_run().history("train/loss", x="tokens").x.tolist() == [8, 16, 24, 32]


def test_a_loss_that_is_not_finite(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringCallback(), logging_nan_inf_filter=False)
    fit.model.classifier.weight.data.fill_(math.nan)
    fit.train()
    run = only_run()
    assert math.isnan(run.history("train/loss").values[0])
    assert {event.fields["series"]: event.fields["step"] for event in run.events()}["train/loss"] == 1


@pytest.mark.parametrize("accumulated", [1, 2])
def test_losses_that_the_log_leaves_out_are_counted(tmp_path: Path, only_run: OneRun, accumulated: int) -> None:
    class Poison(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            model.classifier.bias.data[0] = math.nan if state.global_step in {1, 2} else 0.0

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            for parameter in model.parameters():
                parameter.grad = None  # so that only the loss is hurt

    fit = trainer(tmp_path, TreeringCallback(), Poison(), gradient_accumulation_steps=accumulated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TreeringWarning)  # of a loss that is two times too large
        fit.train()
    run = only_run()
    assert all(math.isfinite(value) for value in run.history("train/loss").values), "the Trainer's filter is on"
    assert points(run, "train/nan_steps") == [(2, 1), (3, 2), (4, 2)]
    events = {event.fields["series"]: event.fields["step"] for event in run.events() if event.kind == "non_finite"}
    assert events == {"train/nan_steps": 2, "grad/norm": 2}
    assert not fit.model._forward_hooks


def test_gradients_are_watched_if_wanted(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringCallback(watch={"every": 1}), max_grad_norm=0.01)
    fit.train()
    run = only_run()
    assert run.history("grad/layer/classifier.weight").x.tolist() == [1, 2, 3, 4]
    assert points(run, "grad/norm") == [(step, pytest.approx(0.01, rel=1e-3)) for step in (1, 2, 3, 4)]
    logged = [(row["step"], row["grad_norm"]) for row in fit.state.log_history if "grad_norm" in row]
    assert points(run, "grad/norm_preclip") == logged


# Transformers 4 divides what it adds up by itself; 5 takes it for granted that the model has.
LARGE = not transformers.__version__.startswith("4.")
TOKENS: Any = [{"input_ids": [number % 4] * 4, "labels": [number % 4] * 4} for number in range(8)]
LLAMA: Any = {**SHAPE, "vocab_size": 8, "max_position_embeddings": 8, "pad_token_id": 7}
LOSSES: list[tuple[str, Callable[[], Any], Any, bool]] = [
    ("a classifier with Transformers' loss", lambda: LlamaForSequenceClassification(LlamaConfig(**LLAMA)), DATA, True),
    ("a classifier with a loss of its own", model, DATA, True),
    (
        "a masked model",
        lambda: BertForMaskedLM(BertConfig(vocab_size=4, max_position_embeddings=4, **SHAPE)),
        TOKENS,
        True,
    ),
    ("a causal model", lambda: LlamaForCausalLM(LlamaConfig(**LLAMA)), TOKENS, False),
]


@pytest.mark.parametrize(("build", "data", "is_large"), [case[1:] for case in LOSSES], ids=[case[0] for case in LOSSES])
def test_a_loss_that_is_n_times_too_large_is_told(
    tmp_path: Path, recorded: Runs, build: Callable[[], Any], data: Any, is_large: bool
) -> None:
    large = is_large and LARGE
    for accumulated in (1, 2):
        torch.manual_seed(0)
        fit = trainer(
            tmp_path,
            TreeringCallback(),
            model=build(),
            gradient_accumulation_steps=accumulated,
            per_device_train_batch_size=4 // accumulated,
            max_steps=1,
            average_tokens_across_devices=False,
        )
        fit.train_dataset = data
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit.train()
        told = [str(one.message) for one in caught if issubclass(one.category, TreeringWarning)]
        assert [("logs 2 times the loss" in text) for text in told] == [True] * (large and accumulated == 2)
    one, two = recorded()
    (alone,), (summed,) = one.history("train/loss").values, two.history("train/loss").values
    assert one.config["transformers"].get("train") is None
    if large:
        assert two.config["transformers"]["train"] == {"loss_factor": 2}
        (per_item,) = two.history("train/loss_per_item").values
        assert (summed, per_item) == (pytest.approx(2 * alone, rel=1e-3), pytest.approx(alone, rel=1e-3))
    else:
        assert summed == pytest.approx(alone, rel=1e-3 if LARGE else 2e-3)
        assert two.config["transformers"].get("train") is None
        assert "train/loss_per_item" not in two.metrics


def test_a_trainer_with_a_loss_of_its_own_is_believed(tmp_path: Path, only_run: OneRun) -> None:
    class Own(Trainer):
        def compute_loss(self, model: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
            return 0.1 * super().compute_loss(model, inputs, *arguments, **options)

    fit = trainer(tmp_path, TreeringCallback(), gradient_accumulation_steps=2)
    fit.__class__ = Own
    fit.train()  # where a warning is an error
    assert "train/loss_per_item" not in only_run().metrics


def test_the_trainers_own_log_does_not_change(tmp_path: Path, only_run: OneRun) -> None:
    logs = []
    for callbacks in ((), (TreeringCallback(),)):
        fit = trainer(tmp_path, *callbacks, eval_strategy="steps", eval_steps=2)
        fit.train()
        logs.append([sorted(row) for row in fit.state.log_history])
    assert logs[0] == logs[1]
    assert only_run().state == "finished"


# -- config -----------------------------------------------------------------------------------------------------------


def test_config(tmp_path: Path, only_run: OneRun) -> None:
    class Adapter:
        def __init__(self) -> None:
            self.rank, self.call, self.owner = 8, print, self

    fit = trainer(tmp_path, TreeringCallback(config={"mine": 1}), hub_token="hf_secret", eval_strategy="epoch")
    fit.model.peft_config = {"default": Adapter()}
    fit.train()
    config = only_run().config
    mine = config["transformers"]
    assert config["mine"] == 1
    assert (mine["args"]["learning_rate"], mine["args"]["max_steps"]) == (0.1, 4)
    assert mine["model"]["config"]["hidden_size"] == 4
    assert mine["model"]["config"].keys() <= fit.model.config.to_dict().keys()
    assert mine["model"]["parameters"] == sum(one.numel() for one in fit.model.parameters())
    assert mine["examples"] == {"train": 8, "eval": 2}
    assert mine["peft"]["default"]["rank"] == 8
    assert mine["version"] == transformers.__version__
    assert "hf_secret" not in json.dumps(config)


# -- checkpoints ------------------------------------------------------------------------------------------------------


#: The Trainer evaluates and saves at each step, and keeps one folder beside the best.
JUDGED: dict[str, Any] = {
    "eval_strategy": "steps",
    "eval_steps": 1,
    "save_strategy": "steps",
    "save_steps": 1,
    "save_total_limit": 1,
    "metric_for_best_model": "score",
}


def test_best_and_last(tmp_path: Path, only_run: OneRun) -> None:
    scores = [0.1, 0.9, 0.3, 0.2]
    trainer(tmp_path, TreeringCallback(), scores=scores, load_best_model_at_end=True, **JUDGED).train()
    run = only_run()
    aliases = by_alias(run)
    assert aliases["best"].id == aliases["best:eval/score"].id
    assert (aliases["best"].metadata["step"], aliases["best"].metadata["score"]) == (2, 0.9)
    assert (aliases["last"].metadata["step"], aliases["last"].metadata["score"]) == (4, 0.2)
    assert {f"step-{step}" for step in (1, 2, 3, 4)} <= aliases.keys()
    left = {path.name for path in tmp_path.glob("checkpoint-*")}
    assert left == {"checkpoint-2"}, "what the Trainer has deleted is still in the store"
    read = {one.path: aliases["best"].read(one.path) for one in aliases["best"].files()}
    assert read == {path.name: path.read_bytes() for path in (tmp_path / "checkpoint-2").iterdir()}
    assert "model.safetensors" in {one.path for one in aliases["last"].files()}


def test_the_best_by_one_of_several_evaluations(tmp_path: Path, only_run: OneRun) -> None:
    options = {**JUDGED, "metric_for_best_model": "old_score", "max_steps": 2}
    fit = trainer(tmp_path, TreeringCallback(), scores=[0.1, 9, 0.2, 8], **options)
    fit.eval_dataset = {"old": DATA[:2], "new": DATA[2:4]}
    fit.train()
    assert by_alias(only_run())["best"].metadata["score"] == 0.2


def test_the_optimizers_state_may_be_left_out(tmp_path: Path, only_run: OneRun) -> None:
    options = {"max_steps": 1, "save_strategy": "steps", "save_steps": 1}
    trainer(tmp_path, TreeringCallback(include_optimizer_state=False), **options).train()
    (version,) = only_run().versions()
    written = {path.name for path in (tmp_path / "checkpoint-1").iterdir()}
    assert {one.path for one in version.files()} == written - {"optimizer.pt"} != written
    assert "scheduler.pt" in written


def test_best_and_last_with_accumulated_gradients_and_one_folder_kept(tmp_path: Path, only_run: OneRun) -> None:
    options = {"gradient_accumulation_steps": 2, "max_steps": 3, **JUDGED}
    fit = trainer(tmp_path, TreeringCallback(), scores=[0.1, 0.9, 0.3], **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TreeringWarning)  # of the loss
        fit.train()
    run = only_run()
    assert points(run, "eval/score") == [(1, 0.1), (2, 0.9), (3, 0.3)]
    found = {alias: version.metadata["step"] for alias, version in by_alias(run).items()}
    assert (found["best"], found["best:eval/score"], found["last"]) == (2, 2, 3)


# -- runs -------------------------------------------------------------------------------------------------------------


def test_report_to(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, report_to="treering").train()
    assert only_run().history("train/loss").x.tolist() == [1, 2, 3, 4]


def test_named_and_given_too_the_given_one_records(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringCallback(name="mine"), report_to="treering").train()
    assert only_run().name == "mine"
    assert only_run().history("train/loss").x.tolist() == [1, 2, 3, 4]


def test_evaluations_before_and_after_are_of_the_same_run(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringCallback())
    fit.evaluate()
    fit.train()
    late = fit.evaluate()
    predicted = fit.predict(DATA[:2])
    run = only_run()
    assert run.history("eval/loss").x.tolist() == [0, 4]
    assert run.history("eval/loss").values[-1] == late["eval_loss"]
    assert points(run, "test/loss") == [(4, predicted.metrics["test_loss"])]
    assert run.state == "finished"


def test_evaluation_alone(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, TreeringCallback()).evaluate()
    assert only_run().history("eval/loss").x.tolist() == [0]


def test_each_training_is_a_run(tmp_path: Path, recorded: Runs) -> None:
    fit = trainer(tmp_path, TreeringCallback(name="first"))
    fit.train()
    fit.train()
    trainer(tmp_path, TreeringCallback(name="second")).train()
    runs = recorded()
    assert [run.name for run in runs] == ["first", "first", "second"]
    assert [run.history("train/loss").x.tolist() for run in runs] == [[1, 2, 3, 4]] * 3
    assert {run.state for run in runs} == {"finished"}


def test_the_users_run_takes_all_trainings(tmp_path: Path, only_run: OneRun) -> None:
    with treering.init() as run:
        fit = trainer(tmp_path, TreeringCallback(run))
        fit.train()
        fit.train()
    assert only_run().history("train/loss").x.tolist() == [1, 2, 3, 4] * 2


def test_an_id_takes_all_trainings(tmp_path: Path, only_run: OneRun) -> None:
    fit = trainer(tmp_path, TreeringCallback(id="mine"))
    fit.train()
    fit.train()
    assert only_run().history("train/loss").x.tolist() == [1, 2, 3, 4] * 2


def test_trials_of_a_search_are_runs(tmp_path: Path, recorded: Runs) -> None:
    optuna = pytest.importorskip("optuna")
    fit = trainer(
        tmp_path,
        TreeringCallback(group="search"),
        model_init=lambda _trial: model(),
        save_strategy="steps",
        save_steps=4,
        eval_strategy="steps",
        eval_steps=4,
    )

    class RaiseInSecond(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.trial_name == "trial 1" and state.global_step == 2:
                raise optuna.TrialPruned  # of all exceptions, the one that every version lets a search go on after

    fit.add_callback(RaiseInSecond())
    fit.hyperparameter_search(
        hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 0.01, 0.02)},
        hp_name=lambda trial: f"trial {trial.number}",
        n_trials=3,
        direction="minimize",
        backend="optuna",
    )
    runs = recorded()
    assert [(run.name, run.group, run.state) for run in runs] == [
        ("trial 0", "search", "finished"),
        ("trial 1", "search", "failed"),
        ("trial 2", "search", "finished"),
    ]
    assert [run.history("train/loss").x.tolist() for run in runs] == [[1, 2, 3, 4], [1, 2], [1, 2, 3, 4]]
    assert [run.config["learning_rate"] for run in runs] == [
        run.config["transformers"]["args"]["learning_rate"] for run in runs
    ]
    assert [sorted(by_alias(run)) for run in (runs[0], runs[2])] == [["last", "latest", "step-4"]] * 2
    folders = {Path(run.versions()[0].metadata["path"]).parent.name for run in (runs[0], runs[2])}
    assert folders == {"trial 0", "trial 2"}


def test_trials_are_grouped_with_the_users_run_and_leave_it_alone(tmp_path: Path, recorded: Runs) -> None:
    pytest.importorskip("optuna")
    with treering.init(project="tuning", name="search") as user:
        fit = trainer(
            tmp_path,
            TreeringCallback(),
            model_init=lambda _trial: model(),
            save_strategy="epoch",
            eval_strategy="epoch",
            max_steps=-1,
            num_train_epochs=1,
        )
        fit.hyperparameter_search(
            hp_space=lambda trial: {"learning_rate": trial.suggest_float("learning_rate", 0.01, 0.02)},
            n_trials=2,
            direction="minimize",
            backend="optuna",
        )
        assert treering.run is user
        treering.log({"after": 1.0})
    parent, *trials = recorded()
    assert (parent.id, set(parent.metrics), parent.state) == (user.id, {"after"}, "finished")
    assert [(run.project, run.group, run.state) for run in trials] == [("tuning", "search", "finished")] * 2
    assert [run.history("train/loss").x.tolist() for run in trials] == [[1, 2, 3, 4]] * 2
    assert [set(by_alias(run)) for run in trials] == [{"last", "latest", "step-4"}] * 2


# -- resumption -------------------------------------------------------------------------------------------------------

SAVING: dict[str, Any] = {"save_strategy": "steps", "save_steps": 2}


@pytest.mark.parametrize("same", [True, False], ids=["same callback", "new callback"])
@pytest.mark.parametrize("restored", [True, False], ids=["restored", "as given"])
def test_resuming_goes_on_in_the_same_run(tmp_path: Path, only_run: OneRun, restored: bool, same: bool) -> None:
    mine = TreeringCallback(tags=["a"])
    with pytest.raises(RuntimeError, match="power cut"):
        trainer(tmp_path, mine, RaiseAt(3), **SAVING).train()
    fit = trainer(
        tmp_path,
        mine if same else TreeringCallback(),
        restore_callback_states_from_checkpoint=restored,
        **SAVING,
    )
    fit.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
    assert sum(isinstance(one, TreeringCallback) for one in fit.callback_handler.callbacks) == 1
    run = only_run()
    assert (run.state, run.attempt) == ("finished", 2)
    assert run.history("train/loss").x.tolist() == [1, 2, 3, 4]
    assert run.history("train/loss", superseded=True).x.tolist() == [1, 2, 3, 3, 4]
    state = json.loads((tmp_path / "checkpoint-4" / "trainer_state.json").read_text())
    assert state["stateful_callbacks"]["TreeringCallback"]["attributes"]["treering_run"]["run"] == run.id


def test_resuming_from_a_checkpoint_of_an_unrecorded_training(tmp_path: Path, only_run: OneRun) -> None:
    trainer(tmp_path, max_steps=2, **SAVING).train()
    trainer(tmp_path, TreeringCallback(), **SAVING).train(resume_from_checkpoint=True)
    assert only_run().history("train/loss").x.tolist() == [3, 4]
    assert (tmp_path / "checkpoint-4" / "trainer_state.json").exists()


def test_the_users_id_wins_over_the_checkpoints(tmp_path: Path, recorded: Runs) -> None:
    trainer(tmp_path, TreeringCallback(), max_steps=2, **SAVING).train()
    trainer(tmp_path, TreeringCallback(id="mine"), **SAVING).train(resume_from_checkpoint=True)
    other, mine = recorded()
    assert (mine.id, mine.history("train/loss").x.tolist()) == ("mine", [3, 4])
    assert other.history("train/loss").x.tolist() == [1, 2]
