"""Processes that save, collect and download artifacts, over and over, until they are killed; see `victims`."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from victims import STARTED, Victims, opened, serve

SAVE, PUT, COLLECT, REPACK, DOWNLOAD, RECOVER = "save", "put", "collect", "repack", "download", "recover"


@dataclass(frozen=True)
class Order:
    """Kill a victim `delay_s` after it has begun to do `act`; `number` makes its content and its run its own."""

    act: str
    store: str
    number: int
    delay_s: float


@contextlib.contextmanager
def open_yard(folder: Path) -> Iterator[Victims]:
    """Start the process that all victims are forked off."""
    with opened(__file__, folder) as victims:
        yield victims


def content(number: int, turn: int) -> dict[str, bytes]:
    """The files of a victim's version: one that neighbours share parts of, one of numbers, some small ones."""
    shared = random.Random(number // 3).randbytes(700_000)
    own = random.Random(f"{number} {turn}").randbytes(400_000)
    return {
        "large.bin": shared[:350_000] + own + shared[350_000:],
        "numbers.bin": _numbers(number, turn),
        "small.txt": b"%d %d" % (number, turn),
        "empty": b"",
    }


def _numbers(number: int, turn: int) -> bytes:
    """Return numbers that are near to those of other turns, so that they may be stored as differences."""
    import numpy as np

    values = np.random.default_rng(0).standard_normal(100_000, np.float32)
    moves = np.random.default_rng([number, turn]).standard_normal(1000, np.float32)
    return bytes((values * np.repeat(1 + 0.001 * moves, 100)).astype(np.float32).tobytes())


def write(folder: Path, files: dict[str, bytes]) -> None:
    """Write files into a folder, over those that are there."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def live(order: Order, words: memoryview[int]) -> None:
    """What a victim does until it is killed."""
    import treering
    from treering.artifacts.collecting import collect
    from treering.artifacts.depot import Depot
    from treering.artifacts.repacking import repack
    from treering.store import Store
    from treering.store.recover import recover_folder

    store = Path(order.store)
    source = store.parent / f"source-{order.number}"
    words[1] = STARTED
    if order.act == SAVE:
        run = treering.init("p", id=f"r{order.number}", dir=store, settings={"flush_interval_s": 0.01})
        for turn in range(1000):
            write(source, content(order.number, turn))
            run.log_artifact(source, name=f"m{order.number % 3}", metadata={"number": order.number, "turn": turn})
            words[0] = turn + 1
            if turn % 3 == 2:
                run.flush()
    for turn in range(1000):
        if order.act == PUT:
            write(source, content(order.number, turn))
            artifact = treering.Artifact(f"m{order.number % 3}", metadata={"number": order.number, "turn": turn})
            artifact.add_dir(source)
            artifact.save("p", dir=store)
        elif order.act == COLLECT:
            with Store.open(store) as opened:
                collect(Depot(opened.database, store), grace_s=0.0)
        elif order.act == REPACK:
            with Store.open(store) as opened:
                repack(Depot(opened.database, store))
        elif order.act == DOWNLOAD:
            for version in treering.Api(store).versions():
                version.download(store.parent / "downloads" / f"{version.name}-{version.version}")
        else:
            recover_folder(store)
        words[0] = turn + 1


def main() -> None:
    """Import all that a victim needs, start no thread, and take orders."""
    import blake3  # noqa: F401
    import numpy as np  # noqa: F401
    import pyfastcdc  # noqa: F401

    import treering  # noqa: F401
    from treering import start, zstd  # noqa: F401
    from treering.artifacts import (
        Artifact,  # noqa: F401
        alone,  # noqa: F401
        collecting,  # noqa: F401
        interrupted,  # noqa: F401
        leasing,  # noqa: F401
        reading,  # noqa: F401
        repacking,  # noqa: F401
        saver,  # noqa: F401
        usage,  # noqa: F401
    )
    from treering.store import recover, superseded  # noqa: F401

    serve(Order, live)


if __name__ == "__main__":
    main()
