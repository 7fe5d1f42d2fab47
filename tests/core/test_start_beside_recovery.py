"""Runs that start while another process looks for dead ones in the same store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import treering

SEARCH = """
import sys
from pathlib import Path
from treering.store.recover import recover_folder
while True:
    recover_folder(Path(sys.argv[1]))
"""
QUIET = {
    "console": False,
    "capture_environment": False,
    "capture_git": False,
    "capture_source": False,
    "system_interval_s": 0,
}


def test_no_run_is_taken_for_dead_while_it_starts(tmp_path: Path) -> None:
    store = tmp_path / "store"
    searchers = [subprocess.Popen([sys.executable, "-c", SEARCH, str(store)]) for _ in range(2)]
    try:
        for number in range(60):
            with treering.init(project="p", name=str(number), dir=str(store), settings=QUIET) as run:
                run.log({"loss": 1.0})
                assert run.store_dir == store
    finally:
        for searcher in searchers:
            searcher.kill()
            searcher.wait()
    with treering.Api(store) as api:
        assert len(api.runs("p")) == 60
