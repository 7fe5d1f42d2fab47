"""Runs in a real notebook kernel: what a failing cell says of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import BARE

from treering.api import Api

Execute = Callable[[str], None]


@pytest.fixture
def execute(tmp_path: Path, store: Path) -> Iterator[Execute]:
    """Run a cell; the kernel ends with the test."""
    manager: Any = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    environment = {**os.environ, **BARE}
    kernel, client = manager.start_new_kernel(kernel_name="python3", cwd=str(tmp_path), env=environment)

    def run_cell(code: str) -> None:
        client.execute_interactive(code, timeout=90, output_hook=lambda _message: None)

    yield run_cell
    client.stop_channels()
    kernel.shutdown_kernel()  # as a user does: its runs are ended


def test_an_error_in_a_cell_is_the_failure_of_its_run_alone(execute: Execute, store: Path) -> None:
    execute("import treering; first = treering.init(id='first'); first.log({'loss': 1.0})")
    execute("raise ValueError('too hot')")
    execute("second = treering.init(id='second'); second.log({'loss': 2.0})")
    execute("treering.log({'loss': 3.0})")
    execute("second.finish()")
    runs = {run.id: run for run in Api(store).runs()}
    assert {name: run.state for name, run in runs.items()} == {"first": "failed", "second": "finished"}
    failure = runs["first"].failure
    assert failure is not None
    assert (failure["type"], failure["message"]) == ("ValueError", "too hot")
    assert runs["second"].failure is None
    assert runs["second"].history("loss").values.tolist() == [2, 3]


def test_a_run_that_goes_on_after_a_failing_cell_is_well_again(execute: Execute, store: Path) -> None:
    execute("import treering; run = treering.init(id='r'); run.log({'loss': 1.0})")
    execute("1 / 0")
    execute("run.log({'loss': 2.0})")
    execute("run.finish()")
    run = Api(store).run("r")
    assert (run.state, run.history("loss").values.tolist()) == ("finished", [1, 2])
