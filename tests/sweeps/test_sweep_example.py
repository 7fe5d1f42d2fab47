"""The example of a sweep runs, and what it leaves is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import treering
from treering.sweeps.opening import open_sweeps


def test_the_example_finds_a_good_model(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from examples import sweep_digits

    sweep_id = sweep_digits.main()
    with open_sweeps(str(bare)) as sweeps:
        trials = sweeps.trials(sweep_id)
        assert sweeps.sweep(sweep_id).state == "finished"
    assert len(trials) == 9
    assert {one.state for one in trials} <= {"finished", "stopped"}
    assert max(one.values[0] for one in trials if one.values) > 0.9
    runs = treering.Api(bare).runs(filters="sweep = '" + sweep_id + "'")
    assert {run.id for run in runs} == {one.run_id for one in trials}
