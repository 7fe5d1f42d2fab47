"""Trials in each kind of store: each point once, limits exact, nothing lost when an agent dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from treering.errors import NotFound, UsageError
from treering.store.database import Sqlite, open_database
from treering.sweeps.records import Agent, Key, Result
from treering.sweeps.shared import SharedFile
from treering.sweeps.store import StoredSweeps, Sweeps

GRID = {"method": "grid", "parameters": {"a": {"values": [1, 2]}, "b": {"min": 1, "max": 3}}}
LOSS = {"name": "loss", "goal": "minimize"}
RANDOM = {"method": "random", "seed": 3, "metric": LOSS, "parameters": {"x": {"min": 0.0, "max": 1.0}}}

Open = Callable[[], StoredSweeps]


@pytest.fixture(params=["sqlite", "shared", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same sweeps again and again, as several agents do."""
    databases: list[Any] = []
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""

    def open_again() -> StoredSweeps:
        if request.param == "sqlite":
            database: Any = Sqlite(tmp_path / "treering.db", create=True)
        elif request.param == "shared":
            database = SharedFile(tmp_path / "sweep.db")
        else:
            database = open_database(url, create=True)
        databases.append(database)
        return StoredSweeps(database)

    yield open_again
    for database in databases:
        database.close()


@pytest.fixture
def sweeps(tmp_path: Path) -> Iterator[StoredSweeps]:
    """Sweeps of the embedded store."""
    database = Sqlite(tmp_path / "treering.db", create=True)
    yield StoredSweeps(database)
    database.close()


def agent(name: str = "a", lease_s: float = 60.0) -> Agent:
    return Agent(name, lease_s=lease_s)


def run(sweeps: Sweeps, sweep_id: str, who: Agent, value: float = 1.0) -> Any:
    offer = sweeps.lease(sweep_id, who)
    if offer.trial is not None:
        assert sweeps.finish(offer.trial.key, Result("finished", {"loss": value}))
    return offer


def test_a_grid_is_shared_out_point_by_point(opened: Open) -> None:
    first, second = opened(), opened()
    sweep = first.create(GRID, project="p", source="text")
    seen = []
    for turn in range(6):
        offer = run((first, second)[turn % 2], sweep.id, agent(str(turn % 2)))
        seen.append((offer.trial.params["a"], offer.trial.params["b"]))
    assert seen == [(a, b) for a in (1, 2) for b in (1, 2, 3)]
    assert second.lease(sweep.id, agent()).what == "over"
    after = second.sweep(sweep.id)
    assert (after.state, after.created, after.source, after.project) == ("finished", 6, "text", "p")
    assert [trial.state for trial in first.trials(sweep.id)] == ["finished"] * 6


def test_run_cap_counts_trials_not_attempts(opened: Open) -> None:
    sweeps = opened()
    sweep = sweeps.create({**RANDOM, "run_cap": 2})
    first = sweeps.lease(sweep.id, agent()).trial
    assert first is not None
    assert sweeps.give_back(first.key, "preempted")
    again = sweeps.lease(sweep.id, agent()).trial
    assert again is not None
    assert (again.number, again.attempt, again.point) == (0, 2, first.point)
    assert not sweeps.finish(first.key, Result("finished"))  # the first attempt is nobody's any more
    assert run(sweeps, sweep.id, agent()).trial.number == 1
    assert sweeps.lease(sweep.id, agent()).what == "wait"  # the other may yet be given back
    assert sweeps.finish(again.key, Result("finished", {"loss": 1.0}))
    assert sweeps.lease(sweep.id, agent()).what == "over"
    assert len(sweeps.trials(sweep.id)) == 2


def test_a_silent_agents_trial_goes_to_another(opened: Open) -> None:
    sweeps = opened()
    sweep = sweeps.create({**RANDOM, "run_cap": 1})
    first = sweeps.lease(sweep.id, agent("dead", lease_s=0.0)).trial
    second = sweeps.lease(sweep.id, agent("alive")).trial
    assert first is not None
    assert second is not None
    assert (second.number, second.attempt) == (first.number, 2)
    assert second.run_id != first.run_id  # with no checkpoint it starts anew
    assert sweeps.beat(first.key, agent("dead")).lost
    assert sweeps.report(first.key, [(1, 0.5)]).lost
    assert not sweeps.beat(second.key, agent("alive")).lost


def test_a_trial_that_kills_agents_fails_in_the_end(sweeps: StoredSweeps) -> None:
    sweep = sweeps.create({**RANDOM, "run_cap": 1})
    offers = [sweeps.lease(sweep.id, agent(str(turn), lease_s=0.0)).what for turn in range(7)]
    assert offers == ["trial"] * 5 + ["over"] * 2
    (trial,) = sweeps.trials(sweep.id)
    assert (trial.state, trial.failure) == ("failed", "5 agents died over it")


def test_a_trial_goes_on_from_its_checkpoint(sweeps: StoredSweeps) -> None:
    database = sweeps.rows.database
    sweep = sweeps.create(RANDOM)
    first = sweeps.lease(sweep.id, agent()).trial
    assert first is not None
    sweeps.report(first.key, [(1, 0.5)])
    database.execute(
        "INSERT INTO versions (id, project, name, type, version, run_id, created_us, digest, size) "
        "VALUES ('v', 'p', :name, 'model', 0, :run, 0, '', 0)",
        {"run": first.run_id, "name": f"model-{first.run_id}"},
    )
    sweeps.give_back(first.key, "preempted")
    offer = sweeps.lease(sweep.id, agent())
    assert offer.goes_on
    assert offer.trial is not None
    assert (offer.trial.run_id, offer.trial.curve) == (first.run_id, [(1, 0.5)])


def test_the_target_ends_the_sweep(sweeps: StoredSweeps) -> None:
    sweep = sweeps.create({**RANDOM, "metric": {**LOSS, "target": 0.5}})
    running = sweeps.lease(sweep.id, agent("other")).trial
    assert running is not None
    run(sweeps, sweep.id, agent(), 0.9)
    run(sweeps, sweep.id, agent(), 0.5)
    assert sweeps.lease(sweep.id, agent()).what == "wait"  # those that run go on to their end
    assert sweeps.sweep(sweep.id).state == "running"
    sweeps.finish(running.key, Result("finished", {"loss": 3.0}))
    assert sweeps.lease(sweep.id, agent()).reason == "loss has reached its target"
    assert sweeps.sweep(sweep.id).state == "finished"


def test_pause_stop_resume_and_cancel(sweeps: StoredSweeps) -> None:
    sweep = sweeps.create(RANDOM)
    trial = sweeps.lease(sweep.id, agent()).trial
    assert trial is not None
    assert sweeps.change(sweep.id, "pause").state == "paused"
    assert sweeps.lease(sweep.id, agent()).what == "wait"
    sweeps.change(sweep.id, "resume")
    assert sweeps.lease(sweep.id, agent("b")).what == "trial"
    sweeps.change(sweep.id, "stop")
    assert sweeps.lease(sweep.id, agent()).what == "over"
    assert sweeps.beat(trial.key, agent()).order == ""
    sweeps.change(sweep.id, "cancel")
    assert sweeps.beat(trial.key, agent()).order == "cancel"
    with pytest.raises(UsageError, match="takes one that is paused or stopped"):
        sweeps.change(sweep.id, "resume")
    with pytest.raises(NotFound, match="there is no sweep 'x'"):
        sweeps.lease("x", agent())


def test_values_are_found_however_names_are_nested(sweeps: StoredSweeps) -> None:
    sweep = sweeps.create({**RANDOM, "metric": {"name": "val.loss", "goal": "maximize"}, "constraints": [{"metric": "ms", "max": 10}]})  # fmt: skip  # noqa: E501
    trial = sweeps.lease(sweep.id, agent()).trial
    assert trial is not None
    sweeps.finish(trial.key, Result("finished", {"val/loss": 0.25, "ms": 12.0}))
    (after,) = sweeps.trials(sweep.id)
    assert (after.values, after.constraints) == ([0.25], [2.0])
    silent = sweeps.lease(sweep.id, agent()).trial
    assert silent is not None
    sweeps.finish(silent.key, Result("finished", {"val/loss": 0.25}))
    assert str(sweeps.trials(sweep.id)[1].constraints) == "[nan]"  # not logged: neither kept nor broken


def test_the_same_seed_draws_the_same_points_whoever_asks(sweeps: StoredSweeps) -> None:
    points = []
    for _ in range(2):
        sweep = sweeps.create(RANDOM)
        points.append([run(sweeps, sweep.id, agent(str(turn))).trial.point for turn in range(4)])
    assert points[0] == points[1]


def test_no_point_is_tried_twice_and_a_small_space_ends(sweeps: StoredSweeps) -> None:
    config = {
        **RANDOM,
        "parameters": {"a": {"values": [1, 2, 3]}, "q": {"distribution": "q_uniform", "min": 0, "max": 2}},
    }
    sweep = sweeps.create(config)
    points = set()
    while (offer := run(sweeps, sweep.id, agent())).trial is not None:
        points.add((offer.trial.params["a"], offer.trial.params["q"]))
    assert points == {(a, q) for a in (1, 2, 3) for q in (0, 1, 2)}
    assert offer.reason == "every point has been tried"


def test_points_of_the_user_come_first_and_old_ones_are_known(sweeps: StoredSweeps) -> None:
    old = sweeps.create(RANDOM)
    run(sweeps, old.id, agent(), 0.1)
    sweep = sweeps.create({**RANDOM, "initial_points": [{"x": 0.25}], "prior": [old.id]})
    assert run(sweeps, sweep.id, agent()).trial.point == {"x": 0.25}
    assert sweeps.sweep(sweep.id).prior == [(sweeps.trials(old.id)[0].point, [0.1])]
    with pytest.raises(NotFound, match="no sweep and no run"):
        sweeps.create({**RANDOM, "prior": ["nothing"]})


def test_old_sweeps_and_runs_in_files_of_their_own_are_known(bare: Path) -> None:
    """In a folder that machines share each sweep and each run is a file; names may be nested in either way."""
    import treering
    from treering.sweeps.opening import open_sweeps

    config = {**RANDOM, "metric": {"name": "val.loss", "goal": "minimize"}}
    with open_sweeps(f"shared:{bare}") as shared:
        old = shared.create(RANDOM)
        point = run(shared, old.id, agent(), 0.125).trial.point
        assert shared.create({**RANDOM, "prior": [old.id]}).prior == [(point, [0.125])]
        with treering.init("p", id="old-run", dir=bare, mode="offline", config={"x": 0.5}) as one:
            one.log({"val/loss": 0.25})
        prior = shared.create({**config, "prior": ["old-run"]}).prior
        assert prior == [({"x": 0.5}, [0.25])]
    with open_sweeps(str(bare)) as stored:
        assert stored.create({**config, "prior": ["old-run"]}).prior == prior
        with pytest.raises(NotFound, match="no sweep and no run"):
            stored.create({**config, "prior": ["nothing"]})


def test_a_stale_lock_of_a_shared_folder_is_broken(tmp_path: Path) -> None:
    sweeps = StoredSweeps(SharedFile(tmp_path / "s.db"))
    sweep = sweeps.create(RANDOM)
    from treering.lease import boot_id, host_name

    lock = tmp_path / "s.db.lock"
    lock.write_text(f'{{"host":"{host_name()}","boot":"{boot_id()}","pid":{2**22 + 1}}}')
    assert sweeps.lease(sweep.id, agent()).what == "trial"
    assert not lock.exists()


def test_a_trial_ends_once(sweeps: StoredSweeps) -> None:
    sweep = sweeps.create(RANDOM)
    trial = sweeps.lease(sweep.id, agent()).trial
    assert trial is not None
    assert sweeps.finish(trial.key, Result("failed", {}, "boom"))
    assert not sweeps.finish(trial.key, Result("finished"))
    assert not sweeps.finish(Key(sweep.id, 99, 1), Result("finished"))
    assert sweeps.trials(sweep.id)[0].failure == "boom"
