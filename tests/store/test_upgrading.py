"""Stores of earlier formats: upgraded by whoever may write them, read as they are by whoever may not.

`formats/N.sql` is what an empty store of format N was made with; `formats/1.sql` is the oldest that had runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy
import xxhash

import treering
from treering.errors import StoreError
from treering.store import schema, upgrading
from treering.store.bundle import merge
from treering.store.database import FORMAT, SCHEMA_SQL, Postgres, Sqlite, open_database
from treering.sweeps.shared import SharedFile

FORMATS = Path(__file__).with_name("formats")
EARLIER = range(1, FORMAT)
#: Was dropped from the schema while it held nothing that later versions read; what stores have of it stays.
LEFT_ALONE = {"version_files"}


def column(key: str, values: bytes) -> list[tuple[str, tuple[Any, ...]]]:
    """One column of three rows, as format 1 had it."""
    data = b"\0" + values
    stats = msgspec.msgpack.encode({"count": 3, "finite": 3, "sum": 6.0, "min": 1.0, "max": 3.0, "last_row": 2})
    kind = "int64" if key == "_step" else "float64"
    chunk = (0, 2, 3, kind, 0, 1.0, 3.0, 0, None, data, xxhash.xxh3_64_intdigest(data) - 2**63)
    names = '(run_id, stream, "key", kind, count, stats)'
    chunk_names = "column_id, first_row, last_row, count, kind, level, min, max, nan_count, rows, data, checksum"
    return [
        (f"INSERT INTO columns {names} VALUES (?, 'history', ?, ?, 3, ?)", ("old", key, kind, stats)),
        (
            f"INSERT INTO chunks ({chunk_names}) SELECT MAX(id), {', '.join('?' * len(chunk))} FROM columns",
            chunk,
        ),
    ]


ROWS: list[tuple[str, tuple[Any, ...]]] = [
    (
        (
            "INSERT INTO runs (id, project, name, state, created_us, updated_us, ended_us, next_step, config) "
            "VALUES ('old', 'p', 'from before', 'finished', 1, 2, 2, 3, ?)"
        ),
        (msgspec.msgpack.encode({"lr": 0.1}),),
    ),
    ("INSERT INTO attempts (run_id, attempt, state, started_us, first_row) VALUES ('old', 1, 'finished', 1, 0)", ()),
    ("INSERT INTO run_values VALUES ('old', 'config', 'lr', 0.1, NULL)", ()),
    ("INSERT INTO streams VALUES ('old', 'history', 3)", ()),
    *column("_step", struct.pack("<3q", 0, 1, 2)),
    *column("_time", struct.pack("<3d", 1, 1, 2)),
    *column("loss", struct.pack("<3d", 3, 2, 1)),
    (
        (
            "INSERT INTO versions (id, project, name, type, version, run_id, created_us, digest, size) "
            "VALUES ('v', 'p', 'model', 'model', 0, 'old', 1, 'd', 5)"
        ),
        (),
    ),
]


def make_store(path: Path, number: int) -> None:
    """Make a store of a format, with a run in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.executescript((FORMATS / f"{number}.sql").read_text(encoding="utf-8"))
        for statement, values in ROWS:
            raw.execute(statement, values)
        raw.commit()


def make_postgres(url: str, number: int) -> None:
    """The same on PostgreSQL."""
    script = (FORMATS / f"{number}.sql").read_text(encoding="utf-8").replace("BLOB", "BYTEA")
    script = script.replace("column_id INTEGER", "column_id BIGINT")
    script = re.sub(r"\bDOUBLE\b", "DOUBLE PRECISION", script)
    script = re.sub(r"\b(id|number) INTEGER NOT NULL( PRIMARY KEY AUTOINCREMENT)?,", serial, script)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in script.replace("WITHOUT ROWID", "").split(";\n"):
            if statement.strip() and "PRAGMA" not in statement:
                connection.exec_driver_sql(statement)
        for statement, values in ROWS:
            connection.exec_driver_sql(statement.replace("?", "%s"), values)
    engine.dispose()


def serial(found: re.Match[str]) -> str:
    return f"{found[1]} BIGSERIAL{' PRIMARY KEY' if found[2] else ''},"


def shape(url: str) -> dict[str, Any]:
    """All that can be said of a database's tables, but for the order of their columns."""
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    found = {
        table: {
            "columns": {
                one["name"]: (str(one["type"]), one["nullable"], one["default"]) for one in inspector.get_columns(table)
            },
            "key": inspector.get_pk_constraint(table)["constrained_columns"],
            "indexes": {one["name"]: one["column_names"] for one in inspector.get_indexes(table)},
            "unique": sorted(one["column_names"] for one in inspector.get_unique_constraints(table)),
            "foreign": sorted(one["constrained_columns"] for one in inspector.get_foreign_keys(table)),
        }
        for table in inspector.get_table_names()
        if table not in LEFT_ALONE
    }
    engine.dispose()
    return found


def numbers(path: Path) -> tuple[int, int]:
    """(format, rows of `runs`) of a file, looked at by nobody else."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        return raw.execute("PRAGMA user_version").fetchone()[0], raw.execute("SELECT COUNT(*) FROM runs").fetchone()[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "treering.db"


@pytest.fixture
def old(path: Path) -> Path:
    make_store(path, 1)
    return path


def test_each_form_of_the_tables_has_a_number() -> None:
    kept = FORMATS / f"{FORMAT}.sql"
    assert kept.is_file(), f"cp {SCHEMA_SQL} {kept}"
    assert kept.read_text(encoding="utf-8") == SCHEMA_SQL.read_text(encoding="utf-8"), (
        "schema.py has changed: raise FORMAT in treering/store/database.py, run `python -m treering.store.schema`, "
        f"and copy {SCHEMA_SQL} to {FORMATS}/NEW_FORMAT.sql; a step in upgrading.py is needed where more than "
        "tables, columns and indexes was added"
    )
    assert set(upgrading.STEPS) <= set(EARLIER) | {FORMAT}
    assert sorted(int(file.stem) for file in FORMATS.iterdir()) == [*EARLIER, FORMAT]


@pytest.mark.parametrize("number", EARLIER)
def test_an_upgraded_store_is_as_a_new_one(number: int, path: Path, tmp_path: Path) -> None:
    make_store(path, number)
    Sqlite(path).close()
    Sqlite(tmp_path / "new.db", create=True).close()
    assert shape(f"sqlite:///{path}") == shape(f"sqlite:///{tmp_path / 'new.db'}")
    assert numbers(path) == (FORMAT, 1)


@pytest.mark.parametrize("number", EARLIER)
def test_an_upgraded_team_store_is_as_a_new_one(number: int, new_postgres_url: Callable[[], str]) -> None:
    url, new = new_postgres_url(), new_postgres_url()
    make_postgres(url, number)
    database = open_database(url)
    assert database.query("SELECT name, sweep FROM runs") == [("from before", None)]
    assert database.query("SELECT files, stored FROM versions") == [(0, 0)]
    assert database.query("SELECT value FROM store_info WHERE key = 'format'") == [(str(FORMAT),)]
    database.close()
    Postgres(new, create=True).close()
    assert shape(url) == shape(new)
    Postgres(url, create=True).close()  # a second start changes nothing


def test_a_team_store_of_a_newer_treering_is_refused(postgres_url: str) -> None:
    with pytest.raises(StoreError, match="holds no store"):
        open_database(postgres_url)
    one = open_database(postgres_url, create=True)
    one.execute("UPDATE store_info SET value = '99' WHERE key = 'format'")
    one.close()
    for create in (False, True):
        with pytest.raises(StoreError, match=r"format 99 .*`pip install -U treering`"):
            open_database(postgres_url, create=create)


def test_a_run_from_before_is_read_and_gone_on_with(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREERING_DIR", str(old.parent))
    seen = treering.Api(old.parent).run("old")
    assert numbers(old) == (1, 1)  # reading changes nothing
    assert (seen.name, seen.config["lr"]) == ("from before", 0.1)
    assert seen.history("loss").values.tolist() == [3, 2, 1]
    assert [one.version for one in treering.Api(old.parent).versions("model", project="p")] == [0]
    with treering.init(project="p", id="old", resume="must") as run:
        run.log({"loss": 0.5})
    assert numbers(old) == (FORMAT, 1)
    again = treering.Api(old.parent).run("old")
    assert again.history("loss").values.tolist() == [3, 2, 1, 0.5]
    # Who had opened the store before sees what is in the new tables, too.
    assert seen.history("loss").values.tolist() == [3, 2, 1, 0.5]


def test_a_store_that_cannot_be_written_is_read_as_it_is(old: Path) -> None:
    one = Sqlite(old, read_only=True)
    assert one.query("SELECT id, sweep FROM runs") == [("old", None)]
    assert one.query("SELECT files, base_id FROM versions") == [(0, None)]
    assert one.query("SELECT * FROM sweeps") == []
    assert "sweep" in [name for (name,) in one.query("SELECT name FROM pragma_table_info('runs')")]
    with pytest.raises(StoreError, match="readonly"):
        one.execute("DELETE FROM main.runs")
    writer = Sqlite(old)
    writer.execute("UPDATE runs SET sweep = 's'")
    assert one.query("SELECT id, sweep FROM runs") == [("old", "s")]
    one.close()
    writer.close()


def test_a_bundle_from_before_is_merged(old: Path, tmp_path: Path) -> None:
    with treering.store.Store.open(tmp_path / "other", create=True) as store:
        assert merge(store, old).added == ["old"]
        assert store.database.query("SELECT id, sweep FROM runs") == [("old", None)]
    assert numbers(old) == (1, 1)


def test_what_needs_a_step_is_not_read_before_it(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(operations: Any) -> None:
        operations.execute("UPDATE runs SET notes = name")

    monkeypatch.setitem(upgrading.STEPS, FORMAT, step)
    with pytest.raises(StoreError, match="copy it to a place where you may write"):
        Sqlite(old, read_only=True)
    with contextlib.closing(Sqlite(old)) as one:
        assert one.query("SELECT notes FROM runs") == [("from before",)]
    with contextlib.closing(Sqlite(old)) as one:  # once only
        one.execute("UPDATE runs SET notes = 'mine'")
    with contextlib.closing(Sqlite(old)) as one:
        assert one.query("SELECT notes FROM runs") == [("mine",)]


def test_a_step_that_fails_leaves_the_store_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(upgrading.STEPS, FORMAT, lambda operations: operations.execute("SELECT * FROM nowhere"))
    with pytest.raises(StoreError, match="no such table: nowhere"):
        Sqlite(old)
    assert numbers(old) == (1, 1)
    monkeypatch.undo()
    Sqlite(old).close()
    assert numbers(old) == (FORMAT, 1)


def test_a_sweep_in_a_shared_folder_from_before(old: Path) -> None:
    file = SharedFile(old)
    assert file.query("SELECT sweep FROM runs") == [(None,)]
    assert numbers(old) == (FORMAT, 1)
    with contextlib.closing(sqlite3.connect(old)) as raw:
        raw.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="format 99"):
        file.query("SELECT 1")


CHILDREN = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    import alembic.operations, alembic.runtime.migration
    from treering.store import schema, upgrading
    from treering.store.database import FORMAT, Sqlite

    path, count = Path(sys.argv[1]), int(sys.argv[2])
    if not count:
        upgrading.STEPS[FORMAT] = lambda operations: os.kill(os.getpid(), signal.SIGKILL)
        Sqlite(path)
    gate, start = os.pipe()
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            code = 1
            try:
                os.close(start)
                os.read(gate, 1)
                one = Sqlite(path)
                one.execute("UPDATE runs SET next_step = next_step + 1")
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(start)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))
    """
)


def open_elsewhere(path: Path, count: int) -> int:
    """Open a store in `count` processes at once; 0: in one that is killed in the middle of it."""
    command = [sys.executable, "-c", CHILDREN, str(path), str(count)]
    return subprocess.run(command, timeout=120, check=False).returncode


def test_many_processes_open_an_old_store_at_once(old: Path, tmp_path: Path) -> None:
    assert open_elsewhere(old, 20) == 0
    with contextlib.closing(Sqlite(old)) as one:
        assert one.query("SELECT next_step FROM runs") == [(23,)]
    Sqlite(tmp_path / "new.db", create=True).close()
    assert shape(f"sqlite:///{old}") == shape(f"sqlite:///{tmp_path / 'new.db'}")


def test_a_kill_in_the_middle_leaves_the_store_as_it_was(old: Path) -> None:
    with contextlib.closing(sqlite3.connect(old)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
    before = shape(f"sqlite:///{old}")
    assert open_elsewhere(old, 0) == -signal.SIGKILL
    assert shape(f"sqlite:///{old}") == before
    assert numbers(old) == (1, 1)
    Sqlite(old).close()
    assert numbers(old) == (FORMAT, 1)


@pytest.fixture
def no_alembic(tmp_path: Path) -> Iterator[dict[str, str]]:
    blocked = tmp_path / "blocked"
    for name in ("alembic", "sqlalchemy"):
        (blocked / name).mkdir(parents=True)
        (blocked / name / "__init__.py").write_text("raise SystemExit('imported')")
    path = os.pathsep.join([str(blocked), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}


def test_nobody_pays_for_an_upgrade_that_is_not_needed(path: Path, no_alembic: dict[str, str]) -> None:
    program = (
        "import sys; from pathlib import Path; from treering.store.database import Sqlite; "
        "Sqlite(Path(sys.argv[1]), create=True).close(); Sqlite(Path(sys.argv[1])).close()"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], env=no_alembic, check=True, timeout=120)


def test_the_script_and_the_definition_are_of_one_format() -> None:
    assert f"PRAGMA user_version = {FORMAT};" in schema.sqlite_script()
