"""A server and a store for tests of the dashboard: runs that differ, a long curve with one spike, hostile names."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from store_builder import StoreBuilder

from treering.server.options import ServerOptions
from treering.server.serve import listen, make_server

__all__ = ["HOSTILE", "ROOT", "TOKEN", "XSS", "Served", "fill", "serving"]

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
ROOT = Path(__file__).parents[2]
XSS = "<img src=x onerror=alert(1)>"
HOSTILE = (
    XSS,
    '"><script>alert(1)</script>',
    "javascript:alert(1)//",
    "{{7*7}}",
    "\u202egnp.exe",
    "'; DROP TABLE runs; --",
)


@dataclass
class Served:
    """A server that runs."""

    port: int
    folder: Path
    prefix: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Served]:
    """Serve a store on a free port of this machine."""
    listener = listen("127.0.0.1", 0, exposed=False)
    server = make_server(ServerOptions(folder, TOKEN, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        deadline_s = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        yield Served(listener.getsockname()[1], folder, options.get("root_path", ""))
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


def fill(folder: Path) -> None:
    """Write what the pages show: runs that differ, a long curve with one spike, many runs, hostile names."""
    builder = StoreBuilder(folder)
    steps = np.arange(400)
    for number in range(12):
        lr, optimizer = [0.1, 0.03, 0.01][number % 3], ["adam", "sgd"][number % 2]
        loss = np.exp(-0.01 * (1 + number % 4) * steps) + 0.01 * number
        run = builder.run(
            f"run{number:02d}",
            project="digits",
            name=f"{optimizer}-{number}",
            config={"lr": lr, "optim": {"name": optimizer}, "batch_size": 64},
            summary={"val/loss": float(loss[-1]), "epoch": 9},
            tags=["baseline"] if number == 0 else [],
            state=["finished", "failed"][number == 3],
        )
        rows: list[tuple[int, dict[str, float]]] = [
            (int(step), {"train/loss": float(loss[step]), "epoch": float(step // 40)}) for step in steps
        ]
        for step in range(0, 400, 20):
            rows[step][1]["val/loss"] = float(loss[step]) * 1.1
        if number == 5:
            rows[100][1]["train/loss"] = float("nan")
            rows[200][1]["train/loss"] = float("inf")
        run.log(rows, batch=400)
    values = 2 + 0.5 * np.sin(np.arange(100_000))
    values[61_237] = 9.0
    spike = builder.run("spike", project="spike", name="long", summary={"loss": 2.0})
    for key, kind, column in (
        ("_step", "int64", np.arange(100_000)),
        ("_time", "int64", 1_767_225_600_000_000 + np.arange(100_000) * 10_000),
        ("loss", "float64", values),
    ):
        spike.column(key, kind, range(100_000) if key != "loss" else np.arange(100_000), column)
    for number in range(250):
        builder.run(f"many{number:03d}", project="many", config={"n": number}, summary={"score": float(number % 17)})
    for number, text in enumerate(HOSTILE):
        hostile = builder.run(
            f"evil{number}",
            project=XSS,
            name=text,
            config={text: text},
            summary={text: text, "score": number},
            tags=[text],
            notes=text,
        )
        hostile.log([(step, {f"{text}/{text}": float(step)}) for step in range(5)])
    builder.database.close()
