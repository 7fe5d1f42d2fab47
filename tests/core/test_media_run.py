"""Media the whole way: from `log` through journal, writer and store to the reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as pillow  # noqa: N813
from programs import run_program

import treering
from treering.api import ApiRun
from treering.errors import UnsupportedValue
from treering.media import digests
from treering.store.blobs import Blobs

PIXELS = np.random.default_rng(0).integers(0, 256, (48, 40, 3), np.uint8)


def values(run: ApiRun, key: str) -> list[Any]:
    return [value for _, value in run.media(key)]


def test_comes_back_equal(store: Path, read: Callable[[str], ApiRun]) -> None:
    histogram = treering.Histogram(PIXELS)
    image = treering.Image(PIXELS, caption="noise")
    table = treering.Table(["a", "picture"], [[1.5, image], [None, None]])
    text = treering.Text("long " * 1000, "markdown")
    with treering.init() as run:
        run.log({"a": {"histogram": histogram, "image": image}, "loss": 0.5})
        run.log({"table": table, "text": text, "both": [image, histogram], "pixels": np.float32(1)})
        run.log({"bare": pillow.fromarray(PIXELS)})
        run.log({"a": {"histogram": histogram}})
        table.add_data(2.5, None)  # after the call: no part of the row
    found = read(run.id)
    assert values(found, "a/histogram") == [histogram, histogram]
    assert values(found, "a/image") == [image]
    (stored_table,) = values(found, "table")
    assert stored_table.data == [[1.5, image], [None, None]]
    assert values(found, "text") == [text]
    assert values(found, "both") == [[image, histogram]]
    assert values(found, "bare") == [treering.Image(PIXELS)]
    # The same picture, logged four times, lies there once, beside the text.
    assert len(list(Blobs(store / "blobs").digests())) == 2


def test_the_array_may_change_while_the_writer_works(store: Path, read: Callable[[str], ApiRun]) -> None:
    frame = np.zeros((48, 40, 3), np.uint8)
    with treering.init() as run:
        for step in range(50):
            frame[:] = step
            run.log({"frame": treering.Image(frame), "weights": treering.Histogram(frame)})
        frame[:] = 255
    found = read(run.id)
    assert [image.pixels[0, 0, 0] for image in values(found, "frame")] == list(range(50))
    assert [histogram.max for histogram in values(found, "weights")] == list(range(50))


def test_killed_before_the_writer_came_to_it(store: Path, read: Callable[[str], ApiRun]) -> None:
    ended = run_program(
        """
        import os, signal
        import numpy as np, treering
        run = treering.init(id="killed", settings={"flush_interval_s": 1000})
        run.log({"picture": treering.Image(np.full((48, 40), 7, np.uint8)), "spread": treering.Histogram([1, 2, 2])})
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        store.parent / "program",
        {"TREERING_DIR": str(store)},
    )
    assert ended.code == -9
    found = read("killed")
    assert values(found, "picture") == [treering.Image(np.full((48, 40), 7, np.uint8))]
    assert values(found, "spread") == [treering.Histogram([1, 2, 2])]


def test_a_bad_value_names_its_key(store: Path) -> None:
    with treering.init() as run, pytest.raises(UnsupportedValue, match=r"'net/weights'.*treering\.Histogram\(x\)"):
        run.log({"net": {"weights": np.zeros(10_000)}})


def test_digests_of_what_is_stored(store: Path, read: Callable[[str], ApiRun]) -> None:
    with treering.init() as run:
        run.log({"picture": treering.Image(PIXELS)})
    (image,) = values(read(run.id), "picture")
    reference = treering.Image.store(image.to_payload(), Blobs(store / "blobs"))
    assert list(digests(reference)) == list(Blobs(store / "blobs").digests())
