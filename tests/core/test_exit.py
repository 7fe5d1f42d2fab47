"""The end of a program that has just logged a lot: all of it is in the store when the process is gone."""

from __future__ import annotations

from pathlib import Path

from programs import run_program

import treering
from treering.store import Store

PROGRAM = """
import os, time
import treering

run = treering.init(id="r")
for number in range(5):
    path = f"model-{number}.bin"
    with open(path, "wb") as file:
        file.write(os.urandom(1_000_000))
    run.log_artifact(path, name="model", type="model")
for step in range(10_000):
    run.log({"loss": 1 / (step + 1)})
print(time.time(), flush=True)
"""


def test_10_000_rows_and_5_artifacts_are_brought_in_at_exit(tmp_path: Path, store: Path) -> None:
    ended = run_program(PROGRAM, tmp_path)
    assert (ended.code, ended.err) == (0, ""), ended.err
    # Before anything else looks, which would save what is left.
    with Store.open(store) as opened:
        stored = opened.database.query("SELECT COUNT(*) FROM versions WHERE run_id = 'r'")
    assert stored == [(5,)]
    run = treering.Api(store).run("r")
    assert run.state == "finished"
    assert run.history("loss").x.tolist() == list(range(10_000))
    written = {path.read_bytes() for path in tmp_path.glob("model-*.bin")}
    assert {version.read() for version in run.versions()} == written
    assert len(written) == 5
