"""`treering.Api` of every kind of store: bundles, one that may not be written, one being written, PostgreSQL."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from store_builder import START_US, StoreBuilder

from treering.api import Api
from treering.errors import StoreError


@pytest.fixture
def store(store_dir: Path) -> StoreBuilder:
    return StoreBuilder(store_dir)


def test_bundles_beside_the_store_are_listed_with_it(store: StoreBuilder, store_dir: Path) -> None:
    store.run("a", summary={"loss": 2.0})
    bundles = {name: StoreBuilder(store_dir / "made" / name) for name in ("b", "c")}
    (store_dir / "bundles").mkdir()
    bundles["b"].run("b", summary={"loss": 1.0}, created_us=START_US + 1).log([(0, {"loss": 1.0})])
    bundles["c"].run("c", summary={"loss": 3.0}, created_us=START_US + 2)
    bundles["c"].run("a", name="a newer copy", created_us=START_US, updated_us=START_US + 10**9)
    for name, bundle in bundles.items():
        bundle.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        bundle.database.close()
        (store_dir / "made" / name / "treering.db").rename(store_dir / "bundles" / f"{name}.db")
    api = Api()
    assert [run.id for run in api.runs()] == ["c", "b", "a"]
    assert next(run.id for run in api.runs(order="summary.loss")) == "b"
    assert [run.id for run in api.runs(limit=2)] == ["c", "b"]
    assert api.run("b").history("loss").values.tolist() == [1.0]
    assert api.run("a").name == "a newer copy"
    assert [run.id for run in Api(store_dir / "bundles" / "b.db").runs()] == ["b"]
    api.delete("b")
    assert not (store_dir / "bundles" / "b.db").exists()


def test_a_store_of_bundles_alone(store_dir: Path) -> None:
    made = StoreBuilder(store_dir / "made")
    made.run("b")
    made.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    made.database.close()
    (store_dir / "bundles").mkdir()
    (store_dir / "made" / "treering.db").rename(store_dir / "bundles" / "b.db")
    assert [run.id for run in Api().runs()] == ["b"]


READ_ONLY = """
    import sys
    import treering
    folder = sys.argv[1]
    try:
        open(folder + "/probe", "w")
    except OSError:
        pass
    else:
        sys.exit("this folder was to be read-only")
    api = treering.Api(folder)
    print(api.run("r").history("a").values.tolist())
    try:
        api.delete("r")
    except treering.TreeringError as error:
        print(error)
"""


def bow_to_permissions() -> None:
    """Give up root's right (CAP_DAC_OVERRIDE) to write where permissions forbid it, for the program started next."""
    drop_from_bounding_set, dac_override = 24, 1
    if os.getuid() == 0:
        ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override, 0, 0, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights are given up in Linux's way")
@pytest.mark.parametrize("log_left", [False, True])
def test_a_store_that_may_not_be_written(store: StoreBuilder, store_dir: Path, log_left: bool) -> None:
    store.run("r").log([(0, {"a": 1.0})])
    if not log_left:
        store.database.close()
    for path in (store_dir, *store_dir.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READ_ONLY), str(store_dir)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=bow_to_permissions,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "[1.0]"
    assert "read-only" in done.stdout.splitlines()[1]
    if not log_left:
        assert done.stderr == ""


def test_reading_beside_a_writer_sees_each_flush(store: StoreBuilder) -> None:
    built = store.run("r", state="running", ended_us=None)
    run = Api().run("r")
    for step in range(0, 500, 50):
        built.log([(at, {"a": float(at)}) for at in range(step, step + 50)])
        assert run.history("a").values.tolist() == [float(at) for at in range(step + 50)]
    assert run.is_running
    store.database.execute("UPDATE runs SET state = 'finished' WHERE id = 'r'")
    assert not run.reload().is_running


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"this is no database, whatever its name says" * 30)
    with pytest.raises(StoreError):
        Api(tmp_path / "x.db")


def test_listing_needs_no_numpy(store: StoreBuilder, store_dir: Path) -> None:
    store.run("r", config={"lr": 0.1}, summary={"loss": 0.5})
    script = (
        "import sys, treering\n"
        "api = treering.Api(sys.argv[1])\n"
        "runs = api.runs(filters='config.lr < 1', order='summary.loss')\n"
        "assert runs[0].config == {'lr': 0.1} and runs[0].summary == {'loss': 0.5}\n"
        "heavy = {'numpy', 'sqlalchemy', 'pandas', 'pyarrow'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(store_dir)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.postgres
def test_a_postgresql_store(postgres_url: str) -> None:
    store = StoreBuilder(postgres_url)
    store.run("r", config={"lr": 0.1}, tags=["x"]).log([(0, {"a": 1.5}), (1, {"a": 2.5})])
    with Api(postgres_url) as api:
        run = api.runs(filters="config.lr = 0.1 and tag = 'x'")[0]
        assert run.history("a").values.tolist() == [1.5, 2.5]
        assert run.config == {"lr": 0.1}
        assert api.folder is None
        api.delete(run)
        assert len(api.runs()) == 0
    store.database.close()
