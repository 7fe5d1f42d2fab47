"""Where sweeps and trials live, and the rules by which agents share them.

`Sweeps` is what agents and trainings need, in plain data, so that it can be served over a network. `StoredSweeps` is
the same on a database that all reach: every call is one transaction or two, and the rules (each point once, no more
than `run_cap`, one agent to a trial) are kept by the database, whatever dies in between.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Protocol

from treering.errors import UsageError
from treering.lease import boot_id, host_name
from treering.start import new_id
from treering.sweeps import stopping
from treering.sweeps.config import config_of
from treering.sweeps.engines import Suggestion, make_engine
from treering.sweeps.outcomes import excesses, final_values
from treering.sweeps.prior import read_prior
from treering.sweeps.records import ENDED, PAUSED, Offer, Orders, Sweep, Trial
from treering.sweeps.space import point_key
from treering.sweeps.trials import Rows, now_us

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from treering.store.database import Database
    from treering.sweeps.config import SweepConfig
    from treering.sweeps.engines import Engine
    from treering.sweeps.records import Agent, Curve, Key, Result

__all__ = ["ACTIONS", "StoredSweeps", "Sweeps"]

#: What a person can do with a sweep: the states in which it can be done, and the state that it leads to.
ACTIONS = {
    "pause": (("running",), "paused"),
    "resume": (("paused", "stopped"), "running"),
    "stop": (("running", "paused"), "stopped"),
    "cancel": (("running", "paused", "stopped"), "cancelled"),
}
_SUGGEST_TIMEOUT_S = 60.0
_SOON_S, _LATER_S = 0.05, 2.0
_MOST_DEATHS = 5
_TRIES = 20
# A space of more points than this is not listed to find one that is left.
_LISTED = 20_000
_NOTHING_LEFT = "every point has been tried"


class Sweeps(Protocol):
    """What agents and trainings ask of the place where sweeps are kept. Each call may be made again after a failure."""

    def create(self, config: dict[str, Any], *, project: str | None = None, source: str | None = None) -> Sweep:
        """Make a sweep."""
        ...

    def sweep(self, sweep_id: str) -> Sweep:
        """Return one."""
        ...

    def sweeps(self, project: str | None = None) -> list[Sweep]:
        """Return all, the newest first."""
        ...

    def change(self, sweep_id: str, action: str) -> Sweep:
        """Pause, resume, stop or cancel."""
        ...

    def trials(self, sweep_id: str, after: int = -1) -> list[Trial]:
        """Return the trials that have changed since revision `after`."""
        ...

    def lease(self, sweep_id: str, agent: Agent) -> Offer:
        """Give an agent a trial to run."""
        ...

    def beat(self, key: Key, agent: Agent) -> Orders:
        """Renew the lease of a trial; to be called several times within its length."""
        ...

    def report(self, key: Key, points: Curve) -> Orders:
        """Take new points of a trial's curve, and say whether to go on."""
        ...

    def finish(self, key: Key, result: Result) -> bool:
        """Take note of a trial's end; False when it is no longer the caller's."""
        ...

    def give_back(self, key: Key, reason: str) -> bool:
        """Let another agent have a trial that did not end; False when it is no longer the caller's."""
        ...


class StoredSweeps:
    """Sweeps in a database.

    Args:
        database: open; used by one thread at a time.
        has_checkpoint: tells of a run whether it has kept a model to go on from.
        alive: tells whether an agent of this very machine lives; asked for those whose lease has not run out.
        since_us: before this nobody could show himself here, so a lease that ran out lasts for its length from then.
        elsewhere: opens the files of their own that may have a sweep or a run of some id.
    """

    def __init__(
        self,
        database: Database,
        has_checkpoint: Callable[[str], bool] | None = None,
        alive: Callable[[Agent], bool] | None = None,
        since_us: int = 0,
        elsewhere: Callable[[str], Iterator[Rows]] | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self.rows = Rows(database)
        self._database = database
        self._has_checkpoint = has_checkpoint or self.rows.has_checkpoint
        self._alive = alive or is_alive
        self._since_us = since_us
        self._configs: dict[str, SweepConfig] = {}
        self._engines: dict[str, Engine] = {}
        self._seen: dict[str, tuple[int, dict[int, Trial]]] = {}

    # -- sweeps -------------------------------------------------------------------------------------------------------

    def create(
        self,
        config: dict[str, Any],
        *,
        project: str | None = None,
        source: str | None = None,
        sweep_id: str | None = None,
    ) -> Sweep:
        """See `Sweeps.create`; one of a given id is made once."""
        checked = config_of(config)
        sweep_id = sweep_id or new_id()
        sweep = Sweep(
            id=sweep_id,
            project=project or checked.project or "uncategorized",
            name=checked.name or sweep_id,
            state="running",
            reason="",
            config=config,
            source=source,
            created_us=now_us(),
            created=0,
            revision=0,
        )
        with self._database.transaction():
            sweep.prior = read_prior(self.rows, checked, self._elsewhere)
            return sweep if self.rows.insert_sweep(sweep) else self.rows.sweep(sweep_id)

    def sweep(self, sweep_id: str) -> Sweep:
        """See `Sweeps.sweep`."""
        return self.rows.sweep(sweep_id)

    def sweeps(self, project: str | None = None) -> list[Sweep]:
        """See `Sweeps.sweeps`."""
        return self.rows.sweeps("project = :project", {"project": project}) if project else self.rows.sweeps()

    def change(self, sweep_id: str, action: str) -> Sweep:
        """See `Sweeps.change`."""
        if action not in ACTIONS:
            raise UsageError(f"a sweep cannot {action!r}; it can {', '.join(ACTIONS)}")
        before, after = ACTIONS[action]
        with self._writing(sweep_id) as revision:
            sweep = self.rows.sweep(sweep_id)
            if sweep.state == after:
                return sweep
            if sweep.state not in before:
                why = f" ({sweep.reason})" if sweep.reason else ""
                raise UsageError(
                    f"sweep {sweep_id} is {sweep.state}{why}; `{action}` takes one that is {' or '.join(before)}"
                )
            reason = "" if action in {"pause", "resume"} else f"{after} by hand"
            self.rows.set_sweep(sweep_id, state=after, reason=reason)
            if action == "cancel":
                self._cancel_trials(sweep_id, revision)
        return self.rows.sweep(sweep_id)

    def _cancel_trials(self, sweep_id: str, revision: int) -> None:
        for trial in self.rows.trials(sweep_id, "state IN ('running', 'waiting')"):
            trial.revision = revision
            if trial.state == "waiting":
                trial.state, trial.ended_us = "cancelled", now_us()
            else:
                trial.order = "cancel"
            self.rows.save_trial(trial)

    def trials(self, sweep_id: str, after: int = -1) -> list[Trial]:
        """See `Sweeps.trials`."""
        return self.rows.trials(sweep_id, "revision > :after", {"after": after})

    @contextlib.contextmanager
    def _writing(self, sweep_id: str) -> Generator[int]:
        try:
            with self._database.transaction():
                yield self.rows.touch(sweep_id)
        except BaseException:
            self._seen.pop(sweep_id, None)  # it may hold what has been rolled back
            raise

    def config(self, sweep: Sweep) -> SweepConfig:
        """Return a sweep's configuration, read once."""
        if sweep.id not in self._configs:
            self._configs[sweep.id] = config_of(sweep.config, sweep.name)
        return self._configs[sweep.id]

    def history(self, sweep_id: str) -> list[Trial]:
        """Return all trials, of which only those that have changed are read again."""
        revision, known = self._seen.get(sweep_id, (-1, {}))
        for trial in self.trials(sweep_id, revision):
            known[trial.number] = trial
            revision = max(revision, trial.revision)
        self._seen[sweep_id] = (revision, known)
        return [known[number] for number in sorted(known)]

    # -- giving trials out --------------------------------------------------------------------------------------------

    def lease(self, sweep_id: str, agent: Agent, *, again: bool = False) -> Offer:
        """See `Sweeps.lease`.

        Args:
            sweep_id: of a sweep.
            agent: who asks.
            again: an agent that has a trial gets the same one: it did not hear of it.
        """
        with self._writing(sweep_id) as revision:
            if again and (mine := self.rows.trials(sweep_id, "state = 'running' AND agent = :me", {"me": agent.id})):
                self.rows.hold(mine[0], agent)
                goes_on = mine[0].attempt > 1 and self._can_go_on(mine[0], agent)
                return Offer("trial", mine[0], goes_on=goes_on)
            sweep = self.rows.sweep(sweep_id)
            config = self.config(sweep)
            refusal = self._refusal(sweep, revision)
            if refusal is not None:
                return refusal
            waiting = self.rows.trials(sweep_id, "state = 'waiting'")
            if waiting:
                return self._give(waiting[0], agent, revision)
            if config.run_cap is not None and sweep.created >= config.run_cap:
                return self._close(sweep, f"run_cap, {config.run_cap} runs, is reached")
            if sweep.reason:
                return self._close(sweep, sweep.reason)
            engine = self._engine(sweep)
            if engine.is_quick(sweep.created):
                suggestion = engine.suggest(sweep.created, [])
                return self._add(sweep, suggestion, agent, revision)
            who, until = self.rows.suggester(sweep_id)
            if who not in {None, agent.id} and until > now_us():
                return Offer("wait", reason="another agent is choosing a point", wait_s=_SOON_S)
            until = now_us() + int(_SUGGEST_TIMEOUT_S * 1e6)
            self.rows.set_sweep(sweep_id, suggester=agent.id, suggester_until_us=until)
            history = self.history(sweep_id)
        return self._suggest(sweep, agent, history)

    def _suggest(self, sweep: Sweep, agent: Agent, history: list[Trial]) -> Offer:
        """Have a point chosen outside of any transaction, so that nobody's training waits for it."""
        try:
            suggestion = self._engine(sweep).suggest(sweep.created, history)
        except BaseException:
            with self._writing(sweep.id):
                self.rows.set_sweep(sweep.id, suggester=None)
            raise
        with self._writing(sweep.id) as revision:
            now = self.rows.sweep(sweep.id)
            refusal = self._refusal(now, revision)
            if self.rows.suggester(sweep.id)[0] != agent.id or now.created != sweep.created:
                return Offer("wait", reason="took too long to choose a point", wait_s=_SOON_S)
            self.rows.set_sweep(sweep.id, suggester=None)
            if refusal is not None:
                return refusal
            return self._add(now, suggestion, agent, revision)

    def _refusal(self, sweep: Sweep, revision: int) -> Offer | None:
        if sweep.state == "paused":
            return Offer("wait", reason=PAUSED, wait_s=_LATER_S)
        if sweep.state != "running":
            return Offer("over", reason=sweep.reason or sweep.state)
        self._reclaim(sweep.id, revision)
        return None

    def _reclaim(self, sweep_id: str, revision: int) -> None:
        """Take trials back from agents that are gone."""
        for number, until, holder in self.rows.holders(sweep_id):
            silent_since_us = until - int(holder.lease_s * 1e6)
            late_us = max(self._since_us - silent_since_us, 0)
            if until + late_us > now_us() and self._alive(holder):
                continue
            trial = self.rows.trial(sweep_id, number)
            if trial is None:
                continue
            trial.deaths += 1
            trial.state, trial.revision = "waiting", revision
            if trial.deaths >= _MOST_DEATHS:
                trial.state, trial.ended_us = "failed", now_us()
                trial.failure = f"{trial.deaths} agents died over it"
            self.rows.save_trial(trial)

    def _close(self, sweep: Sweep, reason: str) -> Offer:
        """Offer nothing more; the sweep is over once its last trial is."""
        states = self.rows.states(sweep.id)
        if states.get("running", 0) or states.get("waiting", 0):
            if not sweep.reason:
                self.rows.set_sweep(sweep.id, reason=reason)
            return Offer("wait", reason=f"{reason}; other agents are still at it", wait_s=_LATER_S)
        self.rows.set_sweep(sweep.id, state="finished", reason=reason)
        return Offer("over", reason=reason)

    def _engine(self, sweep: Sweep) -> Engine:
        if sweep.id not in self._engines:
            self._engines[sweep.id] = make_engine(sweep.id, self.config(sweep), sweep.prior)
        return self._engines[sweep.id]

    def _add(self, sweep: Sweep, suggestion: Suggestion | None, agent: Agent, revision: int) -> Offer:
        """Make a trial of a point, or of another one where that has been tried."""
        config = self.config(sweep)
        trial = None
        if suggestion is not None:
            trial = self._insert(sweep, config, suggestion, revision) or self._insert_another(sweep, config, revision)
        if trial is None:
            return self._close(sweep, _NOTHING_LEFT)
        self.rows.set_sweep(sweep.id, created=sweep.created + 1)
        return self._give(trial, agent, revision)

    def _insert(self, sweep: Sweep, config: SweepConfig, suggestion: Suggestion, revision: int) -> Trial | None:
        trial = Trial(
            sweep=sweep.id,
            number=sweep.created,
            state="waiting",
            point=suggestion.point,
            params=config.space.params(suggestion.point),
            origin=suggestion.origin,
            attempt=0,
            run_id=new_id(),
            created_us=now_us(),
            memory=suggestion.memory,
            revision=revision,
        )
        return trial if self.rows.insert_trial(trial, point_key(suggestion.point)) else None

    def _insert_another(self, sweep: Sweep, config: SweepConfig, revision: int) -> Trial | None:
        engine = self._engine(sweep)
        for attempt in range(_TRIES):
            another = engine.another(sweep.created, attempt)
            if another is None:
                return None
            trial = self._insert(sweep, config, another, revision)
            if trial is not None:
                return trial
        if config.space.size > _LISTED:
            return None
        tried = self.rows.keys(sweep.id)
        left = (point for point in config.space.grid(whole=True) if point_key(point) not in tried)
        point = next(left, None)
        return None if point is None else self._insert(sweep, config, Suggestion(point, "left"), revision)

    def _can_go_on(self, trial: Trial, agent: Agent) -> bool:
        return trial.run_id in agent.holds or self._has_checkpoint(trial.run_id)

    def _give(self, trial: Trial, agent: Agent, revision: int) -> Offer:
        goes_on = trial.attempt > 0 and self._can_go_on(trial, agent)
        if trial.attempt > 0 and not goes_on:  # from its beginning, and so as another run
            trial.run_id, trial.curve = new_id(), []
            self.rows.set_decided(trial.sweep, trial.number, 0)
        trial.attempt += 1
        trial.state, trial.agent, trial.revision = "running", agent.id, revision
        trial.order, trial.started_us, trial.failure = "", now_us(), None
        self.rows.save_trial(trial)
        self.rows.hold(trial, agent)
        return Offer("trial", trial, goes_on=goes_on)

    # -- while they run -----------------------------------------------------------------------------------------------

    def _mine(self, key: Key) -> Trial | None:
        trial = self.rows.trial(key.sweep, key.number)
        return trial if trial is not None and trial.state == "running" and trial.attempt == key.attempt else None

    def beat(self, key: Key, agent: Agent) -> Orders:
        """See `Sweeps.beat`."""
        with self._database.transaction():
            trial = self._mine(key)
            if trial is None:
                return Orders("cancel", lost=True, reason="the trial is no longer this agent's")
            self.rows.hold(trial, agent)
            return self._orders(trial)

    @staticmethod
    def _orders(trial: Trial) -> Orders:
        return Orders(trial.order, lost=False, reason=trial.prediction.reason if trial.prediction else "")

    def report(self, key: Key, points: Curve) -> Orders:
        """See `Sweeps.report`."""
        with self._writing(key.sweep) as revision:
            trial = self._mine(key)
            if trial is None:
                return Orders("cancel", lost=True, reason="the trial is no longer this agent's")
            trial.curve = [*trial.curve, *(point for point in points if point[0] > trial.count)]
            trial.revision = revision
            self.rows.save_trial(trial)
            sweep = self.rows.sweep(key.sweep)
            config = self.config(sweep)
            if config.metric and not sweep.reason and any(config.metric.reached(value) for _, value in points):
                self.rows.set_sweep(sweep.id, reason=f"{config.metric.name} has reached its target")
            if config.early_stop and config.metric and not trial.order and not trial.audited:
                self._judge(trial, config)
            return self._orders(trial)

    def _judge(self, trial: Trial, config: SweepConfig) -> None:
        rule, metric = config.early_stop, config.metric
        before = self.rows.decided(trial.sweep, trial.number)
        if rule is None or metric is None or trial.count <= before:
            return
        trials = self.history(trial.sweep)
        reason = stopping.decide(rule, metric.sign, trial, before, trials)
        self.rows.set_decided(trial.sweep, trial.number, trial.count)
        if reason:
            trial.prediction = stopping.predict(trial, trials, reason)
            trial.audited = _chosen(trial, rule.audit)
            trial.order = "" if trial.audited else "stop"
            self.rows.save_trial(trial)

    # -- their end ----------------------------------------------------------------------------------------------------

    def finish(self, key: Key, result: Result) -> bool:
        """See `Sweeps.finish`."""
        if result.state not in ENDED:
            raise UsageError(f"a trial ends as {', '.join(sorted(ENDED))}, not as {result.state!r}")
        with self._writing(key.sweep) as revision:
            trial = self._mine(key)
            if trial is None:
                return self._has_ended(key, result)
            sweep = self.rows.sweep(key.sweep)
            config = self.config(sweep)
            stopped = trial.order == "stop" and result.state == "finished"
            trial.state = "stopped" if stopped else result.state
            trial.failure, trial.ended_us, trial.revision = result.failure, now_us(), revision
            trial.values = final_values(trial, config, result)
            trial.constraints = excesses(config, result)
            self.rows.save_trial(trial)
            self._settle(sweep, config, trial)
        return True

    def _has_ended(self, key: Key, result: Result) -> bool:
        """Tell whether this very end has been noted: the answer to it was lost."""
        trial = self.rows.trial(key.sweep, key.number)
        if trial is None or trial.attempt != key.attempt or trial.deaths >= _MOST_DEATHS:
            return False
        return trial.state == result.state or (trial.state, result.state) == ("stopped", "finished")

    def _settle(self, sweep: Sweep, config: SweepConfig, trial: Trial) -> None:
        reason = sweep.reason
        if config.metric and trial.values and config.metric.reached(trial.values[0]) and trial.state == "finished":
            reason = reason or f"{config.metric.name} has reached its target"
            self.rows.set_sweep(sweep.id, reason=reason)
        states = self.rows.states(sweep.id)
        capped = config.run_cap is not None and sweep.created >= config.run_cap
        if (
            (reason or capped)
            and sweep.state == "running"
            and not (states.get("running", 0) or states.get("waiting", 0))
        ):
            reason = reason or f"run_cap, {config.run_cap} runs, is reached"
            self.rows.set_sweep(sweep.id, state="finished", reason=reason)

    def give_back(self, key: Key, reason: str) -> bool:
        """See `Sweeps.give_back`."""
        with self._writing(key.sweep) as revision:
            trial = self._mine(key)
            if trial is None:
                return False
            trial.state, trial.failure, trial.revision = "waiting", reason, revision
            self.rows.save_trial(trial)
        return True


def _chosen(trial: Trial, share: float) -> bool:
    from xxhash import xxh3_64_intdigest

    return xxh3_64_intdigest(f"{trial.sweep} {trial.number}".encode()) < share * 2**64


def is_alive(agent: Agent) -> bool:
    """Tell whether an agent is there still, as far as this machine can see; those elsewhere are believed."""
    if not agent.pid or agent.host != host_name() or agent.boot != boot_id():
        return True
    import psutil

    try:
        return abs(psutil.Process(agent.pid).create_time() - agent.started) < 1.0
    except psutil.Error:
        return False
