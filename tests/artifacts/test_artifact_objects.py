"""Objects put into an artifact come back as they were: media, arrays, text, plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import treering
from treering.errors import CorruptData, NotFound, UsageError

PIXELS = np.random.default_rng(1).integers(0, 255, (40, 50, 3), dtype=np.uint8)
OBJECTS: dict[str, Any] = {
    "picture": treering.Image(PIXELS, caption="noise"),
    "tiny": treering.Image(PIXELS[:2, :2]),
    "film": treering.Video(np.repeat(PIXELS[None], 4, 0), fps=4, caption="still"),
    "heard": treering.Audio(np.sin(np.arange(800.0)), 8000),
    "page": treering.Html("<h1>a</h1>"),
    "cloud": treering.Object3D(np.arange(30.0).reshape(10, 3)),
    "weights": treering.Histogram(np.arange(100.0)),
    "table": treering.Table(
        columns=["a", "photo"], data=[[1, treering.Image(PIXELS)], [2, treering.Image(PIXELS[:9])]]
    ),
    "notes": treering.Text("# words" * 1000, format="markdown"),
    "folder/plain": {"lr": 0.1, "layers": [1, 2]},
    "array": np.arange(6.0).reshape(2, 3),
    "words": "ключ",
    "raw": b"\0bytes",
}


@pytest.fixture
def artifact(store_dir: Path) -> treering.Artifact:
    made = treering.Artifact("results")
    for name, value in OBJECTS.items():
        made.add(value, name)
    return made.save("p")


@pytest.mark.parametrize("name", OBJECTS)
def test_every_kind_comes_back(name: str, artifact: treering.Artifact, store_dir: Path) -> None:
    value, found = OBJECTS[name], treering.Api(store_dir).version("results").get(name)
    assert type(found) is type(value)
    if isinstance(value, np.ndarray):
        assert np.array_equal(found, value)
    elif isinstance(value, treering.Video):
        assert (found.to_bytes(), found.caption) == (value.to_bytes(), "still")
    else:
        assert found == value


def test_large_bytes_lie_beside_as_files_for_others(artifact: treering.Artifact, tmp_path: Path) -> None:
    paths = {file.path for file in artifact.files()}
    assert {"picture.image.msgpack", "tiny.image.msgpack", "table.table.msgpack", "array.npy", "words.txt"} <= paths
    assert sum(path.startswith("picture.image/") for path in paths) == 1
    assert not any(path.startswith("tiny.image/") for path in paths)  # small enough to be inside
    assert sum(path.startswith("table.table/") and path.endswith(".png") for path in paths) == 2
    assert sum(path.startswith("film.video/") and path.endswith(".gif") for path in paths) == 1
    artifact.download(tmp_path, "picture.image")
    (png,) = (tmp_path / "picture.image").iterdir()
    assert np.array_equal(np.asarray(PIL.Image.open(png)), PIXELS)


def test_names(artifact: treering.Artifact) -> None:
    assert artifact.get("picture.image.msgpack") == artifact.get("picture")
    with pytest.raises(NotFound, match="none called 'nothing'"):
        artifact.get("nothing")
    draft = artifact.new_draft()
    draft.add("again", "array")
    draft.remove("picture.image.msgpack")
    both = draft.save("p")
    with pytest.raises(UsageError, match=r"which may be 'array\.npy' or 'array\.txt'"):
        both.get("array")
    assert both.get("array.txt") == "again"
    assert not [file for file in both.files() if file.path.startswith("picture")]  # what lay beside it went, too
    other = treering.Artifact("other")
    assert other.add(PIL.Image.fromarray(PIXELS), "from pillow") == "from pillow.image.msgpack"
    other.save("p")
    assert np.array_equal(other.get("from pillow").pixels, PIXELS)


def test_files_that_only_look_so(store_dir: Path) -> None:
    artifact = treering.Artifact("a")
    for name, data in (("x.json", b"{"), ("y.npy", b"rubbish"), ("z.image.msgpack", b"\xc1"), ("plain.msgpack", b"1")):
        artifact.add(data, name)
    artifact.save("p")
    for name in ("x", "y", "z"):
        with pytest.raises(CorruptData):
            artifact.get(name)
    assert artifact.get("plain.msgpack") == b"1"
    objects = treering.Artifact("pickled")
    objects.add(b"", "x")
    with objects.new_file("o.npy", "wb") as file:
        np.save(file, np.array([object()]), allow_pickle=True)
    objects.save("p")
    with pytest.raises(CorruptData, match=r"o\.npy"):  # it is a pickle, which is not opened
        objects.get("o")
