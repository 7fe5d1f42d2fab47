"""The tables of reports; a part of `schema`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

__all__ = ["add_reports"]


def add_reports(metadata: MetaData) -> None:
    """Add the tables of reports: Markdown whose text is in its versions, the newest of which counts."""
    Table(
        "reports",
        metadata,
        Column("id", String, primary_key=True),
        Column("project", String, nullable=False),
        Column("title", Text, nullable=False),
        Column("author", Text, nullable=False),  # who saved it last; "" for nobody who said a name
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        Column("version", Integer, nullable=False),
        Index("reports_by_project", "project", "updated_us"),
    )

    Table(
        "report_versions",
        metadata,
        Column("report_id", String, ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("time_us", BigInteger, nullable=False),
        Column("author", Text, nullable=False),
        Column("title", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("restored", Integer),  # the version that it brought back
    )

    Table(
        "report_comments",
        metadata,
        Column("id", String, primary_key=True),
        Column("report_id", String, ForeignKey("reports.id", ondelete="CASCADE"), nullable=False),
        Column("reply_to", String),
        Column("author", Text, nullable=False),
        Column("time_us", BigInteger, nullable=False),
        Column("text", Text, nullable=False),
        Column("resolved_us", BigInteger),
        Column("resolved_by", Text, nullable=False),
        Index("report_comments_by_report", "report_id", "time_us"),
    )
