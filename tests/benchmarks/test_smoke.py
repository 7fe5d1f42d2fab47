"""The benchmarks run and write their table; what they measure is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MEASURES = (
    "log_latency",
    "cpu_and_disk",
    "kill",
    "read_series",
    "last_values",
    "training_step",
    "startup",
    "many_writers",
    "memory",
    "artifacts",
    "watch",
    "handover",
    "server_read",
)


@pytest.mark.skipif(sys.platform != "linux", reason="CPU time and memory of process trees come from /proc")
@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_gives_every_one_of_its_figures(measure: str, tmp_path: Path) -> None:
    results, table = tmp_path / "results.json", tmp_path / "RESULTS.md"
    command = [sys.executable, "-m", "benchmarks", measure, "--size", "tiny", "--tracker", "treering"]
    command += ["--json", str(results), "--markdown", str(table)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    entry = json.loads(results.read_text())[measure]
    assert "treering" not in entry["reasons"], entry["reasons"]["treering"]
    listing = [sys.executable, "-m", "benchmarks", "--list", measure]
    figures = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split()
    assert figures
    assert all(len(entry["values"][figure]["treering"]) == 1 for figure in figures)
    assert all(f"{key}" in table.read_text() for key in ("| treering |", "reached"))
