"""What the series of TensorBoard's tags are called, wherever in a tree of folders they lie."""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from treering.integrations._event_files import Event

__all__ = ["MOMENT", "SECTIONS", "Names", "name_of", "row_of"]

#: Folders that are a part of the training whose logs lie beside them.
SECTIONS = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "eval": "eval",
    "evaluation": "eval",
    "test": "test",
}
#: What PyTorch's `add_hparams` calls a folder: the time.
MOMENT = re.compile(r"\d{9,}(\.\d+)?")
_NEVER_LOGGED = frozenset({"_step", "_time"})


class Names:
    """Names of series, where one run's events lie in several folders.

    Args:
        root: the folder whose tags keep their names; what lies in a folder below gets that folder's name in front.
            Folders called `train` or `validation`, as Keras makes them, are sections of what lies above them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.parent if root.name.lower() in SECTIONS else root

    def prefix(self, folder: Path) -> str:
        """Return what goes in front of the tags of a folder's files: "", or a text that ends with a slash."""
        for root in (self.root, self.root.parent):
            if folder.is_relative_to(root):
                return prefix_of(folder.relative_to(root))
        return prefix_of(PurePath(folder.name))


def prefix_of(relative: PurePath) -> str:
    """Return a folder's path as the beginning of names."""
    parts = [SECTIONS.get(part.lower(), part) for part in relative.parts if not MOMENT.fullmatch(part)]
    return "".join(f"{part}/" for part in parts)


def name_of(prefix: str, tag: str) -> str:
    """Return the name of a tag's series; what `add_scalars` put into folders of their own is below its tag again."""
    if prefix.startswith(f"{tag}/"):
        return prefix[:-1]
    flat = f"{tag.replace('/', '_')}_"
    if prefix.startswith(flat):
        return f"{tag}/{prefix[len(flat) : -1]}"
    return f"{prefix}{tag}" if tag not in _NEVER_LOGGED else f"{prefix}tag{tag}"


def row_of(event: Event, prefix: str) -> dict[str, Any]:
    """Return an event's values under the names of their series."""
    return {name_of(prefix, tag): value for tag, value in event.values.items()}
