"""Processes that log at full speed until they are killed.

What a victim has done is how many `log()` calls have returned. Run as a program, this file takes orders on stdin, one a
line; see `victims`.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from victims import STARTED, Victims, opened, serve

#: What a victim does with its life.
LOG, FINISH, RECOVER = "log", "finish", "recover"
_BEFORE_END = STARTED + 1  # a moment


@dataclass(frozen=True)
class Order:
    """One victim.

    Attributes:
        store: its folder.
        run_id: of its run; one that is there is gone on with.
        act: LOG: killed while logging; FINISH: while finishing after `rows` rows; RECOVER: while bringing in what
            other victims left.
        delay_s: from the moment that its act began until it is killed.
        rows: before FINISH.
        mode: local or offline.
        small: segments, batches and merges so small that all that happens once an hour happens all the time.
    """

    store: str
    run_id: str
    act: str = LOG
    delay_s: float = 0.0
    rows: int = 0
    mode: str = "local"
    small: bool = False


@dataclass(frozen=True)
class Killed:
    """What became of a victim: rows whose `log()` had returned, and whether it was killed rather than done before."""

    rows: int
    killed: bool


class Yard:
    """Where they live and die."""

    def __init__(self, victims: Victims) -> None:
        self._victims = victims

    def kill(self, order: Order) -> Killed:
        """Start a victim and kill it."""
        return Killed(*self._victims.kill(order))


@contextlib.contextmanager
def open_yard(folder: Path) -> Iterator[Yard]:
    """Start the process that all victims are forked off; what they print goes to a file in `folder`."""
    with opened(__file__, folder) as victims:
        yield Yard(victims)


def row(number: int) -> dict[str, Any]:
    """What row `number` holds: dense and sparse columns, text, and one whose kind changes."""
    data: dict[str, Any] = {"number": number, "noise": (number * 2654435761 % 2**32) / 2**32}
    if number % 3 == 0:
        data["third"] = -number
    if number % 50 == 0:
        data["text"] = f"row {number}"
    if number % 10 == 0:
        data["mixed"] = number if number % 20 else number / 7
    return data


def expected_columns(count: int) -> dict[str, list[Any]]:
    """The columns of rows 0 to `count` - 1."""
    for number in range(_known_rows(), count):
        for key, value in row(number).items():
            numbers, values = _known.setdefault(key, ([], []))
            numbers.append(number)
            values.append(value)
    return {
        key: values[: bisect_left(numbers, count)] for key, (numbers, values) in _known.items() if numbers[0] < count
    }


_known: dict[str, tuple[list[int], list[Any]]] = {}


def _known_rows() -> int:
    return len(_known["number"][0]) if _known else 0


# -- in the victim ----------------------------------------------------------------------------------------------------


def be_small() -> None:
    """Let the rare happen often: new segments, transactions, merges at every level."""
    from treering import writer
    from treering.journal import Journal
    from treering.store import columns, history

    assert Journal.__init__.__kwdefaults__ is not None
    Journal.__init__.__kwdefaults__["segment_bytes"] = 64 << 10
    writer.BATCH_BYTES = 8 << 10
    history.FAN_IN = columns.FAN_IN = 3


def live(order: Order, words: memoryview[int]) -> None:
    """What a victim does until it is killed."""
    import treering
    from treering.store.recover import recover_folder

    if order.small:
        be_small()
    if order.act == RECOVER:
        words[1] = STARTED
        recover_folder(Path(order.store))
        return
    run = treering.init(
        project="crash", id=order.run_id, dir=order.store, mode=order.mode, resume="allow",
        settings={"flush_interval_s": 0.01 if order.small else 0.05},
    )  # fmt: skip
    log, number = run.log, run.step
    words[1] = STARTED
    while order.act == LOG or number < order.rows:
        log(row(number))
        number += 1
        words[0] = number
    words[1] = _BEFORE_END
    run.finish()


# -- in the process that forks and kills ------------------------------------------------------------------------------


def main() -> None:
    """Import all that a victim needs, start no thread, and take orders."""
    import httpx  # noqa: F401
    import numpy as np  # noqa: F401
    import pcodec  # noqa: F401

    import treering  # noqa: F401
    from treering import start, zstd  # noqa: F401
    from treering.online import uploading  # noqa: F401
    from treering.store import recover, superseded  # noqa: F401

    serve(Order, live, lambda order: _BEFORE_END if order.act == FINISH else STARTED)


if __name__ == "__main__":
    main()
