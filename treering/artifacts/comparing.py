"""How two versions differ: their files, the tensors in them, and what is said of them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from treering.artifacts.layers import can_have_layers, layers_of
from treering.errors import CorruptData, NotFound, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from treering.artifacts._artifact import Artifact
    from treering.artifacts._file import ArtifactFile
    from treering.artifacts.layers import Layer, Layers

__all__ = ["FileChange", "TensorChange", "ValueChange", "compare_files", "compare_layers", "compare_values"]

# Numbers compared at once; what that needs beside the tensors themselves is about 64 MiB.
_BLOCK = 2 << 20
_FLOATS = "fc"

Change = Literal["added", "removed", "changed"]


class TensorChange(NamedTuple):
    """How a tensor differs from the one of the same name.

    Attributes:
        change: "added", "removed", "reshaped" (shape or kind), or "changed".
        kind: of its numbers, such as "F32"; the later ones.
        shape: its sizes; the later ones.
        share: of its values that are different, 0 to 1; None unless "changed".
        largest: greatest difference of a value; likewise.
        relative: norm of the difference over the norm of what was before; likewise.
        not_finite: how many of the later values are NaN or infinite.
    """

    name: str
    change: str
    kind: str
    shape: tuple[int, ...]
    share: float | None = None
    largest: float | None = None
    relative: float | None = None
    not_finite: int = 0


class ValueChange(NamedTuple):
    """A number or word that differs, such as an epoch; None where there is none."""

    name: str
    before: object
    after: object


class FileChange(NamedTuple):
    """How a file differs.

    Attributes:
        change: "added", "removed" or "changed".
        size_before: bytes; None for one that was added.
        size_after: bytes; None for one that was removed.
        tensors: that differ, in order of their names; None for a file of another format.
        same: how many tensors are the same.
        values: numbers and words beside the tensors that differ.
        unread: why its tensors were not compared, "" where they were.
    """

    path: str
    change: Change
    size_before: int | None = None
    size_after: int | None = None
    tensors: list[TensorChange] | None = None
    same: int = 0
    values: tuple[ValueChange, ...] = ()
    unread: str = ""


def compare_files(
    before: Artifact,
    after: Artifact,
    *,
    progress: Callable[[int, int], None] | None = None,
    max_bytes: int | None = None,
) -> tuple[list[FileChange], int]:
    """Return the files that differ, in order of their paths, and how many are the same.

    Args:
        before: the earlier version.
        after: the later one.
        progress: told how many bytes of tensors have been compared so far, and of how many.
        max_bytes: tensors of files that are larger than that together are not compared.
    """
    old, new = ({file.path: file for file in version.files()} for version in (before, after))
    changes: list[FileChange] = []
    pace = _Pace([(old[path], new[path]) for path in old.keys() & new.keys()], progress, max_bytes)
    for path in sorted(old.keys() | new.keys()):
        if path not in new:
            changes.append(FileChange(path, "removed", old[path].size))
        elif path not in old:
            changes.append(FileChange(path, "added", None, new[path].size))
        elif old[path].digest != new[path].digest:
            changes.append(_changed(old[path], new[path], pace))
    return changes, len(old.keys() | new.keys()) - len(changes)


class _Pace:
    """Tells how far a comparison is, and what is too much for it."""

    def __init__(
        self,
        pairs: list[tuple[ArtifactFile, ArtifactFile]],
        progress: Callable[[int, int], None] | None,
        max_bytes: int | None,
    ) -> None:
        self.total = sum(_weight(one, other) for one, other in pairs if one.digest != other.digest)
        self.max_bytes = max_bytes
        self._tell = progress
        self._done = 0

    def begin(self, before: ArtifactFile, after: ArtifactFile) -> Callable[[float], None]:
        """Return what is told of the share of a file that is done."""
        start, size = self._done, _weight(before, after)
        self._done += size

        def tell(share: float) -> None:
            if self._tell is not None:
                self._tell(start + int(share * size), self.total)

        tell(0.0)
        return tell


def _weight(before: ArtifactFile, after: ArtifactFile) -> int:
    return before.size + after.size if _has_layers(before, after) else 0


def _has_layers(before: ArtifactFile, after: ArtifactFile) -> bool:
    return can_have_layers(after.path) and before.uri is None and after.uri is None


def _changed(before: ArtifactFile, after: ArtifactFile, pace: _Pace) -> FileChange:
    change = FileChange(after.path, "changed", before.size, after.size)
    if not _has_layers(before, after):
        return change
    if pace.max_bytes is not None and pace.total > pace.max_bytes:
        return change._replace(unread=f"{pace.total:,} bytes of tensors; up to {pace.max_bytes:,} are compared here")
    tell = pace.begin(before, after)
    try:
        with ExitStack() as stack:
            return compare_layers(change, layers_of(before, stack), layers_of(after, stack), tell)
    except (CorruptData, NotFound, UsageError) as error:
        return change._replace(unread=str(error))


def compare_layers(
    change: FileChange, before: Layers, after: Layers, tell: Callable[[float], None] | None = None
) -> FileChange:
    """Return `change` with the tensors and values that differ; `tell` gets the share that is done."""
    old, new = before.tensors, after.tensors
    found: list[TensorChange] = []
    names = sorted(old.keys() | new.keys())
    for at, name in enumerate(names):
        if tell is not None:
            tell(at / len(names))
        if name not in new:
            found.append(TensorChange(name, "removed", old[name].kind, old[name].shape))
        elif name not in old:
            found.append(TensorChange(name, "added", new[name].kind, new[name].shape))
        elif old[name][:2] != new[name][:2]:
            found.append(TensorChange(name, "reshaped", new[name].kind, new[name].shape))
        elif (measured := _measured(name, old[name], new[name])) is not None:
            found.append(measured)
    same = len(names) - len(found)
    return change._replace(tensors=found, same=same, values=compare_values(before.values, after.values))


def compare_values(before: Mapping[str, object], after: Mapping[str, object]) -> tuple[ValueChange, ...]:
    """Return what differs between two sets of plain data, in order of the names."""
    names = sorted(before.keys() | after.keys())
    pairs = [(name, before.get(name), after.get(name)) for name in names]
    return tuple(ValueChange(*pair) for pair in pairs if repr(pair[1]) != repr(pair[2]))


def _measured(name: str, before: Layer, after: Layer) -> TensorChange | None:
    """Return how a tensor has changed, None for one that has not."""
    import numpy as np

    one, other = (np.ascontiguousarray(layer.read()).reshape(-1) for layer in (before, after))
    if one.tobytes() == other.tobytes():
        return None
    changed, not_finite, largest, moved, norm = 0, 0, 0.0, 0.0, 0.0
    for start in range(0, one.size, _BLOCK):
        a, b = one[start : start + _BLOCK], other[start : start + _BLOCK]
        # By their bits, since NaN is not even itself, and -0.0 is 0.0.
        changed += int(np.count_nonzero((_words(a) != _words(b)).any(axis=1)))
        wide = np.complex128 if a.dtype.kind == "c" else np.float64
        x: npt.NDArray[Any] = a.astype(wide)
        difference: npt.NDArray[np.float64] = np.abs(b.astype(wide) - x)
        not_finite += b.size - int(np.isfinite(b).sum()) if b.dtype.kind in _FLOATS else 0
        finite = difference[np.isfinite(difference)]
        largest = max(largest, float(finite.max(initial=0.0)))
        moved += float(np.dot(finite, finite))
        size: npt.NDArray[np.float64] = np.abs(x[np.isfinite(x)])
        norm += float(np.dot(size, size))
    relative = (moved / norm) ** 0.5 if norm else float("inf") if moved else 0.0
    return TensorChange(
        name, "changed", after.kind, after.shape, changed / max(one.size, 1), largest, relative, not_finite
    )


def _words(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the bits of each value as a row of whole numbers."""
    width = min(values.dtype.itemsize, 8)
    return values.view(f"u{width}").reshape(values.size, -1)
