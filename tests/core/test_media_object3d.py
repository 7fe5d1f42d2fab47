"""Clouds of points and meshes: files as they are, points as a PLY that is read here by other means."""

from __future__ import annotations

import io
import struct
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import treering
from treering.api import Api
from treering.errors import CorruptData, TreeringWarning, UnsupportedValue, UsageError
from treering.media import Object3D, load, store
from treering.media import _object3d as module
from treering.store.blobs import Blobs
from treering.store.values import decode, encode

FILES = {
    "glb": b"glTF" + struct.pack("<II", 2, 12),
    "obj": b"# a triangle\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "stl": b"solid in name only".ljust(80, b"\0") + struct.pack("<I12fH", 1, *range(12), 0),
    "ply": b"ply\r\nformat ascii 1.0\r\nelement vertex 1\r\nproperty float x\r\nend_header\r\n0\r\n",
}
TEXT_STL = b"solid a\n facet normal 0 0 1\n  outer loop\n"
CORNERS = np.array(list(product((0.0, 2.0), (0.0, 1.0), (0.0, 5.0))))


def parsed(cloud: Object3D) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return vertices and edges, read number by number as the header says."""
    head, data = cloud.to_bytes().split(b"end_header\n", 1)
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    found: dict[str, list[tuple[Any, ...]]] = {"vertex": [], "edge": []}
    forms: list[tuple[str, int, str]] = []
    for words in (line.split() for line in lines):
        if words[0] == "element":
            forms.append((words[1], int(words[2]), "<"))
        elif words[0] == "property":
            name, count, form = forms.pop()
            forms.append((name, count, form + {"float": "f", "uchar": "B", "int": "i"}[words[1]]))
    for name, count, form in forms:
        for _ in range(count):
            found[name].append(struct.unpack_from(form, data))
            data = data[struct.calcsize(form) :]
    assert data == b""
    return found["vertex"], found["edge"]


POINTS = np.array([[1.5, -2.0, 3.0], [0.0, 0.25, -1e6]])


@pytest.mark.parametrize("kind", [np.asarray, np.float32, np.ndarray.tolist, lambda points: points.astype(np.int64)])
def test_points_become_a_ply(kind: Any) -> None:
    given = kind(POINTS)
    cloud = Object3D(given, caption="a scan")
    vertices, edges = parsed(cloud)
    assert [point[:3] for point in vertices] == [tuple(point) for point in np.asarray(given).tolist()]
    assert len({point[3:] for point in vertices}) == 1
    assert (cloud.format, cloud.points, cloud.labels, cloud.caption, edges) == ("ply", 2, None, "a scan", [])


def test_colours_and_categories() -> None:
    coloured = Object3D(np.hstack([POINTS, [[255, 0, 7.4], [1, 2, 3]]]))
    assert [point[3:] for point in parsed(coloured)[0]] == [(255, 0, 7), (1, 2, 3)]
    categories = np.arange(-1, 9)[:, None]
    points = parsed(Object3D(np.hstack([np.zeros((10, 3)), categories])))[0]
    colours = [point[3:] for point in points]
    assert len(set(colours[1:9])) == 8
    assert colours[0] == colours[8]  # they come round
    assert colours[1] == colours[9]


def test_a_tensor_is_taken() -> None:
    torch = pytest.importorskip("torch")
    points = torch.tensor(POINTS, requires_grad=True)
    assert Object3D(points) == Object3D(POINTS)
    assert Object3D(points.float().bfloat16()).points == 2


def test_what_is_not_finite_is_left_out_with_one_warning() -> None:
    points = np.array([[0, 0, 0, 1], [np.nan, 0, 0, 1], [0, np.inf, 0, 1], [0, 0, 1e300, 1], [0, 0, 0, np.nan]])
    with pytest.warns(TreeringWarning, match="left out 4 of 5 points") as told:
        cloud = Object3D(points)
    assert len(told) == 1
    assert (cloud.points, len(parsed(cloud)[0])) == (1, 1)
    assert Object3D(np.zeros((0, 3))).points == 0  # a scan that hit nothing


def test_boxes_have_edges_whatever_the_order_of_their_corners() -> None:
    turn = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    order = np.random.default_rng(3).permutation(8)
    boxes = [
        {"corners": (CORNERS @ turn + 10)[order], "label": "car", "color": [255, 0, 1]},
        {"corners": CORNERS.tolist(), "label": "car"},
        {"corners": CORNERS * [1, 1, 0], "label": "ground"},
    ]
    cloud = Object3D({"type": "lidar/beta", "points": POINTS, "boxes": np.array(boxes)})
    assert (cloud.points, cloud.labels) == (2, ["car", "ground"])
    vertices, edges = parsed(cloud)
    assert (len(vertices), len(edges)) == (2 + 24, 36)
    # In these words, by which the dashboard finds them.
    assert b"\nelement edge 36\nproperty int vertex1\nproperty int vertex2\nproperty uchar red\n" in cloud.to_bytes()
    assert {edge[2:] for edge in edges[:12]} == {(255, 0, 1)}
    for at in range(2):
        lengths = [
            round(float(np.linalg.norm(np.subtract(vertices[a][:3], vertices[b][:3]))), 3)
            for a, b, *_ in edges[at * 12 : at * 12 + 12]
        ]
        assert sorted(lengths) == [1.0] * 4 + [2.0] * 4 + [5.0] * 4
    assert len(parsed(Object3D({"points": [], "boxes": boxes}))[0]) == 24
    with pytest.warns(TreeringWarning, match="vectors"):
        Object3D({"type": "lidar/beta", "points": POINTS, "vectors": []})


@pytest.mark.parametrize("name", FILES)
def test_files_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "without a suffix"
    path.write_bytes(FILES[name])
    for source in (path, str(path), FILES[name], io.BytesIO(FILES[name])):
        found = Object3D(source)
        assert (found.to_bytes(), found.format, found.points) == (FILES[name], name, 1 if name == "ply" else None)
    assert Object3D(TEXT_STL).format == "stl"


SPACE = np.zeros((2, 3))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (3, UnsupportedValue),
        (None, UnsupportedValue),
        (np.zeros(3), UnsupportedValue),
        (np.zeros((2, 5)), UnsupportedValue),
        (np.zeros((2, 3, 1)), UnsupportedValue),
        ([[1.0], [1.0, 2.0]], UnsupportedValue),
        ([["a", "b", "c"]], UnsupportedValue),
        (np.zeros((2, 3), complex), UnsupportedValue),
        (io.StringIO("v 0 0 0"), UnsupportedValue),
        ({"type": "lidar/gamma", "points": SPACE}, UnsupportedValue),
        ({"boxes": []}, UnsupportedValue),
        ({"points": SPACE, "boxes": [3]}, UnsupportedValue),
        ({"points": SPACE, "boxes": [{"corners": SPACE}]}, UnsupportedValue),
        ({"points": SPACE, "boxes": [{"corners": np.full((8, 3), np.inf)}]}, UnsupportedValue),
        ({"points": SPACE, "boxes": [{"corners": CORNERS, "color": [256, 0, 0]}]}, UsageError),
        ([[0, 0, 0, 0.5]], UsageError),
        ([[0, 0, 0, 0, 0, 256]], UsageError),
        ([[0, 0, 0, 0, 0, -1]], UsageError),
        (b"\x89PNG\r\n\x1a\n", UsageError),
        (b"", UsageError),
        (b"a text\nvoid\n", UsageError),
        ("/no/such/file.glb", UsageError),
    ],
)
def test_what_is_nothing_in_space(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Object3D got"):
        Object3D(value)


def test_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_POINTS", 3)
    monkeypatch.setattr(module, "_MOST_BOXES", 1)
    with pytest.raises(UsageError, match=r"points\[::3\]"):
        Object3D(np.zeros((7, 3)))
    with pytest.raises(UsageError, match="2 boxes"):
        Object3D({"points": SPACE, "boxes": [{}, {}]})


def test_through_the_store(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    cloud = Object3D({"points": POINTS, "boxes": [{"corners": CORNERS, "label": "car"}]}, caption="c")
    reference = store("object3d", decode(encode(cloud)).payload, blobs)
    assert set(reference) == {"format", "points", "labels", "caption", "blob"}  # never inside an answer
    read = load("object3d", decode(encode(reference)), blobs)
    assert (read, repr(read)) == (cloud, "Object3D(2 points, ply, caption='c')")
    assert repr(Object3D(FILES["obj"])) == "Object3D(obj)"
    for payload in ({}, {"format": "ply"}, {"format": "exe", "data": b""}):
        with pytest.raises(CorruptData, match="Object3D"):
            Object3D.from_payload(payload)


def test_logged_and_read_back(store_dir: Path) -> None:
    points: npt.NDArray[np.float64] = POINTS.copy()
    with treering.init() as run:
        run.log({"scan": Object3D(points), "several": [Object3D(points), Object3D(FILES["obj"])]}, step=3)
        points[:] = 0  # ours by now
    (read,) = Api(store_dir).runs()
    assert read.media("scan") == [(3, Object3D(POINTS))]
    assert read.history("several").values[0] == [Object3D(POINTS), Object3D(FILES["obj"])]
