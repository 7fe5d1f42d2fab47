"""Saved views: the settings of a project's page under a name. Of two people who save at once the later one is told."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from treering.errors import NotFound, TreeringError, UsageError

if TYPE_CHECKING:
    from treering.store.database import Database

__all__ = ["NameTaken", "SavedView", "Superseded", "Views"]

_MAX_NAME = 120
_MAX_VIEWS = 1000


class NameTaken(TreeringError):  # noqa: N818  # says what is wrong
    """Another view of the project has this name."""


class Superseded(TreeringError):  # noqa: N818  # the same
    """Somebody has changed the view meanwhile."""


class SavedView(NamedTuple):
    """A view.

    Attributes:
        id: of eight letters; kept when the name changes.
        project: whose page it is of.
        name: unique in its project.
        search: the settings, as the page's address has them.
        is_default: whether the project's page opens with it.
        revision: raised by each change.
        updated_us: when it was last changed, microseconds since 1970.
    """

    id: str
    project: str
    name: str
    search: str
    is_default: bool
    revision: int
    updated_us: int


_FIELDS = ", ".join(SavedView._fields)


class Views:
    """The table `views`.

    Args:
        database: open for writing, or for reading alone by whoever only lists.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, project: str) -> list[SavedView]:
        """Return a project's views by name."""
        rows = self._database.query(
            f"SELECT {_FIELDS} FROM views WHERE project = :project ORDER BY LOWER(name), name", {"project": project}
        )
        return [_view(row) for row in rows]

    def get(self, view_id: str) -> SavedView:
        """Return a view.

        Raises:
            NotFound: there is none of this id.
        """
        rows = self._database.query(f"SELECT {_FIELDS} FROM views WHERE id = :id", {"id": view_id})
        if not rows:
            raise NotFound(f"there is no view {view_id!r}; somebody may have deleted it")
        return _view(rows[0])

    def add(self, project: str, name: str, search: str, *, is_default: bool = False) -> SavedView:
        """Keep a view.

        Raises:
            NameTaken: the project has one of this name.
            UsageError: a name that cannot be shown, or too many views.
        """
        name = _checked(name)
        given = {"id": secrets.token_hex(4), "project": project, "name": name, "search": _text(search)}
        with self._database.transaction():
            if len(self.of(project)) >= _MAX_VIEWS:
                raise UsageError(f"the project has {_MAX_VIEWS:,} views, and no more are taken; delete some")
            added = self._database.execute(
                "INSERT INTO views (id, project, name, search, updated_us) VALUES (:id, :project, :name, :search, :now)"
                " ON CONFLICT (project, name) DO NOTHING",
                {**given, "now": _now_us()},
            )
            if not added:
                raise _taken(name)
            self._make_default(project, given["id"], is_default=is_default)
            return self.get(given["id"])

    def change(
        self, view_id: str, revision: int, *, name: str | None, search: str | None, is_default: bool | None
    ) -> SavedView:
        """Change a view as it was seen by whoever changes it; None leaves as it is.

        Raises:
            NotFound: there is none of this id.
            NameTaken: the project has another one of this name.
            Superseded: it is no longer at this revision.
        """
        with self._database.transaction():
            view = self.get(view_id)
            if view.revision != revision:
                raise Superseded(
                    f"somebody else has changed the view {view.name!r} meanwhile; open it again, or save under another "
                    "name"
                )
            name = view.name if name is None else _checked(name)
            if name != view.name and any(other.name == name for other in self.of(view.project)):
                raise _taken(name)
            changed = self._database.execute(
                "UPDATE views SET name = :name, search = :search, revision = revision + 1, updated_us = :now "
                "WHERE id = :id AND revision = :revision",
                {
                    "name": name,
                    "search": view.search if search is None else _text(search),
                    "now": _now_us(),
                    "id": view_id,
                    "revision": revision,
                },
            )
            if not changed:  # on PostgreSQL somebody may have been between
                raise Superseded(f"somebody else has changed the view {name!r} in this moment; open it again")
            if is_default is not None:
                self._make_default(view.project, view_id, is_default=is_default)
            return self.get(view_id)

    def _make_default(self, project: str, view_id: str, *, is_default: bool) -> None:
        if is_default:
            self._database.execute("UPDATE views SET is_default = 0 WHERE project = :project", {"project": project})
        self._database.execute(
            "UPDATE views SET is_default = :default WHERE id = :id", {"default": int(is_default), "id": view_id}
        )

    def remove(self, view_id: str) -> None:
        """Forget a view.

        Raises:
            NotFound: there is none of this id.
        """
        if not self._database.execute("DELETE FROM views WHERE id = :id", {"id": view_id}):
            raise NotFound(f"there is no view {view_id!r}; somebody may have deleted it")


def _view(row: tuple[object, ...]) -> SavedView:
    view = SavedView._make(row)
    return view._replace(is_default=bool(view.is_default))


def _checked(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= _MAX_NAME or any(letter < " " for letter in name):
        raise UsageError(f"a view's name {name[:40]!r} cannot be taken; give 1 to {_MAX_NAME} letters on one line")
    return _text(name)


def _text(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _taken(name: str) -> NameTaken:
    return NameTaken(f"there is a view {name!r} already; give another name, or open it and save it")


def _now_us() -> int:
    return time.time_ns() // 1000
