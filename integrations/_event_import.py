"""Bringing TensorBoard's logs into a store, once or again and again while they grow."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from treering.errors import NotFound, UnsupportedValue
from treering.importing import ImportedRun, imported_id
from treering.integrations._event_files import EventFile, is_event_file
from treering.integrations._event_names import MOMENT, SECTIONS, Names, name_of, row_of
from treering.media import Histogram, Image, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from treering.integrations._event_files import Event
    from treering.store import Store

__all__ = ["Imported", "find_logs", "import_folder", "log_bytes"]

_COMMIT_BYTES = 4 << 20
_HEAD_BYTES = 64
_LOOKED_AT = 8
_MEDIA: dict[type, str] = {Histogram: "histograms", Image: "images", Text: "texts"}


@dataclass
class Imported:
    """What became of one run's logs.

    Attributes:
        id: of the run.
        name: of the run.
        folder: where its logs are.
        rows: that were added now.
        series: names that were among them.
        media: how many histograms, images and texts.
        left_out: values of plugins that have no counterpart, by plugin.
        damage: files that could not be read to their end, and why.
        is_new: nothing of it was there before.
    """

    id: str
    name: str
    folder: str
    rows: int = 0
    series: set[str] = field(default_factory=set[str])
    media: Counter[str] = field(default_factory=Counter[str])
    left_out: Counter[str] = field(default_factory=Counter[str])
    damage: list[str] = field(default_factory=list[str])
    is_new: bool = True


def find_logs(folder: Path, *, each_folder: bool = False) -> dict[Path, list[Path]]:
    """Return the event files below a folder, oldest first, by the folder of the run that they belong to.

    A folder with event files is a run, as TensorBoard has it, but for those that writers make beside it for one and
    the same training: `train` and `validation` (Keras), a moment (`add_hparams`), a tag and its parts (`add_scalars`).

    Args:
        folder: to look through; links are not followed.
        each_folder: make each folder a run.

    Raises:
        NotFound: there is no event file.
    """
    files: dict[Path, list[Path]] = {}
    for parent, _, names in os.walk(folder):
        if found := sorted(filter(is_event_file, names), key=_began):
            files[Path(parent)] = [Path(parent, name) for name in found]
    if not files:
        raise NotFound(f"there is no event file (*tfevents*) below {folder}; give the folder that TensorBoard shows")
    logs: dict[Path, list[Path]] = {}
    for place in sorted(files):
        owner = place if each_folder else _owner(place, folder, files)
        logs.setdefault(owner, []).extend(files[place])
    return {owner: sorted(found, key=lambda path: _began(path.name)) for owner, found in sorted(logs.items())}


def log_bytes(folder: Path) -> int:
    """Return how many bytes the event files below a folder have, for showing progress."""
    places = ((Path(place), names) for place, _, names in os.walk(folder))
    return sum((place / name).stat().st_size for place, names in places for name in filter(is_event_file, names))


def _began(name: str) -> tuple[int, str]:
    digits = name.partition("tfevents.")[2].partition(".")[0]
    return int(digits) if digits.isdecimal() else 0, name


def _owner(place: Path, top: Path, files: Mapping[Path, list[Path]]) -> Path:
    """Return the folder of the run that the files in `place` are a part of."""
    while place != top:
        above = _part_of(place, files)
        if above is None or not above.is_relative_to(top):
            break
        place = above
    return place


def _part_of(place: Path, files: Mapping[Path, list[Path]]) -> Path | None:
    name = place.name.lower()
    if name in SECTIONS or (MOMENT.fullmatch(name) and place.parent in files):
        return place.parent
    events = [event for path in files.get(place, ()) for event in islice(EventFile(path).read(), _LOOKED_AT)]
    tags = {tag for event in events for tag in event.values}
    if len(tags) != 1:
        return None
    # What `add_scalars("a/b", {"x": 1})` makes for x: a_b_x, or with tensorboardX a/b/x, with a/b in it alone.
    (tag,) = tags
    above = place.parents[min(tag.count("/") + 1, len(place.parents) - 1)]
    for candidate in (place.parent, above):
        relative = place.relative_to(candidate).as_posix()
        if candidate in files and name_of(f"{relative}/", tag) != f"{relative}/{tag}":
            return candidate
    return None


def import_folder(
    store: Store,
    folder: Path,
    *,
    project: str,
    group: str | None = None,
    each_folder: bool = False,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> Iterator[Imported]:
    """Bring the logs below a folder in, one run after the other; what is there already is not added again.

    Args:
        store: open, to write to.
        folder: as TensorBoard takes it.
        project: of the runs.
        group: of the runs.
        each_folder: see `find_logs`.
        progress: told of each so many bytes that were read.

    Yields:
        What became of each run.

    Raises:
        NotFound: there is no event file.
        UsageError: another process is importing the same.
    """
    for owner, files in find_logs(folder, each_folder=each_folder).items():
        relative = owner.relative_to(folder)
        name = folder.resolve().name if relative == Path() else relative.as_posix()
        # tensorboardX gives files of different trainings one name; the first record has the time in microseconds.
        run_id = imported_id("tensorboard", files[0].name, _head(files[0]).hex())
        found = Imported(run_id, name, str(owner))
        with ImportedRun(
            store, run_id, project=project, name=name, group=group, started_s=_first_time(files), notes=f"from {owner}"
        ) as run:
            found.is_new = run.is_new
            _Import(run, owner, found, progress).take(files)
        yield found


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _first_time(files: Iterable[Path]) -> float:
    times = [event.time_s for path in files for event in islice(EventFile(path).read(), 1)]
    return min(times, default=0.0)


class _Import:
    def __init__(self, run: ImportedRun, owner: Path, found: Imported, progress: Callable[[int], None]) -> None:
        self._run = run
        self._owner = owner
        self._names = Names(owner)
        self._found = found
        self._progress = progress
        self._state = "finished"
        self._note: dict[str, Any] = {"from": str(owner), "files": {}, **run.note}
        self._last_s: float = self._note.get("last_s", 0.0)

    def take(self, files: Iterable[Path]) -> None:
        before, rows = dict(self._note["files"]), self._run.rows
        self._note["files"] = dict(before)
        for path in files:
            self._take_file(path)
        self._found.rows = self._run.rows - rows
        if self._run.waiting_bytes or self._note["files"] != before:
            self._commit()
            self._run.end(self._state, self._last_s)

    def _take_file(self, path: Path) -> None:
        key = path.relative_to(self._owner).as_posix()
        offset, plugins = self._note["files"].get(key, (0, {}))
        file = EventFile(path, offset, plugins)
        prefix, seen = self._names.prefix(path.parent), 0
        self._progress(offset)
        for event in file.read():
            self._take(event, prefix)
            if self._run.waiting_bytes > _COMMIT_BYTES:
                self._note["files"][key] = [file.offset, file.plugins]
                self._commit()
            if file.offset - offset - seen >= 1 << 16:
                self._progress(file.offset - offset - seen)
                seen = file.offset - offset
        self._progress(path.stat().st_size - offset - seen)
        self._note["files"][key] = [file.offset, file.plugins]
        if file.damage:
            self._found.damage.append(f"{path}: {file.damage}")

    def _take(self, event: Event, prefix: str) -> None:
        self._last_s = max(self._last_s, event.time_s)
        self._found.left_out.update(event.left_out)
        if event.hparams.values:
            self._run.configure(event.hparams.values)
        self._state = "failed" if event.hparams.state == "failed" else self._state
        if not event.values:
            return
        row = row_of(event, prefix)
        try:
            self._run.log(row, event.step, event.time_s)
        except UnsupportedValue as error:
            self._found.left_out[str(error)] += 1
            return
        self._found.series.update(row)
        for value in row.values():
            several = cast("list[object]", value if isinstance(value, list) else [value])
            if kind := _MEDIA.get(type(several[0])):
                self._found.media[kind] += len(several)

    def _commit(self) -> None:
        self._run.commit({**self._note, "last_s": self._last_s})
