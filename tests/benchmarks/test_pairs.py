"""Pairs of slices: what the median and its uncertainty are, and that a gate holds what works beside."""

from __future__ import annotations

import random
import threading
import time

import pytest

from benchmarks.pairs import Gate, measured, slowdown


def test_a_median_knows_how_sure_it_is() -> None:
    draw = random.Random(1)
    assert slowdown([1.1] * 20) == pytest.approx((10.0, 0.0, 20))
    assert slowdown([1.0]) == (0.0, 0.0, 1)
    few, many = ([draw.gauss(1.05, 0.2) for _ in range(count)] for count in (25, 2500))
    assert slowdown(many).error < slowdown(few).error / 5
    # A few slices in which the machine stood still say nothing.
    assert slowdown([*many, *[50.0] * 20]).percent == pytest.approx(slowdown(many).percent, abs=1)
    # What is said to hold in 95 of 100 cases does.
    found = [slowdown([draw.gauss(1.05, 0.2) for _ in range(40)]) for _ in range(200)]
    assert sum(abs(one.percent - 5) <= 2 * one.error for one in found) > 180


def test_a_gate_holds_and_rests_go_on_behind_it() -> None:
    gate, passed, ends = Gate(), 0, threading.Event()

    def beside() -> None:
        nonlocal passed
        while not ends.is_set():
            gate.rest(1e-4)
            passed += 1

    thread = threading.Thread(target=beside)
    thread.start()
    try:
        found = measured(gate, lambda: time.sleep(1e-4), thread.is_alive, 0.001, 3)
        assert found.pairs == 3
        gate.close()
        time.sleep(0.01)  # for the one that had begun
        held = passed
        assert not threading.Event().wait(0.05)
        assert passed <= held + 1
        gate.open()
        deadline = time.monotonic() + 60
        while passed <= held + 1:
            assert time.monotonic() < deadline
    finally:
        ends.set()
        gate.open()
        thread.join()
