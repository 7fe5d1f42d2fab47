"""Things in space: clouds of points, and meshes."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from treering._notice import warn, warn_once
from treering.errors import UnsupportedValue, UsageError
from treering.media._arrays import as_array, is_array, is_tensor
from treering.media._base import type_name
from treering.media._files import FileForm, FileMedia, bytes_of, checked_caption

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]

__all__ = ["Object3D"]

Format = Literal["glb", "obj", "stl", "ply"]

_MOST_POINTS = 5_000_000  # a browser still turns these
_MOST_BOXES = 10_000
_MOST_LABELS = 100
_XYZ, _XYZ_CATEGORY, _XYZ_RGB = 3, 4, 6  # numbers a point
_BRIGHTEST = 255
_CORNERS = 8
_STL_HEAD, _STL_FACE = 84, 50  # bytes
#: Of Okabe and Ito, who chose them so that everybody tells them apart; all are seen on white and on black.
_COLOURS = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (128, 128, 128),
    (190, 180, 40),
)
_TAKES = (
    "the path or the bytes of a glb, obj, stl or ply file, points as an array of shape (N, 3) x y z, (N, 4) x y z "
    'category or (N, 6) x y z red green blue, or a dict such as {"type": "lidar/beta", "points": ..., "boxes": ...}'
)


class _Form(FileForm, kw_only=True):
    format: Format
    points: int | None = None
    labels: list[str] | None = None


class Object3D(FileMedia):
    """A cloud of points, or a mesh.

    Args:
        data_or_path: the path, the bytes or an open binary file of a glb, obj, stl or ply, kept as they are; or
            points: an array, tensor or list of shape (N, 3): x, y and z, with z up; (N, 4): a category too, a whole
            number, each of which gets a colour of its own; or (N, 6): red, green and blue too, of 0..255. Or a dict
            with "type" "lidar/beta", "points" as above, and "boxes", each a dict with "corners" (8 points of a box,
            in any order), and perhaps "label" (text) and "color" (red, green, blue). Up to 5,000,000 points become a
            binary PLY, with coordinates of 32 bits; points that are not finite are left out with a warning.
        caption: text to show with it.

    Attributes:
        caption: as given.
        format: of the file.
        points: how many were given, or a PLY file says that it has; None of other files.
        labels: what the boxes are, each word once, or None.

    Raises:
        UnsupportedValue: something that is none of these, or an array of another shape or type.
        UsageError: an argument that does not fit, or a file that is missing, too large or of another format.
    """

    __slots__ = ("labels", "points")

    kind = "object3d"
    form = _Form
    inline_bytes = 0  # a page fetches files

    points: int | None
    labels: list[str] | None

    def __init__(self, data_or_path: object, caption: str | None = None) -> None:
        self.caption, self.labels = checked_caption(caption, "Object3D"), None
        data = bytes_of(data_or_path, "Object3D", _TAKES)
        if data is not None:
            self.format, self.points = _checked_format(data), _points_in(data)
        else:
            cloud, boxes = _parts(data_or_path)
            kept = _finite(_checked_points(cloud, may_be_flat=bool(boxes)))
            corners, colours, labels = _checked_boxes(boxes)
            data, self.format = _ply(kept, corners, colours), "ply"
            self.points, self.labels = len(kept), labels
        self._data = data

    def __repr__(self) -> str:
        many = "" if self.points is None else f"{self.points:,} points, "
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Object3D({many}{self.format}{caption})"


def _format_of(data: bytes) -> Format | None:
    if data[:4] == b"glTF":
        return "glb"
    if re.match(rb"ply\s", data):
        return "ply"
    if (
        len(data) >= _STL_HEAD
        and len(data) >= _STL_HEAD + _STL_FACE * int.from_bytes(data[80:84], "little") > _STL_HEAD
    ):
        return "stl"
    head = data[:65536]
    if re.match(rb"\s*solid\b", head) and re.search(rb"\b(facet|endsolid)\b", head):
        return "stl"
    return "obj" if b"\0" not in head and re.search(rb"^[ \t]*v[ \t]+[-+.\d]", head, re.MULTILINE) else None


def _checked_format(data: bytes) -> Format:
    found = _format_of(data)
    if found is None:
        words = ", ".join(get_args(Format))
        raise UsageError(f"Object3D got {len(data)} bytes that are none of {words}; it takes {_TAKES}. Convert it.")
    return found


def _points_in(data: bytes) -> int | None:
    """Return how many points a PLY says that it has; None of all others."""
    head = data[:4096] if data[:3] == b"ply" else b""
    found = re.search(rb"^element vertex (\d{1,18})\s*$", head, re.MULTILINE)
    return int(found[1]) if found else None


def _parts(value: object) -> tuple[object, list[Mapping[str, object]]]:
    """Return what the points are, and the boxes."""
    if not isinstance(value, dict):
        return value, []
    scene = cast("dict[str, object]", value)
    if scene.get("type", "lidar/beta") != "lidar/beta" or "points" not in scene:
        raise UnsupportedValue(
            f"Object3D got a dict with type {scene.get('type')!r} and {sorted(map(str, scene))}; it takes {_TAKES}."
        )
    unknown = sorted(str(name) for name in scene if name not in {"type", "points", "boxes"})
    if unknown:
        warn_once(f"Object3D leaves out {', '.join(unknown)}: it keeps points and boxes.")
    boxes = scene.get("boxes")
    listed = [] if boxes is None else list(cast("Any", boxes))
    if not all(isinstance(box, dict) for box in listed):
        raise UnsupportedValue(f"Object3D got boxes that are no dicts; it takes {_TAKES}.")
    if len(listed) > _MOST_BOXES:
        raise UsageError(f"Object3D got {len(listed):,} boxes; it takes up to {_MOST_BOXES:,}. Leave some out.")
    return scene["points"], listed


def _checked_points(value: object, *, may_be_flat: bool) -> Array:
    """Return points as an array of shape (N, 6), x y z red green blue."""
    import numpy as np

    array = _numbers(value, "points")
    if not array.size and may_be_flat:
        array = np.zeros((0, _XYZ))
    if array.ndim != 2 or array.shape[1] not in {_XYZ, _XYZ_CATEGORY, _XYZ_RGB}:  # noqa: PLR2004  # rows of numbers
        raise UnsupportedValue(f"Object3D got points of shape {array.shape}; it takes {_TAKES}. Reshape them.")
    if len(array) > _MOST_POINTS:
        step = -(-len(array) // _MOST_POINTS)
        raise UsageError(
            f"Object3D got {len(array):,} points; it takes up to {_MOST_POINTS:,}. Thin them out: points[::{step}]."
        )
    if array.shape[1] == _XYZ_RGB:
        return array.astype(np.float64)
    found = np.empty((len(array), _XYZ_RGB))
    found[:, :_XYZ] = array[:, :_XYZ]
    found[:, _XYZ:] = _COLOURS[0] if array.shape[1] == _XYZ else _colours_of(array[:, _XYZ])
    return found


def _numbers(value: object, what: str) -> Array:
    if not (is_array(value) or is_tensor(value) or isinstance(value, (list, tuple))):
        raise UnsupportedValue(f"Object3D got a {type_name(value)} as {what}; it takes {_TAKES}.")
    try:
        array = as_array(cast("object", value))
    except (TypeError, ValueError) as error:
        raise UnsupportedValue(f"Object3D got {what} that are no array ({error}); it takes {_TAKES}.") from error
    if array.dtype.kind not in "fiub":
        raise UnsupportedValue(f"Object3D got {what} of type {array.dtype}; it takes {_TAKES}. Convert them to floats.")
    return array


def _colours_of(categories: Array) -> Array:
    import numpy as np

    numbers = categories.astype(np.float64)
    known = np.isfinite(numbers)
    whole = np.where(known, numbers, 0)
    if not np.array_equal(whole, np.rint(whole)):
        raise UsageError(
            "Object3D got categories that are no whole numbers; the fourth number of a point says which colour it "
            "gets. Give whole numbers, or (N, 6) with red, green and blue."
        )
    colours = np.array(_COLOURS, np.float64)[np.mod(whole, len(_COLOURS)).astype(np.int64)]
    colours[~known] = np.nan  # as a point that is not finite
    return colours


def _finite(points: Array) -> Array:
    """Return the points that can be drawn; of the others a warning tells."""
    import numpy as np

    with np.errstate(over="ignore"):
        good = np.isfinite(points.astype(np.float32)).all(axis=1)
    kept = points if good.all() else points[good]
    if len(kept) < len(points):
        warn(f"Object3D left out {len(points) - len(kept):,} of {len(points):,} points, which are not finite.")
    _check_colours(kept[:, _XYZ:])
    return kept


def _check_colours(colours: Array) -> None:
    if colours.size and (colours.min() < 0 or colours.max() > _BRIGHTEST):
        raise UsageError(
            f"Object3D got colours of {colours.min():g}..{colours.max():g}; it takes red, green and blue of 0..255. "
            "Scale them."
        )


def _checked_boxes(boxes: list[Mapping[str, object]]) -> tuple[Array, Array, list[str] | None]:
    """Return the corners (B, 8, 3), the colours (B, 3), and the words for them."""
    import numpy as np

    corners, colours = np.zeros((len(boxes), _CORNERS, 3)), np.zeros((len(boxes), 3))
    labels: dict[str, None] = {}
    for at, box in enumerate(boxes):
        found = _numbers(box.get("corners"), "corners of a box")
        colour = _numbers(box.get("color", _COLOURS[5]), "the colour of a box")
        if found.shape != (_CORNERS, 3) or colour.shape != (3,) or not np.isfinite(found).all():
            raise UnsupportedValue(
                f"Object3D got a box with corners of shape {found.shape} and a colour of shape {colour.shape}; it "
                "takes 8 finite corners of x, y and z, and red, green and blue."
            )
        corners[at], colours[at] = found, colour
        if box.get("label") is not None:
            labels[str(box["label"]).encode("utf-8", "backslashreplace").decode()] = None
    _check_colours(colours)
    return corners, colours, list(labels)[:_MOST_LABELS] or None


def _edges(corners: Array) -> npt.NDArray[np.int64]:
    """Return which corners of each box are joined, (B, 12, 2), whatever their order.

    Three corners beside the first span the box if the sums of their ways lead to all the others; of all threes the
    one is taken for which that fits best.
    """
    import numpy as np

    steps = (np.arange(_CORNERS)[:, None] >> np.arange(3)) & 1  # which of the three ways lead to a corner
    first = corners[:, :1]
    best = np.full(len(corners), np.inf)
    names = np.zeros((len(corners), _CORNERS), np.int64)
    for three in combinations(range(1, _CORNERS), 3):
        led = first + steps @ (corners[:, list(three)] - first)
        off = ((led[:, :, None] - corners[:, None]) ** 2).sum(axis=-1)
        cost = off.min(axis=-1).sum(axis=-1)
        better = cost < best
        best[better], names[better] = cost[better], off[better].argmin(axis=-1)
    pairs = [(a, a | 1 << way) for a in range(_CORNERS) for way in range(3) if not a >> way & 1]
    return names[:, np.array(pairs)]


def _ply(points: Array, corners: Array, colours: Array) -> bytes:
    """Return a PLY; the corners of boxes follow the points, and their edges come last."""
    import numpy as np

    vertex = np.dtype([("at", "<f4", 3), ("colour", "u1", 3)])
    vertices = np.zeros(len(points) + corners.shape[0] * _CORNERS, vertex)
    vertices["at"][: len(points)], vertices["colour"][: len(points)] = points[:, :_XYZ], np.rint(points[:, _XYZ:])
    vertices["at"][len(points) :] = corners.reshape(-1, 3)
    vertices["colour"][len(points) :] = np.repeat(np.rint(colours), _CORNERS, axis=0)
    head = ["ply", "format binary_little_endian 1.0", "comment made by treering", f"element vertex {len(vertices)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    tint = [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    head += tint
    data = vertices.tobytes()
    if len(corners):
        joined = _edges(corners) + (len(points) + _CORNERS * np.arange(len(corners)))[:, None, None]
        edges = np.zeros(joined.shape[0] * joined.shape[1], np.dtype([("ends", "<i4", 2), ("colour", "u1", 3)]))
        edges["ends"] = joined.reshape(-1, 2)
        edges["colour"] = np.repeat(np.rint(colours), joined.shape[1], axis=0)
        head += [f"element edge {len(edges)}", "property int vertex1", "property int vertex2", *tint]
        data += edges.tobytes()
    return "\n".join([*head, "end_header", ""]).encode("ascii") + data
