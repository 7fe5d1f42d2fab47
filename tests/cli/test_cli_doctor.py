"""`treering doctor`: what is wrong is found and named, what can be repaired is, and a sound store is called sound."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from store_builder import StoreBuilder

from treering import cli
from treering.api import Api
from treering.artifacts.committing import Request
from treering.artifacts.packs import pack_key
from treering.artifacts.saving import save_now
from treering.store.blobs import Blobs
from treering.store.values import Carried, encode

FLIP = "UPDATE chunks SET data = :data WHERE column_id = :id AND first_row = :row"


@pytest.fixture
def store(store_dir: Path) -> StoreBuilder:
    store = StoreBuilder(store_dir)
    store.run("r").log(
        [(step, {"a": float(step), "b": step, "text": "x", "nan": float("nan")}) for step in range(300)], batch=100
    )
    resumed = store.run("s").log([(step, {"a": step}) for step in range(10)])
    resumed.attempt(from_step=5).log([(step, {"a": -step}) for step in range(5, 8)])
    return store


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        monkeypatch.setattr(sys, "argv", ["treering", "doctor", "--json", *arguments])
        monkeypatch.setattr("warnings.showwarning", None)
        capfd.readouterr()
        code = cli.run_and_tell()
        return code, json.loads(capfd.readouterr().out)

    return run


def age(path: Path) -> None:
    """Make a file look two hours old."""
    then_s = time.time() - 7200
    os.utime(path, (then_s, then_s))


def test_a_sound_store(store: StoreBuilder, doctor: Any, capfd: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    code, said = doctor()
    assert (code, said["healthy"], said["findings"], said["runs"]) == (0, True, [], 2)
    monkeypatch.setattr(sys, "argv", ["treering", "doctor"])
    assert cli.run_and_tell() == 0
    out = capfd.readouterr().out
    assert "Checked 2 runs, " in out
    assert "✓ Everything is as it should be." in out


def test_real_runs_are_sound(store_dir: Path, doctor: Any, tmp_path: Path) -> None:
    import numpy as np

    import treering

    (tmp_path / "file.bin").write_bytes(os.urandom(5000))
    options = {"system_interval_s": 0, "console": False, "capture_git": False}
    run = treering.init(dir=store_dir, settings=options, config={"lr": 0.1})
    for step in range(500):
        run.log({"loss": 1 / (step + 1), "n": step, "mixed": step if step % 3 else 0.5, "flag": step % 2 == 0})
    run.log(
        {"image": treering.Image(np.random.default_rng(0).random((128, 128))), "hist": treering.Histogram([1, 2, 3])}
    )
    run.log_artifact(tmp_path / "file.bin", name="file")
    run.rewind(300)
    run.log({"loss": float("nan"), "text": "x"})
    run.finish()
    code, said = doctor()
    assert (code, said["findings"]) == (0, [])
    assert said["blobs"] == 1
    for blob in Blobs(store_dir / "blobs").folder.glob("??/*"):
        age(blob)
    assert doctor("--repair")[1]["findings"] == []  # nothing in use is taken for an orphan


def test_a_damaged_chunk_is_named_and_taken_out(store: StoreBuilder, doctor: Any, store_dir: Path) -> None:
    ((column, data),) = store.database.query(
        "SELECT id, data FROM columns JOIN chunks ON id = column_id WHERE run_id = 'r' AND key = 'a' "
        "AND first_row = 100"
    )
    store.database.execute(FLIP, {"data": data[:-1] + bytes((data[-1] ^ 1,)), "id": column, "row": 100})
    code, said = doctor()
    (finding,) = said["findings"]
    assert (code, said["healthy"], finding["kind"], finding["lost"]) == (1, False, "chunk", True)
    assert "run r, history 'a': rows 100 to 199 are damaged (checksum does not match)" in finding["message"]
    assert store.database.query(
        "SELECT COUNT(*) FROM chunks WHERE first_row = 100 AND column_id = :c", {"c": column}
    ) == [(1,)]
    code, said = doctor("--repair")
    assert (code, said["healthy"]) == (0, True)
    assert "took it out" in said["findings"][0]["repaired"]
    assert len(list((store_dir / "damaged").iterdir())) == 1
    assert doctor() == (0, {**said, "findings": [], "chunks": said["chunks"] - 1})
    run = Api().run("r")
    assert run.history("a").rows == 200
    assert run.metrics["a"].count == 200
    assert run.metrics["a"].mean == sum((*range(100), *range(200, 300))) / 200


def test_wrong_statistics_are_counted_anew(store: StoreBuilder, doctor: Any) -> None:
    store.database.execute("UPDATE columns SET count = 7 WHERE run_id = 'r' AND key = 'b'")
    store.database.execute(
        "UPDATE chunks SET max = 1e9 WHERE first_row = 0 AND column_id IN "
        "(SELECT id FROM columns WHERE run_id = 'r' AND key = 'a')"
    )
    code, said = doctor()
    assert code == 1
    assert {finding["kind"] for finding in said["findings"]} == {"statistics"}
    assert any("said to be 7" in finding["message"] for finding in said["findings"])
    assert any("1000000000.0" in finding["message"] for finding in said["findings"])
    assert doctor("--repair")[0] == 0
    assert doctor()[1]["findings"] == []
    assert Api().run("r").metrics["b"].count == 300


def test_rows_behind_the_end_and_doubled_rows(store: StoreBuilder, doctor: Any) -> None:
    store.database.execute("UPDATE streams SET next_row = 250 WHERE run_id = 'r' AND stream = 'history'")
    messages = [finding["message"] for finding in doctor()[1]["findings"]]
    assert len(messages) == 6
    assert all("row 299 lies behind the stream's end, row 250" in message for message in messages)


def test_blobs_that_are_missing_damaged_or_unwanted(store: StoreBuilder, doctor: Any, store_dir: Path) -> None:
    blobs = Blobs(store_dir / "blobs")
    digests = {name: blobs.put(name.encode()) for name in ("young", "orphan", "pictured")}
    for name in ("used", "damaged", "gone"):
        source = store_dir / name
        source.write_bytes(name.encode() * 100)
        save_now(store.database, store_dir, Request(id=name, name=name, run_id="r"), {f"{name}.bin": source})
    names = dict(
        store.database.query(
            "SELECT version_id, packs.name FROM versions v JOIN manifests ON version_id = v.id "
            "JOIN packs ON number = manifests.id"
        )
    )
    packs = {name: store_dir / "blobs" / pack_key("packs", pack) for name, pack in names.items()}
    packs["damaged"].write_bytes(packs["damaged"].read_bytes().replace(b"damaged", b"dAmaged"))
    packs["gone"].unlink()
    picture = Carried("image", {"blob": digests["pictured"]})
    store.run("t", summary={}).log([(0, {"image": picture})])
    store.database.execute("UPDATE runs SET summary = :s WHERE id = 't'", {"s": encode({"image": picture})})
    for name in ("orphan", "pictured"):
        age(blobs.path(digests[name]))
    code, said = doctor("--repair")
    assert code == 1
    found = {(finding["kind"], finding["where"]): finding for finding in said["findings"]}
    assert set(found) == {
        ("blob", "version gone:v0, 'gone.bin'"),
        ("blob", "version damaged:v0, 'damaged.bin'"),
        ("orphan", str(blobs.path(digests["orphan"]))),
    }
    assert found["blob", "version damaged:v0, 'damaged.bin'"]["lost"]
    assert set(blobs.digests()) == {digests[name] for name in ("young", "pictured")}


def test_orphans_alone_are_no_illness(store: StoreBuilder, doctor: Any, store_dir: Path) -> None:
    digest = Blobs(store_dir / "blobs").put(b"orphan")
    age(Blobs(store_dir / "blobs").path(digest))
    code, said = doctor()
    assert (code, said["healthy"], said["findings"][0]["kind"]) == (0, True, "orphan")


def test_a_run_that_nobody_writes(store: StoreBuilder, doctor: Any) -> None:
    store.run("old", state="running", ended_us=None)
    now_us = time.time_ns() // 1000
    store.run("new", state="running", ended_us=None, created_us=now_us, updated_us=now_us)
    code, said = doctor("--repair")
    assert code == 0
    assert [(finding["where"], finding["repaired"]) for finding in said["findings"]] == [
        ("run old", "marked it as lost")
    ]
    assert Api().run("old").state == "lost"
    assert Api().run("old").failure is not None
    assert Api().run("new").state == "running"


def test_a_broken_index_is_built_anew(store: StoreBuilder, doctor: Any) -> None:
    store.database.execute("PRAGMA writable_schema = ON")
    store.database.execute("DELETE FROM run_tags")
    ((root,),) = store.database.query("SELECT rootpage FROM sqlite_master WHERE name = 'runs_by_state'")
    ((other,),) = store.database.query("SELECT rootpage FROM sqlite_master WHERE name = 'runs_by_resume_key'")
    store.database.execute("UPDATE sqlite_master SET rootpage = :p WHERE name = 'runs_by_state'", {"p": other})
    store.database.execute("UPDATE sqlite_master SET rootpage = :p WHERE name = 'runs_by_resume_key'", {"p": root})
    store.database.close()
    code, said = doctor()
    assert code == 1
    assert said["findings"][0]["kind"] == "database"
    assert "index" in said["findings"][0]["message"]
    doctor("--repair")
    assert doctor() == (0, {**doctor()[1], "findings": []})


KILLED = """
    import os, signal, sys, treering
    run = treering.init(dir=sys.argv[1], id="killed", settings=dict(
        flush_interval_s=60, system_interval_s=0, capture_git=False, capture_source=False, capture_environment=False,
        console=False))
    for step in range(100):
        run.log({"loss": step / 2})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_dead_runs_journal_is_brought_in(store_dir: Path, doctor: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(store_dir)], check=False, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL
    code, said = doctor()
    assert (code, said["healthy"]) == (0, True)
    assert [(run["id"], run["state"]) for run in said["recovered"]] == [("killed", "lost")]
    assert Api().run("killed").history("loss").rows == 100
    assert doctor()[1]["recovered"] == []


def test_a_file_that_is_no_database(
    store_dir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store_dir.mkdir()
    (store_dir / "treering.db").write_bytes(b"not a database" * 1000)
    age(store_dir / "treering.db")
    monkeypatch.setattr(sys, "argv", ["treering", "doctor"])
    monkeypatch.setattr("warnings.showwarning", None)
    assert cli.run_and_tell() == 1
    assert "file is not a database" in capfd.readouterr().err


@pytest.mark.postgres
def test_a_postgresql_store(postgres_url: str, doctor: Any) -> None:
    store = StoreBuilder(postgres_url)
    store.run("r").log([(0, {"a": 1.0})])
    code, said = doctor("--dir", postgres_url)
    assert (code, said["runs"], said["findings"]) == (0, 1, [])
    store.database.execute("UPDATE chunks SET checksum = 0")
    assert doctor("--dir", postgres_url, "--repair")[0] == 0
    assert doctor("--dir", postgres_url)[1]["findings"] == []
    store.database.close()
