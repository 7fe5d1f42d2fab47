"""How often rows go to the store while somebody looks, and while nobody does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from treering.onlookers import Pace, say_gone, say_looking


def test_nobody_looks(tmp_path: Path) -> None:
    assert Pace(tmp_path, "r", 1.0).interval_s() == 1.0
    say_gone(tmp_path, "r")
    assert list(tmp_path.iterdir()) == []


def test_somebody_looks_for_a_while(tmp_path: Path) -> None:
    pace = Pace(tmp_path, "r", 1.0)
    say_looking(tmp_path, "r")
    say_looking(tmp_path, "r")
    assert pace.interval_s() == 0.1
    assert Pace(tmp_path, "other", 1.0).interval_s() == 1.0
    old = time.time() - 60
    os.utime(tmp_path / "watched" / "r", (old, old))  # one that was killed
    assert pace.interval_s() == 1.0
    say_looking(tmp_path, "r")
    assert pace.interval_s() == 0.1
    say_gone(tmp_path, "r")
    assert pace.interval_s() == 1.0


@pytest.mark.parametrize("usual_s", [0.05, 2.5, 60.0])
def test_what_the_user_asked_for_stays(usual_s: float, tmp_path: Path) -> None:
    say_looking(tmp_path, "r")
    assert Pace(tmp_path, "r", usual_s).interval_s() == usual_s


def test_a_store_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "watched").write_text("no folder")
    say_looking(tmp_path, "r")
    say_gone(tmp_path, "r")
    assert Pace(tmp_path, "r", 1.0).interval_s() == 1.0


def test_what_takes_long_is_done_less_often(tmp_path: Path) -> None:
    say_looking(tmp_path, "r")
    pace = Pace(tmp_path, "r", 1.0)
    assert pace.interval_s(0.001) == 0.1
    assert 0.1 < pace.interval_s(0.05) < 1.0
    assert pace.interval_s(5.0) == 1.0
