"""Stores that an earlier treering made: brought to today's tables, or read as if they were.

What is missing (tables, columns, indexes) is found by comparing a store with `schema.py` and added; so one kind of
step serves every earlier form. What no comparison can find (values that move, columns that go) is a function in
`STEPS`, run behind that in order of the formats. Alembic's operations do the work, on SQLite and PostgreSQL alike.

An upgrade is one transaction under the database's own lock: whoever comes second finds it done, and one that is cut
off has not happened. Alembic and SQLAlchemy are imported only when there is something to upgrade.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from treering.errors import StoreError
from treering.store.database import FORMAT, SCHEMA_SQL, too_new

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.operations import Operations
    from sqlalchemy import Connection, Inspector, Table

__all__ = ["STEPS", "upgrade_postgres", "upgrade_sqlite", "view_as_current"]

#: For each format what makes it from the one before, beyond tables, columns and indexes that are added.
STEPS: dict[int, Callable[[Operations], None]] = {}

_FORMAT_KEY = "format"
#: Any number, the same in all programs.
_POSTGRES_LOCK = 7461


def _add_what_is_missing(connection: Connection, operations: Operations) -> None:
    import sqlalchemy

    from treering.store import schema

    schema.metadata.create_all(connection)
    inspector = sqlalchemy.inspect(connection)
    for table in schema.metadata.sorted_tables:
        _add_to_table(table, inspector, connection, operations)


def _add_to_table(table: Table, inspector: Inspector, connection: Connection, operations: Operations) -> None:
    there = {column["name"] for column in inspector.get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            operations.add_column(table.name, column)
    indexes = {index["name"] for index in inspector.get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in indexes:
            index.create(connection)


def _bring_up(connection: Connection, found: int) -> None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    operations = Operations(MigrationContext.configure(connection))
    _add_what_is_missing(connection, operations)
    for number in range(found + 1, FORMAT + 1):
        step = STEPS.get(number)
        if step is not None:
            step(operations)


def upgrade_sqlite(raw: sqlite3.Connection) -> None:
    """Bring an embedded store to today's format, if it is of an earlier one still.

    Args:
        raw: may write, is in no transaction, and waits for locks.

    Raises:
        sqlite3.DatabaseError: it cannot be written; it is as it was.
    """
    from sqlalchemy import create_engine
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        raw.execute("BEGIN IMMEDIATE")
        try:
            found = int(raw.execute("PRAGMA user_version").fetchone()[0])
            if found < FORMAT:
                _bring_up(connection, found)
                raw.execute(f"PRAGMA user_version = {FORMAT}")
            raw.execute("COMMIT")
        except BaseException as error:
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
                raise error.orig from error
            raise


def upgrade_postgres(connection: Connection, *, create: bool) -> None:
    """Bring a team store to today's format, or make its tables.

    Args:
        connection: in the transaction that this belongs to.
        create: make them where there are none.

    Raises:
        StoreError: there are none, or a newer treering made them.
    """
    import sqlalchemy

    found = _postgres_format(connection)
    if found == FORMAT:
        return
    # Two servers that start together must not both do it.
    connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})"))
    found = _postgres_format(connection)
    if found > FORMAT:
        raise too_new("the database", found)
    if found == FORMAT:
        return
    if not found and not create:
        raise StoreError("the database holds no store of treering's; `treering ui --dir URL` makes one")
    _bring_up(connection, found or FORMAT)
    connection.execute(
        sqlalchemy.text(
            "INSERT INTO store_info (key, value) VALUES (:key, :value) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        ),
        {"key": _FORMAT_KEY, "value": str(FORMAT)},
    )


def _postgres_format(connection: Connection) -> int:
    """Return the format of the tables, 0 where there are none."""
    import sqlalchemy

    if connection.execute(sqlalchemy.text("SELECT to_regclass('store_info')")).scalar() is None:
        return 0
    rows = connection.execute(sqlalchemy.text("SELECT value FROM store_info WHERE key = :key"), {"key": _FORMAT_KEY})
    said = rows.scalar()
    return 1 if said is None else int(said)  # the first format did not say its number


def view_as_current(connection: sqlite3.Connection) -> list[str]:
    """Let a connection that may not write see today's tables in a store of an earlier format.

    What is missing is made as temporary tables and views, which stand before the store's own and are this
    connection's alone.

    Returns:
        The statements that take them away again, for when somebody has upgraded the store.

    Raises:
        StoreError: a step has changed more than can be added so.
    """
    (found,) = connection.execute("PRAGMA main.user_version").fetchone()
    if any(number > found for number in STEPS):
        raise StoreError(
            f"it has format {found}, which can be read only after it was brought to format {FORMAT}; copy it to a "
            "place where you may write and open it there"
        )
    undo: list[str] = []
    connection.execute("PRAGMA temp_store = MEMORY")
    for table, statement, columns in _current_tables():
        there = {name for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})")}
        if not there:
            connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE", 1))
            undo.append(f"DROP TABLE temp.{table}")
            continue
        missing = [f'{value} AS "{name}"' for name, value in columns if name not in there]
        if missing:
            connection.execute(f"CREATE TEMP VIEW {table} AS SELECT *, {', '.join(missing)} FROM main.{table}")
            undo.append(f"DROP VIEW temp.{table}")
    return undo


def _current_tables() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return (table, its statement, [(column, what it holds by default)]) of today's schema."""
    fresh = sqlite3.connect(":memory:")
    try:
        fresh.executescript(SCHEMA_SQL.read_text(encoding="utf-8"))
        tables = fresh.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return [
            (
                table,
                sql,
                [
                    (name, f"CAST({default or 'NULL'} AS {kind})")
                    for _, name, kind, _, default, _ in fresh.execute(f"PRAGMA table_info({table})")
                ],
            )
            for table, sql in tables
        ]
    finally:
        fresh.close()
