"""One report, as Python reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from treering.api._records import moment
from treering.errors import NotFound, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from treering.api._api import Api
    from treering.reports import Report, Reports, Version

__all__ = ["ApiReport", "find_report"]


class ApiReport:
    """A report as it was when it was listed.

    Attributes:
        id: eight letters.
        project: that it belongs to.
        title: for people.
        author: who saved it last; "" for nobody who said a name.
        version: number of its newest version.
    """

    def __init__(self, api: Api, kept: Reports, report: Report) -> None:
        self._api = api
        self._kept = kept
        self._report = report
        self.id = report.id
        self.project = report.project
        self.title = report.title
        self.author = report.author
        self.version = report.version

    @property
    def updated(self) -> datetime:
        """When it was saved last, in UTC."""
        return moment(self._report.updated_us)

    @property
    def text(self) -> str:
        """Its Markdown."""
        return self._kept.text(self.id, self.version)[1]

    def versions(self) -> list[Version]:
        """Return what is known of its versions, the newest first."""
        return self._kept.versions(self.id)

    def to_html(self) -> str:
        """Return it as one HTML file, with the numbers as they are now; the file asks no network."""
        from treering.reports.page import page

        return page(self._api, self._report, self.text)

    def export(self, path: str | Path) -> Path:
        """Write that file; it appears whole or not at all.

        Raises:
            StoreError: it cannot be written.
        """
        target = Path(path)
        temporary = target.with_name(f".{target.name}.part")
        try:
            temporary.write_text(self.to_html(), encoding="utf-8", errors="backslashreplace")
            temporary.replace(target)
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}") from error
        finally:
            temporary.unlink(missing_ok=True)
        return target

    def _repr_html_(self) -> str:
        from treering.notebook.cards import report_card

        return report_card(self)

    def __repr__(self) -> str:
        return f"ApiReport({self.project}/{self.id} {self.title!r}, version {self.version})"


def find_report(reports: Sequence[ApiReport], name: str) -> ApiReport:
    """Return the report of an id or a title.

    Raises:
        NotFound: there is none.
        UsageError: several have the title.
    """
    found = [one for one in reports if one.id == name] or [one for one in reports if one.title == name]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"{one.id} (in {one.project}, {one.updated:%Y-%m-%d %H:%M})" for one in found)
        raise UsageError(f"{name!r} may be any of these reports: {listed}; give an id")
    raise NotFound(f"there is no report {name!r}; `treering report ls` lists them")
