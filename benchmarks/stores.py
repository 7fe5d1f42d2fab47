"""Stores of a size that nobody would train for, written by hand; and a server over them."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.trackers.base import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.harness import Bench, Values

__all__ = ["KEY", "builder_of", "fill_axes", "fill_spike", "fill_table", "serving", "treering_only"]

KEY = "benchmark-key-benchmark-key-benchmark-key"
_SUPPORT = Path(__file__).parents[1] / "tests" / "support"


def treering_only(bench: Bench, name: str) -> Values:
    """The values of a single child process, for what no other tracker has."""
    if bench.tracker != "treering":
        raise UnavailableError("measured for treering only")
    return bench.child_in(bench.scratch, name=name).result()


def builder_of(store: Path) -> Any:
    """What writes runs into a store without training; from the tests' support."""
    sys.path.insert(0, str(_SUPPORT))
    from store_builder import StoreBuilder

    return StoreBuilder(store)


def fill_axes(run: Any, count: int) -> None:
    """Give a run a step and a time in every row."""
    run.column("_step", "int64", np.arange(count), np.arange(count))
    run.column("_time", "int64", np.arange(count), 1_767_225_600_000_000 + np.arange(count) * 10_000)


def fill_spike(builder: Any, count: int) -> None:
    """Add a run `spike` of a smooth `loss` with one value, 9, that stands out."""
    values = 2 + 0.5 * np.sin(np.arange(count))
    values[count * 3 // 5 + 1] = 9.0
    run = builder.run("spike", project="spike")
    run.column("loss", "float64", np.arange(count), values)
    fill_axes(run, count)


def fill_table(builder: Any, rows: int, columns: int, project: str = "rows") -> None:
    """Add runs with so many values in config and summary together."""
    half = range(columns // 2)
    with builder.database.transaction():
        for number in range(rows):
            config = {f"c{key}": (number * (key + 3)) % 1009 for key in half}
            summary = {f"s{key}": float((number * (key + 7)) % 997) for key in half}
            builder.run(f"{project}{number}", project=project, config=config, summary=summary)


@contextmanager
def serving(store: Path, folder: Path) -> Generator[None]:
    """Serve a store from this process; the port goes to a file `port` in `folder`."""
    from treering.server.options import ServerOptions
    from treering.server.serve import listen, make_server

    listener = listen("127.0.0.1", 0, exposed=False)
    server = make_server(ServerOptions(store, KEY))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    (folder / "port").write_text(str(listener.getsockname()[1]))
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(30)
