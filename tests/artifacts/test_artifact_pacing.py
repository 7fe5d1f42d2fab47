"""What a save takes of the processors beside a training: all that works for it counts, nothing wakes for nothing."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from treering.artifacts import keeper, leasing, pacing
from treering.artifacts.depot import Depot
from treering.artifacts.pacing import Pace
from treering.artifacts.storing import Storing
from treering.store import Store


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processors that others need."""
    monkeypatch.setattr(pacing, "processors", lambda: 2)
    monkeypatch.setattr(pacing, "_idle_s", lambda: 0.0)


def work(seconds: float) -> None:
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass


@pytest.mark.usefixtures("busy")
def test_what_helpers_work_is_rested_for() -> None:
    pace = Pace()
    pace.rest_s()
    pace.rested(pacing._MOST_OWED_S)
    pace.helped_s += 2 * pacing._STINT_S
    rest_s = pace.rest_s()
    assert rest_s >= 2 * pacing._STINT_S * (1 / pacing._SHARE_OF_TWO - 1)
    pace.rested(rest_s)
    assert pace.rest_s() == 0.0


@pytest.mark.usefixtures("busy")
def test_what_is_left_of_a_long_rest_follows_after_more_work() -> None:
    pace = Pace()
    work(0.02)
    rest_s = pace.rest_s()
    assert rest_s == pacing._LONGEST_REST_S
    pace.rested(rest_s)
    work(pacing._STINT_S)
    assert pace.rest_s() == pacing._LONGEST_REST_S, "a rest of 1.2 s was owed"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says which processors a process may use")
def test_only_processors_that_we_may_use_count() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert pacing.processors() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert pacing.processors() == len(before)


def test_a_save_tells_what_the_thread_that_packs_works(store_dir: Path) -> None:
    told: list[float] = []
    parts = [random.Random(seed).randbytes(1 << 20) for seed in range(4)]

    def read_into(view: memoryview) -> int:
        data = parts.pop() if parts else b""
        view[: len(data)] = data
        return len(data)

    with (
        Store.open(store_dir, create=True) as store,
        Storing(Depot(store.database, store.folder), helped=told.append) as one,
    ):
        one.add(read_into)
        one.flush()
    assert sum(told) > 0


def test_the_kernel_wakes_the_keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keeper that looked by itself would do so in the training's time; this one never does."""
    source = Path(keeper.__file__).read_text(encoding="utf-8")
    assert source.count("_POLL_S = 1.0\n") == 1
    never = tmp_path / "keeper.py"
    never.write_text(source.replace("_POLL_S = 1.0\n", "_POLL_S = 3600.0\n"), encoding="utf-8")
    monkeypatch.setattr(keeper, "__file__", str(never))
    path, copy = tmp_path / "weights.bin", tmp_path / "copy"
    path.write_bytes(b"before")
    leasing.stop()
    try:
        assert leasing.keep("k", [(path, copy)]) == [True]
        time.sleep(0.3)  # it has started and gone to sleep; if it has not, it looks before it does
        with path.open("r+b") as file:  # the kernel holds this back until the keeper lets go, or 45 s
            file.write(b"behind")
        assert copy.read_bytes() == b"before"
    finally:
        leasing.let_go("k")
        leasing.stop()
