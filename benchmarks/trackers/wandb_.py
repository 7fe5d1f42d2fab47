"""Weights & Biases in offline mode; what it leaves is for uploading, so only the number of rows can be read back."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from benchmarks.trackers import base

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MESSAGES = "wandb.proto.wandb_internal_pb2"
_FILE_HEADER_BYTES = 7
_BLOCK_BYTES = 32_768
_RECORD_HEADER_BYTES = 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class Tracker(base.Tracker):
    name = "wandb offline"
    packages = ("wandb",)

    def __init__(self) -> None:
        self._run: Any = None

    def environ(self, store: Path) -> dict[str, str]:
        quiet = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "0"}
        # What artifacts are copied to lies in the user's home otherwise.
        places = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")
        return {**quiet, **dict.fromkeys(places, str(store))}

    def load(self) -> None:
        import_module("wandb")

    def init(self, store: Path, name: str) -> base.LogFunction:
        store.mkdir(parents=True, exist_ok=True)
        self._run = import_module("wandb").init(project="bench", id=name, dir=str(store))
        log: base.LogFunction = self._run.log
        return log

    def finish(self) -> None:
        self._run.finish()

    def steps(self, store: Path, name: str) -> list[int]:
        messages = import_module(_MESSAGES)
        (file,) = store.glob(f"wandb/offline-run-*-{name}/run-{name}.wandb")
        steps: list[int] = []
        for data in _records(file.read_bytes()):
            record: Any = messages.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                steps.append(record.history.step.num)
        return steps

    def load_reader(self) -> None:
        import_module(_MESSAGES)


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a log file cut into blocks as LevelDB cuts it; ends at the first incomplete record."""
    at, pending = _FILE_HEADER_BYTES, b""
    while at + _RECORD_HEADER_BYTES <= len(data):
        left_in_block = _BLOCK_BYTES - at % _BLOCK_BYTES
        if left_in_block < _RECORD_HEADER_BYTES:
            at += left_in_block
            continue
        size = int.from_bytes(data[at + 4 : at + 6], "little")
        kind = data[at + 6]
        body = data[at + _RECORD_HEADER_BYTES : at + _RECORD_HEADER_BYTES + size]
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or len(body) < size:
            return
        at += _RECORD_HEADER_BYTES + size
        pending = body if kind in (_FULL, _FIRST) else pending + body
        if kind in (_FULL, _LAST):
            yield pending
