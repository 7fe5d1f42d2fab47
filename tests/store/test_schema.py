"""The tables: one definition, two databases, and a script for the embedded store that is the same."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy

from treering.errors import NotFound, StoreError
from treering.store import schema
from treering.store.database import SCHEMA_SQL, Postgres, Sqlite, open_database


def test_the_script_is_compiled_from_the_definition() -> None:
    assert SCHEMA_SQL.read_text(encoding="utf-8") == schema.sqlite_script(), "run `python -m treering.store.schema`"


def tables(url: str) -> dict[str, dict[str, bool]]:
    """Each table's columns, and whether they may be NULL."""
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    found = {
        table: {column["name"]: bool(column["nullable"]) for column in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


def test_both_databases_have_the_same_tables(tmp_path: Path, postgres_url: str) -> None:
    Sqlite(tmp_path / "treering.db", create=True).close()
    Postgres(postgres_url, create=True).close()
    Postgres(postgres_url, create=True).close()  # a second start changes nothing
    assert tables(f"sqlite:///{tmp_path / 'treering.db'}") == tables(postgres_url)


def test_creating_twice_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "store" / "treering.db"
    with_rows = Sqlite(path, create=True)
    with_rows.execute("INSERT INTO store_info VALUES ('a', 'b')")
    with_rows.close()
    again = Sqlite(path, create=True)
    assert again.query("SELECT value FROM store_info") == [("b",)]
    again.close()
    again.close()


def test_the_embedded_store_is_as_safe_as_it_says(tmp_path: Path) -> None:
    found = Sqlite(tmp_path / "a.db", create=True)
    pragmas = {name: found.query(f"PRAGMA {name}")[0][0] for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    found.close()
    bundle = Sqlite(tmp_path / "b.db", create=True, wal=False)
    assert bundle.query("PRAGMA journal_mode") == [("delete",)]
    bundle.close()


def test_a_place_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="TREERING_DIR"):
        open_database(tmp_path / "treering.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"), [(b"garbage" * 1000, "not a database"), (b"", "empty, or no store")], ids=["garbage", "empty"]
)
def test_a_file_that_is_no_store(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "treering.db").write_bytes(content)
    with pytest.raises(StoreError, match=said):
        open_database(tmp_path / "treering.db", read_only=True)


def test_somebody_elses_database(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "treering.db")
    other.execute("CREATE TABLE runs (name)")
    other.commit()
    other.close()
    with pytest.raises(StoreError):
        open_database(tmp_path / "treering.db", create=True)
    again = sqlite3.connect(tmp_path / "treering.db")
    assert again.execute("SELECT name FROM sqlite_master").fetchall() == [("runs",)]
    again.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    return tmp_path / "treering.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def test_transactions_are_whole_or_nothing(place: Path | str) -> None:
    one = open_database(place, create=True)
    one.execute("DELETE FROM store_info")
    insert = "INSERT INTO store_info (key, value) VALUES (:key, 'v')"
    with one.transaction():
        one.execute(insert, {"key": "kept"})
        with one.transaction():
            one.execute_many(insert, [{"key": "inner"}, {"key": "other"}])

    def fail(*keys: str) -> None:
        with one.transaction():
            for key in keys:
                one.execute(insert, {"key": key})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail("gone")
    with pytest.raises(StoreError, match=r"(?i)unique"):
        fail("gone as well", "kept")
    with one.transaction():  # still usable
        one.execute_many(insert, [])
    assert sorted(one.query("SELECT key FROM store_info")) == [("inner",), ("kept",), ("other",)]
    assert one.execute("DELETE FROM store_info") == 3
    one.close()


def test_an_error_does_not_repeat_what_was_to_be_stored(place: Path | str) -> None:
    one = open_database(place, create=True)
    with pytest.raises(StoreError) as caught:
        one.execute("INSERT INTO store_info (key, value, none) VALUES (:key, 'v', 1)", {"key": "secret" * 1000})
    assert "secret" not in str(caught.value)
    one.close()


def test_deleting_a_run_takes_all_that_is_its(place: Path | str) -> None:
    one = open_database(place, create=True)
    one.execute(
        "INSERT INTO runs (id, project, name, state, created_us, updated_us, attempt, next_step) "
        "VALUES ('r', 'p', 'n', 'running', 0, 0, 1, 0)"
    )
    one.execute("INSERT INTO attempts (run_id, attempt, state, started_us, first_row) VALUES ('r', 1, 'running', 0, 0)")
    one.execute("INSERT INTO run_tags VALUES ('r', 't')")
    one.execute("INSERT INTO streams VALUES ('r', 'history', 1)")
    one.execute("INSERT INTO run_values VALUES ('r', 'config', 'k', 1, NULL)")
    ((column,),) = one.query(
        "INSERT INTO columns (run_id, stream, key, kind, count, stats) VALUES ('r', 'history', 'k', 'int64', 1, :s) "
        "RETURNING id",
        {"s": b""},
    )
    one.execute(
        "INSERT INTO chunks (column_id, first_row, last_row, count, kind, level, nan_count, data, checksum) "
        "VALUES (:c, 0, 0, 1, 'int64', 0, 0, :d, 0)",
        {"c": column, "d": b""},
    )
    one.execute("DELETE FROM runs WHERE id = 'r'")
    for table in ("attempts", "run_tags", "streams", "run_values", "columns", "chunks"):
        assert one.query(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    one.close()
