"""What the commands of `treering artifact` share: progress, the facts of a version, and the chunks of a store."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from treering.cli import _format as fmt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from treering.artifacts import Artifact
    from treering.artifacts.depot import Depot

__all__ = ["depots", "facts_of", "progress_bar", "title", "words"]


def title(artifact: Artifact) -> str:
    """Return a version's name and number."""
    return f"{artifact.name}:v{artifact.version}"


@contextmanager
def progress_bar(total: int, doing: str, *, quiet: bool) -> Generator[Callable[[int], None]]:
    """Show how far something is, where a person is looking; lends the call that is told of bytes done."""
    if quiet or not sys.stderr.isatty():
        yield lambda _size: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda size: progress.advance(task, size)


def facts_of(artifact: Artifact) -> dict[str, Any]:
    """Return what there is to say of a version."""
    return {
        "name": artifact.name,
        "version": artifact.version,
        "type": artifact.type,
        "project": artifact.project,
        "stage": artifact.stage,
        "aliases": artifact.aliases,
        "tags": artifact.tags,
        "size": artifact.size,
        "stored": artifact.stored,
        "digest": artifact.digest,
        "created": artifact.created,
        "run": artifact.run_id or None,
        "expires": None if artifact.ttl is None else artifact.created + artifact.ttl,
        "description": artifact.description,
        "metadata": artifact.metadata,
    }


def words(key: str, value: Any) -> str:
    """Return one of the facts as people read it."""
    if key in {"size", "stored"}:
        return fmt.size(value)
    if hasattr(value, "astimezone"):
        return str(value.astimezone().strftime("%Y-%m-%d %H:%M:%S"))
    return ", ".join(map(str, cast("tuple[str, ...]", value))) if isinstance(value, tuple) else fmt.value(value)


@contextmanager
def depots(place: str | None, *, writing: bool) -> Generator[list[Depot]]:
    """Lend the chunks of each database of a store."""
    from treering.api._sources import open_sources
    from treering.artifacts.depot import Depot

    sources = open_sources(place)
    databases = [source.writable() if writing else source.database for source in sources]
    try:
        yield [Depot(database, source.folder) for database, source in zip(databases, sources, strict=True)]
    finally:
        for database in {*databases, *(source.database for source in sources)}:
            database.close()
