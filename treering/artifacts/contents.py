"""Objects as files of an artifact: text, bytes, arrays, plain data, and media.

A medium is `NAME.KIND.msgpack`, what `Media.store` makes of it, with the large bytes that it moves out beside it as
files in `NAME.KIND/` that other programs can open (a picture's PNG, a video's MP4).
"""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

from treering.errors import CorruptData, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from treering.media import Media

__all__ = ["encoded", "folder_of", "found_name", "revived"]

_ENDING = ".msgpack"
_DIGEST_LETTERS = 64
#: How files of these kinds begin, and what their names end in.
_BEGINNINGS = (
    (b"\x89PNG", ".png"),
    (b"\xff\xd8\xff", ".jpg"),
    (b"GIF8", ".gif"),
    (b"\x1aE\xdf\xa3", ".webm"),
    (b"OggS", ".ogg"),
    (b"fLaC", ".flac"),
    (b"ID3", ".mp3"),
    (b"glTF", ".glb"),
    (b"ply\n", ".ply"),
)
_INNER = ((b"ftyp", 4, ".mp4"), (b"WEBP", 8, ".webp"), (b"WAVE", 8, ".wav"))


def encoded(value: Any, name: str) -> dict[str, bytes]:
    """Return the files that an object becomes, by their paths; the first is the one to `revived` it from.

    Args:
        value: any object that can be kept.
        name: path inside; gets an ending that says what it is.

    Raises:
        UsageError: nothing that can be kept so.
    """
    from treering.media import wrap

    if isinstance(value, (bytes, bytearray, memoryview)):
        return {name: bytes(cast("bytes", value))}
    if isinstance(value, str):
        return {_with(name, ".txt"): value.encode("utf-8")}
    medium = wrap(value)
    if medium is not None:
        return _encoded_medium(medium, name)
    if hasattr(value, "__array__"):
        import numpy as np

        out = io.BytesIO()
        np.save(out, np.asarray(value), allow_pickle=False)
        return {_with(name, ".npy"): out.getvalue()}
    if isinstance(value, (dict, list, tuple, int, float, bool)) or value is None:
        from treering.plain import to_plain

        text = json.dumps(to_plain(cast("object", value)), ensure_ascii=False, indent=1)
        return {_with(name, ".json"): text.encode("utf-8")}
    raise UsageError(
        f"add() got {type(value).__name__}; it takes text, bytes, arrays, plain data and media (Image, Table, "
        "Histogram, Video, ...). Write other things to a file with new_file()"
    )


def _with(name: str, ending: str) -> str:
    return name if name.endswith(ending) else name + ending


class _Beside:
    """Keeps large bytes as files beside a medium: the `Blobs` that media want."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.files: dict[str, bytes] = {}

    def put(self, data: bytes, /) -> str:
        from blake3 import blake3

        digest = blake3(data).hexdigest()
        self.files[f"{self.folder}/{digest}{_kind_of(data)}"] = data
        return digest

    def get(self, digest: str, /) -> bytes:
        raise NotFound(f"{digest} is being written")


def _kind_of(data: bytes) -> str:
    for beginning, ending in _BEGINNINGS:
        if data.startswith(beginning):
            return ending
    return next((ending for word, at, ending in _INNER if data[at : at + len(word)] == word), "")


def _encoded_medium(medium: Media, name: str) -> dict[str, bytes]:
    from treering.media import store
    from treering.store.values import encode

    path = _with(name, f".{medium.kind}{_ENDING}")
    beside = _Beside(folder_of(path) or path)
    reference = store(medium.kind, medium.to_payload(), beside)
    return {path: encode((medium.kind, reference)), **beside.files}


def folder_of(path: str) -> str | None:
    """Return the folder beside a medium's file, None for a file that is no medium."""
    return path.removesuffix(_ENDING) if path.endswith(_ENDING) else None


def found_name(paths: Iterable[str], name: str) -> str | None:
    """Return the file that an object called `name` has become, None when there is none.

    Raises:
        UsageError: several objects are called so.
    """
    paths = list(paths)
    if name in paths:
        return name
    stem = name.rpartition("/")[2]
    found = [
        path
        for path in paths
        if path.startswith(f"{name}.")
        and (
            path[len(name) :] in {".txt", ".npy", ".json"}
            or (path.endswith(_ENDING) and path.count(".") == 2 + stem.count("."))
        )
    ]
    if len(found) > 1:
        raise UsageError(f"get() got {name!r}, which may be {' or '.join(map(repr, found))}; say which")
    return found[0] if found else None


class _Stored:
    """Reads the large bytes of a medium from the files beside it."""

    def __init__(self, folder: str, files: dict[str, Callable[[], bytes]]) -> None:
        self._files = {path.rpartition("/")[2][:_DIGEST_LETTERS]: read for path, read in files.items()}
        self._folder = folder

    def put(self, _data: bytes, /) -> str:
        raise UsageError(f"{self._folder} is in the store and does not change")

    def get(self, digest: str, /) -> bytes:
        if digest not in self._files:
            raise NotFound(f"{self._folder}/{digest}, which belongs to {self._folder}{_ENDING}, is not in the artifact")
        return self._files[digest]()


def revived(path: str, data: bytes, beside: Callable[[str], dict[str, Callable[[], bytes]]]) -> Any:
    """Return the object that a file was made of; the bytes of a file that no object was.

    Args:
        path: inside the artifact; its ending says what it is.
        data: its bytes.
        beside: gives the files below a folder of the artifact, each as a call that reads it.

    Raises:
        CorruptData: it is not what its ending says.
    """
    try:
        if path.endswith(".txt"):
            return data.decode("utf-8")
        if path.endswith(".json"):
            return json.loads(data)
        if path.endswith(".npy"):
            import numpy as np

            return np.load(io.BytesIO(data), allow_pickle=False)
        folder = folder_of(path)
        if folder is not None and "." in folder.rpartition("/")[2]:
            return _revived_medium(folder, data, beside(folder))
    except ValueError as error:
        raise CorruptData(f"{path!r} is not what its name says: {error}") from error
    return data


def _revived_medium(folder: str, data: bytes, beside: dict[str, Callable[[], bytes]]) -> Media:
    import msgspec

    from treering.media import load
    from treering.store.values import decode

    try:
        kind, reference = decode(data)
    except (msgspec.MsgspecError, TypeError) as error:
        raise CorruptData(f"{folder}{_ENDING} is no medium: {error}") from error
    return load(kind, reference, _Stored(folder, beside))
