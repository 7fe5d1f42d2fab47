"""The one definition of the database, for SQLite and PostgreSQL alike.

Reading starts at `runs`. A run's recorded streams (`history`, `system`, `console`, `events`) are sparse column
tables: `streams` counts their rows, `columns` names their columns with running statistics, and `chunks` holds the
values of one column over a range of rows. `attempts` says which rows a resumed run has superseded.

Structured values (config, summary, environment ...) are MessagePack, which keeps NaN, infinities and bytes apart
where JSON could not; `run_values` repeats config and summary as one row a key, so that 100,000 runs can be filtered
and sorted inside the database. Times are microseconds since 1970 (UTC). Names are exact Unicode, except that NUL
is written as U+2400, since PostgreSQL's text has no NUL.

The embedded store is created from `schema.sql`, compiled from here (`python -m treering.store.schema`), because
importing SQLAlchemy takes longer than starting a run may.

To change it: raise `FORMAT` in `database.py`, change the tables here, and run `python -m treering.store.schema`.
Stores that exist get what was added by themselves (a column in an old table needs to be NULL or have a
`server_default`); for anything else write a step in `upgrading.py`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from treering.store.database import FORMAT, SCHEMA_SQL
from treering.store.schema_reports import add_reports

__all__ = ["metadata", "sqlite_script"]

metadata = MetaData()

# SQLite numbers rows by itself only for a plain INTEGER key.
_Id = BigInteger().with_variant(Integer, "sqlite")


def _run_column(**options: bool) -> Column[str]:
    return Column("run_id", String, ForeignKey("runs.id", ondelete="CASCADE"), **options)  # type: ignore[arg-type]  # keyword options of Column are untyped


Table(
    "store_info",
    metadata,
    Column("key", String, primary_key=True),
    Column("value", Text, nullable=False),
)

Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("group_name", String),
    Column("job_type", String),
    Column("notes", Text),
    Column("parent_id", String),
    Column("parent_step", BigInteger),
    Column("resume_key", String),
    Column("sweep", String),
    Column("next_step", BigInteger, nullable=False, server_default="0"),
    Column("tags", LargeBinary),
    Column("config", LargeBinary),
    Column("summary", LargeBinary),
    Column("summary_set", LargeBinary),  # the part of the summary that the user set
    Column("definitions", LargeBinary),  # what define_metric said
    Column("failure", LargeBinary),
    Column("capture", LargeBinary),
    Index("runs_by_project", "project", "created_us"),
    Index("runs_by_time", "created_us"),
    Index("runs_by_state", "state"),
    Index("runs_by_resume_key", "resume_key"),
    Index("runs_by_sweep", "sweep"),
)

Table(
    "attempts",
    metadata,
    _run_column(primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("state", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    # Earlier attempts' rows whose step is at or after `from_step` are superseded; NULL supersedes nothing.
    Column("from_step", BigInteger),
    # The first history row of this attempt.
    Column("first_row", BigInteger, nullable=False),
    Column("failure", LargeBinary),
    Column("config_changes", LargeBinary),
    Column("process", LargeBinary),
    # Where in this attempt's journal the database has got to; rows up to here are never appended again.
    Column("journal_segment", BigInteger, nullable=False, server_default="0"),
    Column("journal_offset", BigInteger, nullable=False, server_default="0"),
    Column("dropped_rows", BigInteger, nullable=False, server_default="0"),
)

Table(
    "run_values",
    metadata,
    _run_column(primary_key=True),
    Column("scope", String, primary_key=True),  # "config" or "summary"
    Column("key", String, primary_key=True),
    Column("number", Double),
    Column("text", Text),
    Index("run_values_by_number", "scope", "key", "number"),
)

Table(
    "run_tags",
    metadata,
    _run_column(primary_key=True),
    Column("tag", String, primary_key=True),
    Index("run_tags_by_tag", "tag"),
)

Table(
    "streams",
    metadata,
    _run_column(primary_key=True),
    Column("stream", String, primary_key=True),
    Column("next_row", BigInteger, nullable=False),
)

Table(
    "columns",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    _run_column(nullable=False),
    Column("stream", String, nullable=False),
    Column("key", String, nullable=False),
    Column("kind", String, nullable=False),  # of the newest chunk
    Column("count", BigInteger, nullable=False),
    Column("stats", LargeBinary, nullable=False),
    UniqueConstraint("run_id", "stream", "key"),
)

Table(
    "chunks",
    metadata,
    Column("column_id", _Id, ForeignKey("columns.id", ondelete="CASCADE"), primary_key=True),
    Column("first_row", BigInteger, primary_key=True),
    Column("last_row", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("level", Integer, nullable=False),
    Column("min", Double),
    Column("max", Double),
    Column("nan_count", Integer, nullable=False),
    Column("checksum", BigInteger, nullable=False),
    # Last, since SQLite reads through whatever stands before a column to get at it.
    Column("rows", LargeBinary),  # NULL: every row of the range
    Column("data", LargeBinary, nullable=False),
)

# A version of an artifact is one row here, its files in `manifests`, and their bytes as chunks in packs.
Table(
    "versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run_id", String, nullable=False),  # "" for one that no run made
    Column("created_us", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("files", Integer, nullable=False, server_default="0"),
    Column("stored", BigInteger, nullable=False, server_default="0"),  # bytes that it added to the store
    Column("base_id", String),  # the version that it was started from
    Column("expires_us", BigInteger),
    Column("description", Text),
    Column("metadata", LargeBinary),
    UniqueConstraint("project", "name", "version"),
    Index("versions_by_run", "run_id"),
    Index("versions_by_digest", "digest"),
)

Table(
    "manifests",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),  # grows: whoever has read up to one knows what is new
    Column("version_id", String, ForeignKey("versions.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

Table(
    "version_tags",
    metadata,
    Column("version_id", String, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("tag", String, primary_key=True),
    Index("version_tags_by_tag", "tag"),
)

Table(
    "version_uses",
    metadata,
    Column("version_id", String, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("used_us", BigInteger, nullable=False),
    Column("asked", String, nullable=False),  # the words by which the run asked for it
    Index("version_uses_by_run", "run_id"),
)

# What a run has handed over and the background has not filed yet; the bytes lie in `folder` below the store.
Table(
    "pending_versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("run_id", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("fields", LargeBinary, nullable=False),
    Index("pending_versions_by_run", "run_id"),
)

Table(
    "packs",
    metadata,
    Column("number", _Id, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False, unique=True),  # of the object
    Column("size", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("synced", Integer, nullable=False),  # 0 until the bytes are known to survive a loss of power
    sqlite_autoincrement=True,
)

Table(
    "pack_chunks",
    metadata,
    Column("id", LargeBinary, primary_key=True),  # BLAKE3 of the chunk
    Column("pack", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stored", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("codec", Integer, nullable=False),  # 0 as it is, 1 zstd, 2 planes, 3 difference
    Index("pack_chunks_by_pack", "pack"),
    sqlite_with_rowid=False,
)

# Which chunks one that is stored as a difference cannot be read without; these are stored without one.
Table(
    "chunk_bases",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("base", LargeBinary, primary_key=True),
    Index("chunk_bases_by_base", "base"),
    sqlite_with_rowid=False,
)

Table(
    "aliases",
    metadata,
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("alias", String, primary_key=True),
    Column("version_id", String, ForeignKey("versions.id", ondelete="CASCADE"), nullable=False),
    Column("moved_us", BigInteger, nullable=False),
)

# What a collection is cut down to; one without a row keeps everything.
Table(
    "retention",
    metadata,
    Column("project", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("policy", LargeBinary, nullable=False),
)

# Versions that a rule or their expiry has taken: what they were, without their bytes.
Table(
    "dropped_versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("run_id", String, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("digest", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("description", Text),
    Column("metadata", LargeBinary),
    Column("dropped_us", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Index("dropped_versions_by_name", "project", "name"),
    Index("dropped_versions_by_run", "run_id"),
)

# Versions that stay on this machine when their run is brought to a server.
Table(
    "kept_here",
    metadata,
    Column("version_id", String, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
)

# What has happened in a registry; rows are added and never changed.
Table(
    "registry_events",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("time_us", BigInteger, nullable=False),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),  # "" for what concerns all collections
    Column("version", Integer),
    Column("version_id", String),
    Column("kind", String, nullable=False),
    Column("who", String, nullable=False),
    Column("run_id", String, nullable=False),  # "" where no run did it
    Column("details", LargeBinary, nullable=False),
    Index("registry_events_by_name", "project", "name"),
    sqlite_autoincrement=True,
)

# Runs that come over the network: what has arrived, and when their writer was last heard of.
Table(
    "deliveries",
    metadata,
    _run_column(primary_key=True),
    Column("generation", BigInteger, nullable=False),  # raised by each change, so that a server knows those of others
    Column("version", BigInteger, nullable=False),  # of the run's document; older ones come too late
    Column("fingerprint", String, nullable=False),  # of that document
    Column("said", LargeBinary),  # name, notes and tags in that document; others may have been given here
    Column("stale", Integer, nullable=False, server_default="0"),  # 1: the statistics are to be made anew
    Column("lapsed", Integer, nullable=False, server_default="0"),  # 1: it was given up as lost
    Column("seen_us", BigInteger, nullable=False),
)

# What became of the versions that came over the network: the same content is an older version.
Table(
    "filed_versions",
    metadata,
    Column("id", String, primary_key=True),  # that the writer gave it
    _run_column(nullable=False),
    Column("version_id", String, nullable=False),
    Index("filed_versions_by_run", "run_id"),
)


# What a user wants to be told of, and what has been told: one row a rule, run and occasion.
Table(
    "alert_rules",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),  # "" for every project
    Column("condition", Text, nullable=False),
    Column("targets", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

Table(
    "alerts",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("time_us", BigInteger, nullable=False),
    Column("project", String, nullable=False),
    Column("run_id", String, nullable=False),
    Column("rule_id", String, nullable=False),  # "" for what the training's own code raised
    Column("occasion", String, nullable=False),
    Column("level", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("waiting", LargeBinary),  # targets that have not got it yet; NULL when none is left
    Column("due_us", BigInteger, nullable=False),  # when to try next; moved on by whoever tries, so that one does
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("trouble", Text),
    UniqueConstraint("rule_id", "run_id", "occasion"),
    Index("alerts_by_time", "time_us"),
    Index("alerts_by_run", "run_id"),
    sqlite_autoincrement=True,
)

# What the dashboard's pages look like when somebody has said how: the colour of a run, and settings under a name.
Table(
    "run_colours",
    metadata,
    _run_column(primary_key=True),
    Column("colour", String, nullable=False),  # "#rrggbb", as it is on white
)

Table(
    "views",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("search", Text, nullable=False),  # the page's settings, as its address has them
    Column("is_default", Integer, nullable=False, server_default="0"),
    Column("revision", Integer, nullable=False, server_default="1"),  # raised by each change
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("project", "name"),
)

# A sweep, and the points it tries; the search itself keeps nothing outside of these.
Table(
    "sweeps",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, nullable=False),
    Column("name", String, nullable=False),
    Column("state", String, nullable=False),  # running, paused, stopped, cancelled, finished
    Column("reason", Text, nullable=False, server_default=""),  # why no more trials are made
    Column("created_us", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default="0"),  # raised by each change, of trials too
    Column("created", Integer, nullable=False, server_default="0"),  # trials made so far
    # Who is computing the next point, and when he is taken for dead.
    Column("suggester", String),
    Column("suggester_until_us", BigInteger, nullable=False, server_default="0"),
    Column("source", Text),
    Column("config", LargeBinary, nullable=False),
    Index("sweeps_by_project", "project", "created_us"),
)

Table(
    "trials",
    metadata,
    Column("sweep_id", String, ForeignKey("sweeps.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String, nullable=False),  # waiting, running, finished, stopped, failed, cancelled
    Column("point_key", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("run_id", String, nullable=False),
    Column("agent", String, nullable=False, server_default=""),
    Column("lease_until_us", BigInteger, nullable=False, server_default="0"),
    Column("revision", BigInteger, nullable=False),
    Column("decided", BigInteger, nullable=False, server_default="0"),  # log calls at the last look of early stopping
    Column("holder", LargeBinary),  # the agent, by which others on its machine see whether it lives
    Column("data", LargeBinary, nullable=False),  # everything else
    UniqueConstraint("sweep_id", "point_key"),  # no point is tried twice
    Index("trials_by_revision", "sweep_id", "revision"),
)

add_reports(metadata)


def sqlite_script() -> str:
    """Return the script that creates an embedded store: what `schema.sql` must hold."""
    dialect = sqlite.dialect()
    statements = ["-- Compiled from schema.py by `python -m treering.store.schema`; do not edit."]
    for table in metadata.sorted_tables:
        statements.append(str(CreateTable(table).compile(dialect=dialect)).strip())
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        statements += [str(CreateIndex(index).compile(dialect=dialect)).strip() for index in indexes]
    body = ";\n\n".join(line.replace("\t", "    ").replace(" \n", "\n") for line in statements[1:])
    return f"{statements[0]}\n\n{body};\n\nPRAGMA user_version = {FORMAT};\n"


if __name__ == "__main__":
    SCHEMA_SQL.write_text(sqlite_script(), encoding="utf-8")
