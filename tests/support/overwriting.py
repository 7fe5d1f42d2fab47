"""Five checkpoints saved to one path, by any writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from readings import OneRun

from treering.training import Training


def check_one_path(save: Callable[[int], Path], only_run: OneRun, *, linkable: bool = False) -> None:
    """See that each is a version of its own, with its own digest, whatever becomes of the file.

    Args:
        save: writes the i-th checkpoint, and returns the path, which is always the same.
        only_run: reads the run back.
        linkable: whether its writer makes a new file each time.
    """
    training, written, paths = Training("toy", checkpoints="all"), list[bytes](), set[Path]()
    for number in range(5):
        path = save(number)
        paths.add(path)
        written.append(path.read_bytes())
        training.checkpoint(path, step=number, linkable=linkable)
    assert (len(paths), len(set(written))) == (1, 5)
    run = only_run()
    versions = sorted(run.versions(), key=lambda version: version.version)
    assert [version.read() for version in versions] == written
    assert len({version.digest for version in versions}) == 5
    for version in versions:
        version.verify()
