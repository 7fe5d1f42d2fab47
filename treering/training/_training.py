"""One training as its adapter sees it."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, cast

from treering._ahead import make_ready_soon
from treering.errors import NotFound, RunExists, TreeringWarning, UsageError
from treering.training.adopted import close_previous, give_back, opened_by_adapters, opening, remember
from treering.training.guard import Guard, state_after
from treering.training.options import Options, check_options, trial_options
from treering.training.ranks import process_rank
from treering.training.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from treering._run import Run
    from treering.training.streams import Collector, Sender
    from treering.watching import Watch, WatchOptions

__all__ = ["Training"]


class Training(Rows):
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
        check_options(framework, run, log_every, options)
        super().__init__(framework, options)
        self.log_every = log_every
        self.framework_rank: int | None = None
        """The rank as the framework gives it; an adapter sets it in its first hook."""
        self.errors = 0
        self.spent_s = 0.0
        """Seconds that the adapter's hooks have taken."""
        self.in_sweep = False
        self._run = run
        self._run_id = run.id if run is not None else None
        self._given = run is not None or bool(options.get("id"))
        self._reserved_id: str | None = None
        self._is_shared = False
        self._resumed: Mapping[str, object] = {}
        self._shut = False
        self._ours = False
        self._apart = False
        self._warned: set[str] = set()
        self._watch: Watch | None = None
        self._streams: Sender | Collector | None = None
        self._meeting_place: str | None = None

    def __getstate__(self) -> dict[str, object]:
        run_id = self._run.id if self._run else self._run_id
        return {**self.__dict__, "_watch": None, "_streams": None, "_run": None, "_run_id": run_id}

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

    def _begin_streams(self) -> None:
        """Measure this machine for rank 0, or take what other ranks have measured."""
        from treering.training.streams import Collector, Sender, meeting_place, stream_settings

        settings, store = stream_settings()
        if self._meeting_place is None:  # of all its fits
            self._meeting_place = meeting_place(self.options.get("id"))
        place = self._meeting_place
        if place is None:
            self.warn(
                "rank_streams: the processes have nothing in common by which they find each other; start them by "
                "a launcher that sets MASTER_ADDR and MASTER_PORT, or give all the same id="
            )
        elif self._run is None and settings.system_interval_s > 0:
            self._streams = Sender(self.rank, store, place, settings.system_interval_s)
        elif self._run is not None and self._run.mode != "disabled":
            self._streams = Collector(self._run, place)
            self._run.accompany(self._streams)

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
        self._stop_sending()
        self._streams = self._meeting_place = None
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
        self._logged_at, self._goes_on = None, True
        run = self.run
        self.in_sweep = run is not None and run.in_sweep
        if self.options.get("rank_streams") and self._streams is None:
            self._begin_streams()
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
        self._leave()
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
        self._leave()
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
            if self._prefix:
                options["name"] = self._prefix
            self._watch = run.watch(model, optimizer, **(options if wanted is True else {**options, **wanted}))
        return self._watch

    def _unwatch(self) -> None:
        if self._watch is not None and self._run is not None:
            self._run.end_watch(self._watch)
        self._watch = None

    def _leave(self) -> None:
        """The training is over, one way or another: bring in what goes with it."""
        self._unwatch()
        self._bring_held()
        self._stop_sending()

    def _stop_sending(self) -> None:
        if self._streams is not None and self.rank != 0:  # rank 0 takes what comes until its run ends
            self._streams.stop()
            self._streams = None

    @property
    def should_stop(self) -> bool:
        """Whether a sweep wants the training to end; an adapter that asks ends it in its framework's own way.

        Hooks that come with each step ask `in_sweep` first, which costs less.
        """
        return self._run is not None and self._run.should_stop

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
