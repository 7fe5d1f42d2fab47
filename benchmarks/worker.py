"""The measured process: `python -m benchmarks.worker REQUEST`, started by `benchmarks.process.Child`.

Imports nothing heavy: what the measure imports is part of what is measured.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.control import Control
from benchmarks.trackers import load
from benchmarks.trackers.base import UnavailableError


def main() -> None:
    request = json.loads(sys.argv[1])
    scratch = Path(request["scratch"])
    measure = importlib.import_module(f"benchmarks.measures.{request['measure']}")
    control = Control(request["receive_fd"], request["send_fd"])
    try:
        result = measure.child(load(request["tracker"]), request["parameters"], scratch, control)
    except UnavailableError as reason:
        result = {"cannot": str(reason)}
    Path(request["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
