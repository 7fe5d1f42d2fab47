"""Small things that a run is read as: a metric's statistics, an attempt, an event, console output, a file version."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from treering.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from treering.api._sources import Source

__all__ = ["ApiVersion", "Attempt", "ConsoleLine", "ConsoleLog", "Event", "Metric", "VersionFile", "moment"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(time_us: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


class Metric(msgspec.Struct, frozen=True):
    """What is known of one metric without reading its values.

    Attributes:
        key: its name.
        kind: of its newest values.
        count: values of any kind.
        first: the oldest value; None where it is too large to keep here.
        last: the newest value; likewise.
        min: smallest number, NaN left out; None without numbers.
        max: largest number.
        mean: of the finite numbers.
        nan: NaNs among the values.
        x: metric that it is drawn over; None for the step.
        summary: rules of `define_metric`; empty for the default, the last value.
        goal: "minimize", "maximize" or None.
        hidden: not to be drawn by itself.
    """

    key: str
    kind: str
    count: int
    first: Any
    last: Any
    min: float | None
    max: float | None
    mean: float | None
    nan: int
    x: str | None = None
    summary: tuple[str, ...] = ()
    goal: str | None = None
    hidden: bool = False


class Attempt(msgspec.Struct, frozen=True):
    """One stretch of a run between a start, or resumption, and its end.

    Attributes:
        number: 1, 2, ...
        state: how it ended; "rewound" when the program itself went back.
        started: time in UTC.
        ended: time in UTC; None while it goes on, or when nobody saw the end.
        from_step: rows of earlier attempts from this step on are superseded; None when none are.
        first_row: its first row.
        failure: type, message, traceback and step of the exception, if any.
        config_changes: configuration that differs from the attempt before.
        process: pid, host and the like.
        dropped_rows: rows that could not be kept (a full disk).
    """

    number: int
    state: str
    started: datetime
    ended: datetime | None
    from_step: int | None
    first_row: int
    failure: dict[str, Any] | None
    config_changes: dict[str, Any] | None
    process: dict[str, Any] | None
    dropped_rows: int


class Event(msgspec.Struct, frozen=True):
    """Something that happened: `run.log_event`, an alert, or treering's own notes.

    Attributes:
        kind: such as "alert".
        message: for people.
        level: "info", "warn" or "error".
        step: the run's step then.
        time: in UTC.
        fields: everything else that was given.
    """

    kind: str
    message: str
    level: str
    step: int | None
    time: datetime
    fields: dict[str, Any] = {}


class ConsoleLine(msgspec.Struct, frozen=True):
    """One line as it stood at last; a progress bar is one line.

    Attributes:
        number: lines are numbered from 0.
        text: without the line's end; may hold ANSI colours.
        source: "stdout" or "stderr".
        time: of the newest text, in UTC.
    """

    number: int
    text: str
    source: str
    time: datetime


class ConsoleLog:
    """What a run printed. `str(log)` is all of its text, iterating gives `ConsoleLine`s."""

    def __init__(self, lines: Iterable[ConsoleLine]) -> None:
        self._lines = list(lines)

    @property
    def text(self) -> str:
        """All lines, each ended by a line feed."""
        return "".join(f"{line.text}\n" for line in self._lines)

    @property
    def lines(self) -> list[str]:
        """The lines' texts."""
        return [line.text for line in self._lines]

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[ConsoleLine]:
        return iter(self._lines)

    def __getitem__(self, at: int) -> ConsoleLine:
        return self._lines[at]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"ConsoleLog({len(self)} lines)"


class VersionFile(msgspec.Struct, frozen=True):
    """One file of a version: its path inside it, the BLAKE3 digest of its bytes, and its size in bytes."""

    path: str
    digest: str
    size: int


class ApiVersion:
    """A version of a file or folder that a run kept.

    Attributes:
        name: of the collection, such as "model".
        version: 0, 1, 2, ...
        type: such as "model", "dataset" or "file".
        project: that the collection belongs to.
        run_id: run that made it.
        created: time in UTC.
        digest: of all its content.
        size: bytes of all its files.
        aliases: such as "latest" and "best".
        description: for people.
        metadata: what was given along.
    """

    def __init__(self, source: Source, row: Mapping[str, Any], aliases: Iterable[str]) -> None:
        self._source = source
        self.id: str = row["id"]
        self.name: str = row["name"]
        self.version: int = row["version"]
        self.type: str = row["type"]
        self.project: str = row["project"]
        self.run_id: str = row["run_id"]
        self.created = moment(row["created_us"])
        self.digest: str = row["digest"]
        self.size: int = row["size"]
        self.description: str | None = row["description"]
        self.metadata: dict[str, Any] = row["metadata"] or {}
        self.aliases = tuple(aliases)

    def files(self) -> list[VersionFile]:
        """Return its files in order of their paths."""
        rows = self._source.database.query(
            "SELECT path, digest, size FROM version_files WHERE version_id = :id ORDER BY path", {"id": self.id}
        )
        return [VersionFile(*row) for row in rows]

    def read(self, path: str | None = None) -> bytes:
        """Return the bytes of one file, checked; `path` may be left out when there is only one.

        Raises:
            NotFound: no such file, or its bytes are gone.
            CorruptData: its bytes are not what was stored.
        """
        return self._source.blobs.get(self._file(path).digest)

    def _file(self, path: str | None) -> VersionFile:
        files = self.files()
        chosen = [one for one in files if path is None or one.path == path]
        if len(chosen) != 1:
            names = ", ".join(repr(one.path) for one in files[:10])
            raise NotFound(f"{self.name}:v{self.version} has {len(files)} files and none called {path!r}: {names}")
        return chosen[0]

    def download(self, folder: str | Path = ".") -> Path:
        """Copy its files into `folder`, which is made, and return it. Existing files are replaced.

        Raises:
            NotFound: bytes that are gone.
            CorruptData: bytes that are not what was stored; nothing of that file is written.
        """
        target = Path(folder)
        for one in self.files():
            relative = PurePosixPath(one.path)
            if relative.is_absolute() or ".." in relative.parts:
                raise NotFound(f"{self.name}:v{self.version} has a file with the path {one.path!r}, outside its folder")
            self._copy(one, target.joinpath(*relative.parts))
        return target

    def _copy(self, one: VersionFile, place: Path) -> None:
        from treering.errors import CorruptData
        from treering.store.blobs import hash_file

        blob = self._source.blobs.path(one.digest)
        if not blob.is_file():
            raise NotFound(f"the bytes of {one.path!r} of {self.name}:v{self.version} are gone; see `treering doctor`")
        if hash_file(blob) != one.digest:
            raise CorruptData(f"the bytes of {one.path!r} of {self.name}:v{self.version} are damaged")
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.part")
        shutil.copyfile(blob, temporary)
        temporary.replace(place)

    def __repr__(self) -> str:
        aliases = f", {', '.join(self.aliases)}" if self.aliases else ""
        return f"ApiVersion({self.name}:v{self.version}, {self.type}{aliases}, {self.size:,} bytes)"
