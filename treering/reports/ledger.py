"""Reports in the store, with all their versions and what people say of them."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

    from treering.api._sources import Source
    from treering.store.database import Database

__all__ = ["Changed", "Comment", "Report", "Reports", "Version", "open_reports"]

_LONGEST_TITLE = 300
_LONGEST_TEXT = 500_000
_LONGEST_COMMENT = 20_000
_LONGEST_NAME = 100


class Changed(UsageError):  # noqa: N818  # says what is wrong
    """Somebody else has saved the report meanwhile.

    Args:
        report: as it is now.
        version: that the change was made to.
    """

    def __init__(self, report: Report, version: int) -> None:
        who = report.author or "somebody"
        super().__init__(
            f"{who} has saved version {report.version} of this report meanwhile, and what is to be saved was made of "
            f"version {version}; look at the newer one first"
        )
        self.report = report


class Report(msgspec.Struct, frozen=True):
    """A report as it is now.

    Attributes:
        id: eight letters.
        project: that it belongs to.
        title: for people.
        author: who saved it last; "" for nobody who said a name.
        created_us: microseconds since 1970.
        updated_us: when it was saved last.
        version: number of its newest version, from 1 on.
    """

    id: str
    project: str
    title: str
    author: str
    created_us: int
    updated_us: int
    version: int


class Version(msgspec.Struct, frozen=True):
    """A report as it was saved once.

    Attributes:
        number: from 1 on.
        time_us: when.
        author: who.
        title: then.
        size: letters of its text.
        restored: the version that was brought back with it, or None.
    """

    number: int
    time_us: int
    author: str
    title: str
    size: int
    restored: int | None


class Comment(msgspec.Struct, frozen=True):
    """What somebody says of a report.

    Attributes:
        id: of eight letters.
        reply_to: the comment that it answers, or None.
        author: who.
        time_us: when.
        text: plain text.
        resolved_us: when it was settled; None while it is open.
        resolved_by: who settled it.
    """

    id: str
    reply_to: str | None
    author: str
    time_us: int
    text: str
    resolved_us: int | None
    resolved_by: str


_REPORT = "id, project, title, author, created_us, updated_us, version"
_COMMENT = "id, reply_to, author, time_us, text, resolved_us, resolved_by"


class Reports:
    """The tables `reports`, `report_versions` and `report_comments`.

    Args:
        database: open for writing, or for reading alone by whoever only reads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self, project: str | None = None) -> list[Report]:
        """Return the reports, the last changed first."""
        rows = self._database.query(
            f"SELECT {_REPORT} FROM reports WHERE (:every = 1 OR project = :project) ORDER BY updated_us DESC, id",
            {"every": int(project is None), "project": project or ""},
        )
        return [Report(*row) for row in rows]

    def report(self, report_id: str) -> Report:
        """Return one.

        Raises:
            NotFound: there is none of this id.
        """
        rows = self._database.query(f"SELECT {_REPORT} FROM reports WHERE id = :id", {"id": report_id})
        if not rows:
            raise NotFound(f"there is no report {report_id!r}; `treering report ls` lists them")
        return Report(*rows[0])

    def text(self, report_id: str, version: int) -> tuple[str, str]:
        """Return the title and the text of a version.

        Raises:
            NotFound: there is no such version.
        """
        rows = self._database.query(
            "SELECT title, text FROM report_versions WHERE report_id = :id AND number = :number",
            {"id": report_id, "number": version},
        )
        if not rows:
            raise NotFound(f"report {report_id!r} has no version {version}")
        return rows[0][0], rows[0][1]

    def versions(self, report_id: str) -> list[Version]:
        """Return what is known of its versions, the newest first."""
        rows = self._database.query(
            "SELECT number, time_us, author, title, LENGTH(text), restored FROM report_versions "
            "WHERE report_id = :id ORDER BY number DESC",
            {"id": report_id},
        )
        return [Version(*row) for row in rows]

    def create(self, project: str, title: str, text: str, author: str = "") -> Report:
        """Keep a new report.

        Raises:
            UsageError: no title, or more than there is room for.
        """
        if not project:
            raise UsageError("a report needs a project")
        report = Report(secrets.token_hex(4), project, _title(title), _author(author), now_us(), now_us(), 1)
        with self._database.transaction():
            self._database.execute(
                "INSERT INTO reports (id, project, title, author, created_us, updated_us, version) "
                "VALUES (:id, :project, :title, :author, :created_us, :updated_us, :version)",
                msgspec.structs.asdict(report),
            )
            self._add_version(report, text, None)
        return report

    def save(
        self,
        report_id: str,
        version: int,
        title: str,
        text: str,
        author: str = "",
        *,
        restored: int | None = None,
    ) -> Report:
        """Save the next version.

        Args:
            report_id: of the report.
            version: that the change was made to.
            title: for people.
            text: Markdown.
            author: who saves it.
            restored: the version that is brought back with it.

        Raises:
            NotFound: there is no such report.
            Changed: somebody has saved another version meanwhile.
            UsageError: no title, or more than there is room for.
        """
        given = {"title": _title(title), "author": _author(author), "now": now_us(), "id": report_id, "old": version}
        with self._database.transaction():
            changed = self._database.execute(
                "UPDATE reports SET title = :title, author = :author, updated_us = :now, version = version + 1 "
                "WHERE id = :id AND version = :old",
                given,
            )
            report = self.report(report_id)
            if not changed:
                raise Changed(report, version)
            self._add_version(report, text, restored)
        return report

    def _add_version(self, report: Report, text: str, restored: int | None) -> None:
        if len(text) > _LONGEST_TEXT:
            raise UsageError(f"the report has {len(text):,} letters; {_LONGEST_TEXT:,} are taken")
        self._database.execute(
            "INSERT INTO report_versions (report_id, number, time_us, author, title, text, restored) "
            "VALUES (:id, :number, :time_us, :author, :title, :text, :restored)",
            {
                "id": report.id,
                "number": report.version,
                "time_us": report.updated_us,
                "author": report.author,
                "title": report.title,
                "text": text,
                "restored": restored,
            },
        )

    def delete(self, report_id: str) -> None:
        """Delete a report with its versions and comments.

        Raises:
            NotFound: there is none of this id.
        """
        if not self._database.execute("DELETE FROM reports WHERE id = :id", {"id": report_id}):
            raise NotFound(f"there is no report {report_id!r}")

    # What people say of it

    def comments(self, report_id: str) -> list[Comment]:
        """Return the comments, the oldest first."""
        rows = self._database.query(
            f"SELECT {_COMMENT} FROM report_comments WHERE report_id = :id ORDER BY time_us, id", {"id": report_id}
        )
        return [Comment(*row) for row in rows]

    def add_comment(self, report_id: str, text: str, author: str = "", reply_to: str | None = None) -> Comment:
        """Say something; an answer to an answer answers the first one.

        Raises:
            NotFound: there is no such report, or no such comment to answer.
            UsageError: nothing is said, or too much.
        """
        self.report(report_id)
        if reply_to is not None:
            answered = self._comment(report_id, reply_to)
            reply_to = answered.reply_to or answered.id
        if not text.strip() or len(text) > _LONGEST_COMMENT:
            raise UsageError(f"a comment has 1 to {_LONGEST_COMMENT:,} letters; this has {len(text):,}")
        comment = Comment(secrets.token_hex(4), reply_to, _author(author), now_us(), text, None, "")
        self._database.execute(
            "INSERT INTO report_comments (id, report_id, reply_to, author, time_us, text, resolved_by) "
            "VALUES (:id, :report_id, :reply_to, :author, :time_us, :text, :resolved_by)",
            {**msgspec.structs.asdict(comment), "report_id": report_id},
        )
        return comment

    def settle(self, report_id: str, comment_id: str, author: str = "", *, resolved: bool = True) -> Comment:
        """Say that a comment is settled, or open again.

        Raises:
            NotFound: there is no such comment.
        """
        self._comment(report_id, comment_id)
        given = {"when": now_us() if resolved else None, "who": _author(author) if resolved else "", "id": comment_id}
        self._database.execute(
            "UPDATE report_comments SET resolved_us = :when, resolved_by = :who WHERE id = :id", given
        )
        return self._comment(report_id, comment_id)

    def remove_comment(self, report_id: str, comment_id: str) -> None:
        """Delete a comment and the answers to it.

        Raises:
            NotFound: there is no such comment.
        """
        self._comment(report_id, comment_id)
        self._database.execute("DELETE FROM report_comments WHERE id = :id OR reply_to = :id", {"id": comment_id})

    def _comment(self, report_id: str, comment_id: str) -> Comment:
        rows = self._database.query(
            f"SELECT {_COMMENT} FROM report_comments WHERE report_id = :report AND id = :id",
            {"report": report_id, "id": comment_id},
        )
        if not rows:
            raise NotFound(f"report {report_id!r} has no comment {comment_id!r}")
        return Comment(*rows[0])


@contextmanager
def open_reports(source: Source) -> Generator[Reports]:
    """Open a store's reports for changing them.

    Raises:
        StoreError: the store is read-only.
    """
    database = source.writable()
    try:
        yield Reports(database)
    except StoreError as error:
        if "readonly" in str(error):
            raise StoreError(f"reports cannot be changed, for the store {source.folder} is read-only") from error
        raise
    finally:
        if database is not source.database:
            database.close()


def _title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > _LONGEST_TITLE:
        raise UsageError(f"a report's title has 1 to {_LONGEST_TITLE} letters; {title[:40]!r} has {len(title)}")
    return title


def _author(author: str) -> str:
    author = " ".join(author.split())
    if len(author) > _LONGEST_NAME:
        raise UsageError(f"a name has up to {_LONGEST_NAME} letters; {author[:40]!r}... has {len(author)}")
    return author


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.time_ns() // 1000
