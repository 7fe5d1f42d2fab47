"""Optuna: a study is a run, and each of its trials is a run in its group.

    from treering.integrations.optuna import track

    study.optimize(track(objective, project="search"), n_trials=20)

Recorded: of each trial its parameters as config, its reports as `objective/intermediate`, its value and how it ended
(complete, pruned or failed); of the study one row for each trial, with the best value so far. While the objective
runs, the trial's run is the active one: `treering.log` and the callbacks of frameworks write to it, in each thread to
its own. A study that is reopened from its storage goes on in its run.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from treering._framework import framework
from treering.errors import UsageError
from treering.training import Options, Training
from treering.training.adopted import opened_by_adapters
from treering.training.options import check_options

with framework("optuna", extra="optuna"):
    import optuna
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna import Study, Trial
    from optuna.trial import FrozenTrial
    from typing_extensions import Unpack

    from treering import Run

__all__ = ["StudyCallback", "TrackedObjective", "track"]

Objective = Callable[["Trial"], "float | Sequence[float]"]

COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
RUN_KEY = "treering_run"  # under which studies and trials carry the id of their run
SUGGESTIONS = ("suggest_categorical", "suggest_float", "suggest_int")


def track(objective: Objective, run: Run | None = None, **options: Unpack[Options]) -> TrackedObjective:
    """Record each trial that `study.optimize` calls an objective with.

    Args:
        objective: as Optuna takes it.
        run: the study's run; without it the one that the study had before, the active one, or a new one.
        **options: for the study's run; see `treering.training.Options`. Trials are in its project and its group.

    Returns:
        What to give to `study.optimize` in the objective's place.

    Raises:
        UsageError: an option that cannot be taken.
    """
    return TrackedObjective(objective, run, options)


class TrackedObjective:
    """An objective whose trials are recorded; `track` makes it.

    May be called from several threads (`n_jobs`), for several studies, and beside other processes that work on the
    same study: of these only the first writes the study's own rows.
    """

    def __init__(self, objective: Objective, run: Run | None, options: Options) -> None:
        self._objective = objective
        self._studies = _Studies(run, options)
        functools.update_wrapper(cast("Any", self), objective, updated=())

    def __call__(self, trial: Trial) -> float | Sequence[float]:
        """Run one trial."""
        if not isinstance(cast("object", trial), optuna.Trial):  # a FixedTrial, which has no study
            return self._objective(trial)
        # In a context of its own, so that the trial's run is active in here and nowhere else.
        return contextvars.copy_context().run(self._run, trial)

    def _run(self, trial: Trial) -> float | Sequence[float]:
        study = self._studies.of(trial.study)
        recorded: _Trial | None = None
        with study.training.guard("trial"):
            recorded = study.begin(trial.number, trial.user_attrs)
            trial.set_user_attr(RUN_KEY, recorded.run.id)
            recorded.listen(trial)
        if recorded is None:
            return self._objective(trial)
        try:
            value = self._objective(trial)
        except optuna.TrialPruned:
            recorded.end(PRUNED, trial.params, last=recorded.last_report)
            raise
        except BaseException as error:
            recorded.end(FAILED, trial.params, error=error)
            raise
        reason = _infeasible(trial.study, value)
        if reason is None:
            recorded.end(COMPLETE, trial.params, values=_as_list(value))
        else:  # Optuna lets such a trial fail after it has returned
            recorded.end(FAILED, trial.params, error=f"the objective returned {value!r}: {reason}")
        return value


class StudyCallback:
    """For `study.optimize(..., callbacks=[StudyCallback()])`: records each trial when it has ended.

    For objectives that are not wrapped with `track`, which sees more: a trial that failed with an error which
    `optimize` does not catch gets no callback, and nothing is active while the objective runs. Trials that were
    recorded by `track` are left alone.

    Args:
        run: the study's run, as for `track`.
        **options: see `treering.training.Options`.
    """

    def __init__(self, run: Run | None = None, **options: Unpack[Options]) -> None:
        self._studies = _Studies(run, options)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Record a trial that has ended."""
        if RUN_KEY not in trial.user_attrs:
            contextvars.copy_context().run(self._record, self._studies.of(study), trial)

    def _record(self, study: _Study, trial: FrozenTrial) -> None:
        with study.training.guard("callback"):
            recorded = study.begin(trial.number, trial.user_attrs)
            for step, value in sorted(trial.intermediate_values.items()):
                recorded.report(value, step)
            if trial.state == TrialState.COMPLETE:
                recorded.end(COMPLETE, trial.params, values=trial.values)
            elif trial.state == TrialState.PRUNED:  # whose `values` are its last report
                recorded.end(PRUNED, trial.params, last=recorded.last_report)
            else:
                recorded.end(FAILED, trial.params, error="the trial failed")


class _Studies:
    """The studies that one tracked objective or callback has met."""

    def __init__(self, run: Run | None, options: Options) -> None:
        check_options("optuna", run, 1, options)
        self._run, self._options = run, options
        self._known: dict[str, _Study] = {}
        self._lock = threading.Lock()

    def of(self, study: Study) -> _Study:
        with self._lock:
            known = self._known.get(study.study_name)
            if known is None:
                known = self._known[study.study_name] = _Study(study, self._run, self._options)
            return known


class _Study:
    """One study: its run, and what its trials have in common."""

    def __init__(self, study: Study, run: Run | None, options: Options) -> None:
        self._study, self._options = study, options
        self._lock = threading.RLock()
        self._running = 0
        self._found = False
        self._stored = cast("str | None", study.user_attrs.get(RUN_KEY))
        own: Options = {**options}
        if run is None and self._stored is not None and not options.get("id"):
            own |= {"id": self._stored, "resume": "allow"}
        elif run is None and not _joins():
            own["job_type"] = options.get("job_type") or "study"
            own["name"] = options.get("name") or _name_of(study)
        self.training = Training("optuna", run, **own)
        directions = study.directions
        self.best: float | None = None
        self._sign = 0
        if len(directions) == 1:
            self._sign = 1 if directions[0] == StudyDirection.MAXIMIZE else -1
            with contextlib.suppress(ValueError):  # no trial is complete yet
                self.best = study.best_value
        names = study.metric_names or (range(len(directions)) if len(directions) > 1 else ["value"])
        self.keys = [f"objective/{name}" for name in names]

    @property
    def parent(self) -> Run | None:
        """The study's run; None where another process writes it."""
        with self._lock:
            if not self._found:
                self._found = True
                self._find()
            return self.training.run

    def _find(self) -> None:
        try:
            run = self.training.run
        except UsageError:
            if self._stored is None or self.training.options.get("id") != self._stored:
                raise
            return  # another process that works on this study has the run; trials are recorded all the same
        if run is None:
            return
        self._study.set_user_attr(RUN_KEY, run.id)
        directions = [direction.name.lower() for direction in self._study.directions]
        facts = {
            "version": optuna.__version__,
            "study": self._study.study_name,
            "directions": directions,
            "sampler": type(self._study.sampler).__name__,
            "pruner": type(self._study.pruner).__name__,
        }
        for name, value in facts.items():
            self.training.configure(name, value)

    def begin(self, number: int, attributes: Mapping[str, Any]) -> _Trial:
        """Open the run of trial `number`; it is the active run of this context from now on."""
        import treering

        with self._lock:
            parent = self.parent
            self._mark("running")
        project = parent.project if parent is not None else self._options.get("project")
        name = parent.name if parent is not None else self._options.get("name") or self._study.study_name
        about = {"study": self._study.study_name, "study_run": self._stored if parent is None else parent.id}
        run = treering.init(
            project,
            f"{name}-{number}",
            dir=None if parent is None else parent.store_dir,
            mode=None if parent is None else parent.mode,
            group=(None if parent is None else parent.group) or self._options.get("group") or name,
            job_type="trial",
            tags=self._options.get("tags"),
            config={**(self._options.get("config") or {}), "optuna": {**about, "trial": number, **attributes}},
            settings={"quiet": True},  # one line for a study is enough
            reinit="create_new",
        )
        with self._lock:
            self._running += 1
        return _Trial(self, run, number)

    def end(self, trial: _Trial, state: str, values: Sequence[float], params: Mapping[str, Any]) -> None:
        """Add a trial's row to those of the study."""
        with self._lock:
            self._running -= 1
            row: dict[str, object] = dict(zip(self.keys, values, strict=False))
            if state == COMPLETE and self._sign and not (self.best is not None and self._worse(values[0])):
                self.best = values[0]
            row |= {} if self.best is None else {"objective/best": self.best}
            row |= {"trial/state": state, "trial/run": trial.run.id}
            row |= {f"params/{name}": value for name, value in params.items()}
            parent = self.parent
            if parent is None:
                return
            self.training.log(row, step=trial.number)
            if self._sign and self.best is not None:
                parent.summary["objective/best"] = self.best
            if not self._running:
                self._mark("finished")

    def _worse(self, value: float) -> bool:
        return self.best is not None and self._sign * value <= self._sign * self.best

    def _mark(self, state: str) -> None:
        run = self.training.opened
        if run is not None and run.id in opened_by_adapters and run.state != state:
            run.mark(state)


class _Trial:
    """One trial that is going on."""

    def __init__(self, study: _Study, run: Run, number: int) -> None:
        self.run, self.number = run, number
        self.last_report: tuple[int, float] | None = None
        self._study = study
        self._training = Training("optuna", run)

    def listen(self, trial: Trial) -> None:
        """Hear of what the objective asks of its trial; the object is its own, and lives as long as it."""
        told: Any = trial
        for name in SUGGESTIONS:
            setattr(told, name, self._after(getattr(trial, name), lambda: self._configure(trial.params)))
        original = trial.report

        @functools.wraps(original)
        def report(value: float, step: int) -> None:
            original(value, step)
            with self._training.guard("report"):
                self.report(float(value), int(step))

        told.report = report

    def _after(self, call: Callable[..., Any], then: Callable[[], None]) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapped(*arguments: Any, **named: Any) -> Any:
            given = call(*arguments, **named)
            with self._training.guard("suggest"):
                then()
            return given

        return wrapped

    def _configure(self, params: Mapping[str, Any]) -> None:
        self.run.config.update(params)

    def report(self, value: float, step: int) -> None:
        """Record an intermediate value."""
        self.last_report = (step, value)
        self._training.log({"objective/intermediate": value}, step=step)

    def end(
        self,
        state: str,
        params: Mapping[str, Any],
        *,
        values: Sequence[float] = (),
        last: tuple[int, float] | None = None,
        error: BaseException | str | None = None,
    ) -> None:
        """Record how the trial ended, and close its run."""
        with self._training.guard("end of trial"):
            self._configure(params)
            self.run.summary["trial/state"] = state
            for key, value in zip(self._study.keys, values, strict=False):
                self.run.summary[key] = value
            if state == PRUNED:
                where: dict[str, Any] = {} if last is None else {"step": last[0], "value": last[1]}
                self.run.log_event("pruned", "the trial was pruned", **where)
            if isinstance(error, BaseException):
                self.run.__exit__(type(error), error, error.__traceback__)
            else:
                self.run.finish(None if error is None else "failed", error)
        with self._study.training.guard("end of trial"):
            self._study.end(self, state, values, params)


def _joins() -> bool:
    """Whether a study without a run of its own would be recorded in one that the user opened."""
    import treering

    active = treering.run
    return active is not None and active.id not in opened_by_adapters


def _name_of(study: Study) -> str | None:
    """The study's name, unless Optuna made it up."""
    return None if study.study_name.startswith("no-name-") else study.study_name


def _as_list(value: float | Sequence[float]) -> list[float]:
    return [float(one) for one in value] if isinstance(value, Sequence) else [float(value)]


def _infeasible(study: Study, value: object) -> str | None:
    """Why Optuna will not take what an objective returned; None where it will."""
    values = cast("Sequence[Any]", value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    try:
        numbers = [float(cast("Any", one)) for one in values]
    except (TypeError, ValueError):
        return "not a number"
    if any(map(math.isnan, numbers)):
        return "not a number"
    wanted = len(study.directions)
    return None if len(numbers) == wanted else f"{len(numbers)} values for {wanted} objectives"
