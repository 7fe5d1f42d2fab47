"""The part of an artifact that takes files, while it is a draft."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from treering.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from treering.artifacts.committing import Request
    from treering.artifacts.drafts import Draft

__all__ = ["Filling"]


class Filling:
    """Takes files."""

    _name: str
    _type: str
    _metadata: dict[str, Any]
    _description: str | None
    _aliases: list[str]
    _tags: list[str]
    _ttl: timedelta | None
    _base_id: str | None
    _draft: Draft | None

    def add_file(self, path: str | os.PathLike[str], name: str | None = None) -> str:
        """Take a file, with the content that it has when the artifact is logged.

        Args:
            path: of the file.
            name: path inside the artifact; default the file's own name.

        Returns:
            The path inside the artifact.

        Raises:
            FileNotFoundError: no such file.
            UsageError: a path that cannot be kept, or the artifact is no draft any more.
        """
        return self._open().add_file(path, name)

    def add_dir(
        self,
        path: str | os.PathLike[str],
        name: str | None = None,
        *,
        links: Literal["refuse", "follow", "skip"] = "refuse",
    ) -> list[str]:
        """Take all files below a folder.

        Args:
            path: of the folder.
            name: path inside the artifact that they get in front; default none.
            links: what becomes of links to files outside of the folder.

        Returns:
            The paths inside the artifact.

        Raises:
            FileNotFoundError: no such folder.
            UsageError: a path that cannot be kept, or a link that leads out of the folder.
        """
        return self._open().add_dir(path, name, links)

    def add_reference(
        self, uri: str, name: str | None = None, *, checksum: bool = True, max_objects: int = 100_000
    ) -> list[str]:
        """Take files without copying them: those at an s3://, gs://, az://, http(s):// or file:// address.

        Args:
            uri: of a file, or a folder with all below it.
            name: path inside the artifact.
            checksum: note size and checksum or ETag, so that a change is noticed.
            max_objects: refuse a folder with more files.

        Returns:
            The paths inside the artifact.

        Raises:
            NotFound: nothing is there.
            UsageError: an address of another kind.
            StoreError: it cannot be reached.
        """
        return self._open().add_reference(uri, name, checksum=checksum, max_objects=max_objects)

    def add(self, value: object, name: str) -> str:
        """Take an object; `get` returns it from the version.

        Args:
            value: text, bytes, an array or tensor, plain data, or a medium: `Image`, `Table`, `Histogram`, `Video`, a
                picture of Pillow, a figure, a data frame.
            name: path inside; gets an ending that says what it is, such as ".json" or ".image.msgpack".

        Returns:
            The path inside.

        Raises:
            UsageError: anything else.
        """
        return self._open().add(value, name)

    def new_file(
        self, name: str, mode: Literal["w", "wb"] = "w", encoding: str | None = None
    ) -> AbstractContextManager[IO[Any]]:
        """Lend a new file to write to: `with artifact.new_file("notes.txt") as file: ...`."""
        return self._open().new_file(name, mode, encoding)

    def remove(self, path: str) -> None:
        """Leave a file out of the draft, or all files below a folder.

        Raises:
            NotFound: there is none.
        """
        self._open().remove(str(path))

    def _open(self) -> Draft:
        if self._draft is None:
            raise UsageError(f"{self._name!r} has been logged and does not change any more; new_draft() starts from it")
        return self._draft

    def request(self) -> tuple[Request, Draft]:
        """Return what saving it needs; for treering itself."""
        from treering.artifacts.committing import Request
        from treering.artifacts.registry import actor
        from treering.plain import to_plain

        draft = self._open()
        if not draft.files and not draft.kept:
            raise UsageError(f"artifact {self._name!r} has no files; add_file(), add_dir() or add_reference() first")
        now_us = time.time_ns() // 1000
        request = Request(
            id=os.urandom(16).hex(),
            name=self._name,
            type=self._type,
            aliases=list(self._aliases),
            tags=list(self._tags),
            metadata=cast("dict[str, Any]", to_plain(self._metadata)),
            description=self._description,
            base_id=self._base_id,
            expires_us=None if self._ttl is None else now_us + self._ttl // timedelta(microseconds=1),
            created_us=now_us,
            who=actor(),
        )
        return request, draft
