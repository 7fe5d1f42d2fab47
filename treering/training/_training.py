"""One training as its adapter sees it."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, cast

from treering._ahead import make_ready_soon
from treering.errors import NotFound, RunExists, TreeringWarning, UnsupportedValue, UsageError
from treering.training.adopted import close_previous, give_back, opened_by_adapters, opening, remember
from treering.training.checkpoints import Checkpoints
from treering.training.guard import Guard, state_after
from treering.training.names import metric_name, number
from treering.training.options import Options, check_options, trial_options
from treering.training.ranks import process_rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from treering._run import Run
    from treering.watching import Watch, WatchOptions

__all__ = ["Training"]


class Training(Checkpoints):
    """One training as its adapter sees it; may be begun and ended several times and still be one run.

    Opens its run at the first thing to record, never at construction. Everything is a no-op on ranks other than zero.
    Pickled and copied without the live run: the copy finds the same run again by its id.

    Args:
        framework: the adapter's name, `"keras"`; the key of the adapter's part of the run's config.
        run: a run that the user opened; without it the run is chosen as `run` says.
        log_every: steps between two logged rows, asked through `due`.
        **options: see `Options`.

    Raises:
        UsageError: an option that no adapter knows or a value that it does not take.
    """

    def __init__(
        self, framework: str, run: Run | None = None, *, log_every: int = 1, **options: Unpack[Options]
    ) -> None:
        super().__init__()
        self.framework = framework
        self.log_every = log_every
        self.options = options
        self.framework_rank: int | None = None
        """The rank as the framework gives it; an adapter sets it in its first hook."""
        self.step = 0
        """The last step that was logged or begun at."""
        self.errors = 0
        self.spent_s = 0.0
        self.in_sweep = False
        """Seconds that the adapter's hooks have taken."""
        check_options(framework, run, log_every, options)
        self._run = run
        self._run_id = run.id if run is not None else None
        self._given = run is not None or bool(options.get("id"))
        self._reserved_id: str | None = None
        self._is_shared = False
        self._resumed: Mapping[str, object] = {}
        self._config: dict[str, object] = {}
        self._logged_at: int | None = None
        self._shut = False
        self._ours = False
        self._apart = False
        self._errors_told = 0
        self._warned: set[str] = set()
        self._not_finite: set[str] = set()
        self._series: dict[str | None, dict[str, str]] = {}
        self._watch: Watch | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_watch": None, "_run": None, "_run_id": self._run.id if self._run else self._run_id}

    # -- which run ----------------------------------------------------------------------------------------------------

    @property
    def opened(self) -> Run | None:
        """The run if it is open already."""
        return self._run

    @property
    def run(self) -> Run | None:
        """The run, opened now if nothing was recorded before; None where this process records nothing.

        In this order: the run or id that the user gave; the id in the checkpoint that is being resumed; the run that
        the user opened and that is active here; a new one.
        """
        if self._run is None and not self._shut:
            if self.rank != 0:
                self._shut = True
            else:
                self._open()
        elif self._run is not None and self._run.ended and self._ours:
            # Closed for the training that came after, not by the user: for him it was never finished.
            state = self._run.state
            self._run.mark("running")
            self._run.mark(state)
            remember(self._run)
        return self._run

    @property
    def chosen_id(self) -> str | None:
        """The run's id if it is open or the user said which one it is to be."""
        return self._run.id if self._run is not None else self.options.get("id") or self._run_id

    @property
    def run_id(self) -> str:
        """The id that the run has or is going to have, for frameworks that name folders after it; opens nothing.

        Only with `resume=` and no id is the run opened, for then the store knows which one goes on.
        """
        import treering

        if self.options.get("resume") not in {None, "never"} and self.chosen_id is None and self.rank == 0:
            self._open()
        active = treering.run
        if self.chosen_id is None and active is not None and active.id not in opened_by_adapters:
            return active.id
        if self.chosen_id is None and self._reserved_id is None:
            from treering.start import new_id

            self._reserved_id = new_id()
        return cast("str", self.chosen_id or self._reserved_id)

    def reserve(self) -> None:
        """Choose the id now, so that copies in other processes, and this one after them, write to one run."""
        if not self._given and self.options.get("resume") is None:
            from treering.start import new_id

            self._reserved_id, self._is_shared = new_id(), True

    @property
    def rank(self) -> int:
        """This process's place among the ones that train together; the one at 0 records."""
        rank = self.options.get("rank")
        if rank is None:
            rank = self.framework_rank
        return process_rank() if rank is None else rank

    def _open(self) -> None:
        with opening:
            try:
                self._join_or_create()
            except Exception:
                # One try: a store that cannot be opened must not cost every later hook the same delay and warning.
                self._shut = True
                raise

    def _join_or_create(self) -> None:
        import treering

        wanted = self.options.get("id") or self._run_id or cast("str | None", self._resumed.get("run"))
        active = treering.run
        if wanted is not None and wanted in opened_by_adapters and not opened_by_adapters[wanted].run.ended:
            self._adopt(opened_by_adapters[wanted].run)
            self._ours = True
        elif wanted is not None and active is not None and active.id == wanted:
            self._adopt(active)
        elif wanted is None and not self._apart and active is not None and active.id not in opened_by_adapters:
            self._adopt(active, warn=True)
        else:
            self._create(wanted)

    def _adopt(self, run: Run, *, warn: bool = False) -> None:
        self._run = run
        ignored = [name for name in ("project", "name", "group", "job_type", "notes") if self.options.get(name)]
        if warn and ignored:
            self.warn(f"{', '.join(ignored)} ignored: the training joins the active run {run.name!r}")
        if config := self.options.get("config"):
            run.config.update(config)
        step = self._resumed_step(run.id)
        if step is not None and run.step > step + 1:
            run.rewind(step)

    def _create(self, wanted: str | None) -> None:
        close_previous()
        resume = self.options.get("resume")
        resumed = self._resumed_step(wanted)
        if wanted is not None and resume is None and (wanted == self._run_id or resumed is not None):
            resume = "allow"
        if wanted is None and resume is None and self._is_shared:
            resume = "allow"  # a process that was started from this one may have been first
        try:
            self._run = self._init(id=wanted or self._reserved_id, resume=resume, resume_step=resumed)
        except UsageError as error:
            if resumed is None or wanted == self.options.get("id"):
                raise
            # Two trainings that go on from one checkpoint at the same time: the second may not write the first's run.
            self.warn(f"{error}. This training goes on in a run of its own, forked off at step {resumed}")
            self._run = self._init(fork_from=(wanted, resumed))
        if self._is_shared and wanted is None and self._run.attempt > 1:
            self.step = self._run.step - 1
            self._run.rewind(self.step)  # what is late replaces nothing, whatever step it has
        self._ours = True
        remember(self._run)

    def _init(self, **which: Any) -> Run:
        import treering

        options = self.options
        return treering.init(
            options.get("project") or cast("str | None", self._resumed.get("project")),
            options.get("name"),
            group=options.get("group"),
            job_type=options.get("job_type"),
            tags=options.get("tags"),
            notes=options.get("notes"),
            config=options.get("config"),
            reinit="create_new",  # what is to be closed was closed before
            **which,
        )

    def _resumed_step(self, run_id: str | None) -> int | None:
        same = run_id is not None and self._resumed.get("run") == run_id
        return cast("int", self._resumed["step"]) if same else None

    def renew(self) -> None:
        """Let the next thing that is recorded open a new run (two trainings through one callback object).

        A run or an id that the user gave stays.
        """
        if not self._given:
            close_previous()
            self._run, self._run_id, self._reserved_id, self._shut = None, None, None, False
        self._resumed, self._config, self._best, self._logged_at = {}, {}, {}, None
        self.step = 0

    def trial(self) -> Training:
        """A training within this one, as a search has many: always a new run, in the group of the one it belongs to."""
        options = trial_options(self.options, self._run if self._given else None)
        child = Training(self.framework, log_every=self.log_every, **options)
        child._apart, child.framework_rank = True, self.framework_rank
        return child

    def state(self) -> dict[str, object]:
        """What a checkpoint must carry so that the training resumed from it goes on in this run (plain JSON)."""
        if self._run is None:
            return {}
        run = self._run
        return {
            "run": run.id,
            "project": run.project,
            "attempt": run.attempt,
            "step": self.step,
            "best": dict(self._best),
        }

    # -- how it goes --------------------------------------------------------------------------------------------------

    def guard(self, hook: str) -> Guard:
        """Around the body of a hook: what fails inside is one warning, never the end of the training."""
        return Guard(self, hook)

    def begin(self, *, step: int = 0, resumed: Mapping[str, object] | None = None) -> None:
        """A training starts, or starts again, at `step`.

        Args:
            step: steps done before; rows beyond it that an earlier attempt of the same run left are superseded.
            resumed: what `state` returned when the checkpoint was written that the training goes on from.
        """
        if resumed and resumed.get("run"):
            self._resumed = {**resumed, "step": step}
            self._best.update(cast("dict[str, float]", resumed.get("best") or {}))
            if self._run is not None and self._run.id == resumed["run"] and self._run.step > step + 1:
                self._run.rewind(step)
        self.step = step
        self._logged_at = None
        run = self.run
        self.in_sweep = run is not None and run.in_sweep
        if run is None:
            return
        if self.options.get("checkpoints", True) is not False:
            make_ready_soon()
        if opened := opened_by_adapters.get(run.id):
            opened.training = True
        if run.state != "running":
            run.mark("running")

    def end(self) -> None:
        """The training reached its end; its run stays open for a late evaluation."""
        self._unwatch()
        self._secure_waiting()
        run = self._run
        if run is None:
            return
        row: dict[str, object] = {"treering/overhead_ms": self.spent_s * 1e3} if self.spent_s else {}
        if self.errors > self._errors_told:
            self._errors_told = row["treering/errors"] = self.errors
        if row and not run.ended:
            run.log(row, step=self.step)
        if opened := opened_by_adapters.get(run.id):
            opened.training = False
            run.mark("finished")
            if self._apart:
                give_back()

    def fail(self, error: BaseException, step: int | None = None) -> None:
        """The training was left through `error` at `step`: failed, interrupted (Ctrl-C) or preempted (SIGTERM)."""
        self._unwatch()
        run = self._run
        if run is None:
            return
        if opened := opened_by_adapters.get(run.id):
            opened.training = False
        run.mark(state_after(error), error, step)

    def watch(self, model: object, optimizer: object = None, **known: Unpack[WatchOptions]) -> Watch | None:
        """Watch the model's gradients until the training ends, if the user's option `watch` asks for it.

        Args:
            model: see `Run.watch`.
            optimizer: see `Run.watch`.
            **known: what the adapter knows: `step` gives the step of a row written at an update, `scaler` the loss
                scaler. The user's own options win.
        """
        wanted = self.options.get("watch", False)
        self._unwatch()
        if wanted is not False and (run := self.run) is not None:
            options: WatchOptions = {"rates": False, **known}
            self._watch = run.watch(model, optimizer, **(options if wanted is True else {**options, **wanted}))
        return self._watch

    def _unwatch(self) -> None:
        if self._watch is not None and self._run is not None:
            self._run.end_watch(self._watch)
        self._watch = None

    @property
    def should_stop(self) -> bool:
        """Whether a sweep wants the training to end; an adapter that asks ends it in its framework's own way.

        Hooks that come with each step ask `in_sweep` first, which costs less.
        """
        return self._run is not None and self._run.should_stop

    # -- what it records ----------------------------------------------------------------------------------------------

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
        for name, value in values.items():
            full = names.get(name)
            if full is None:
                full = names[name] = metric_name(name, prefix)
            row[full] = value if type(value) is float else number(value)
        for name, axis in axes.items():
            if axis is not None:
                row[name] = axis  # noqa: PERF403  # a comprehension is a call
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
        """Put `values` (any object) into the run's config as `config[framework][part]`."""
        run = self.run
        if run is not None:
            self._config[part] = values
            run.config.update({self.framework: dict(self._config)})

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
                run.summary[metric_name(name, prefix)] = number(value)

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def warn(self, message: str) -> None:
        """Warn the user, in the name of the adapter."""
        warnings.warn(f"treering ({self.framework}): {message}", TreeringWarning, stacklevel=3)

    def swallow(self, hook: str, error: BaseException) -> bool:
        """Count and tell what a hook raised; False where it has to go on up."""
        if not isinstance(error, Exception) or os.environ.get("TREERING_DEBUG", "") not in {"", "0", "false"}:
            return False
        if isinstance(error, (UsageError, RunExists, NotFound)) and self._run is None and self._logged_at is None:
            return False  # misuse, found before any step was trained: nothing is lost by saying so at once
        self.errors += 1
        kind = f"{hook} {type(error).__name__}"
        if kind not in self._warned:
            self._warned.add(kind)
            nothing = "; nothing of this training is recorded" if self._run is None else ""
            self.warn(f"{hook}: {type(error).__name__}: {error}{nothing}; the training goes on")
        return True


def _surely_stored(value: object) -> bool:
    return isinstance(value, (float, int, str)) or hasattr(value, "to_payload")
