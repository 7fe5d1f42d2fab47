"""`treering.Api`: finding runs, and what reading them gives."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest
from store_builder import START_US, RunBuilder, StoreBuilder

import treering
from treering.api import Api, ApiRun, History, Series
from treering.artifacts.committing import Request
from treering.artifacts.manifest import decode_manifest, encode_manifest
from treering.artifacts.saving import save_now
from treering.errors import NotFound, StoreError, TreeringWarning, UsageError

if TYPE_CHECKING:
    from typing_extensions import assert_type

    def inference(run: ApiRun, keys: list[str]) -> None:
        assert_type(run.history("loss"), Series)
        assert_type(run.history(["loss", "accuracy"]), History)
        assert_type(run.history(keys, x="_time"), History)
        assert_type(run.history(), History)
        assert_type(run.system("cpu/percent"), Series)
        assert_type(run.system(), History)


@pytest.fixture
def store(store_dir: Path) -> StoreBuilder:
    return StoreBuilder(store_dir)


def add_version(
    store: StoreBuilder, run: RunBuilder, name: str, number: int, files: dict[str, bytes], *aliases: str
) -> None:
    """File a version as a run's writer would."""
    assert isinstance(store.place, Path)
    request = Request(
        id=f"{name}-{number}", name=name, type="model", run_id=run.id, aliases=list(aliases),
        created_us=run.created_us + number,
    )  # fmt: skip
    sources = {path: store.place / f"source-{at}" for at, path in enumerate(files)}
    for path, data in files.items():
        sources[path].write_bytes(data)
    assert save_now(store.database, store.place, request, sources).version == number


# Finding


def test_no_store_is_one_clear_sentence(store_dir: Path) -> None:
    with pytest.raises(NotFound, match=f"there is no store at {store_dir}; runs appear there once"):
        Api()
    assert not store_dir.exists()


def test_projects_and_runs(store: StoreBuilder) -> None:
    for run_id, project in (("a", "Zoo"), ("b", "apple"), ("c", "apple")):
        store.run(run_id, project=project, config={"lr": 0.1})
    with treering.Api() as api:
        assert api.projects() == ["apple", "Zoo"]
        assert [run.id for run in api.runs()] == ["c", "b", "a"]
        assert [run.id for run in api.runs("apple", order="created")] == ["b", "c"]
        assert [run.id for run in api.runs("apple", "config.lr = 0.1", limit=1)] == ["c"]
        assert [run.id for run in api.runs(filters={"project": "Zoo"})] == ["a"]
        assert api.runs("nothing") == [] or len(api.runs("nothing")) == 0
        assert repr(api.runs("apple")).splitlines()[1].split()[:3] == ["c", "name-c", "finished"]


def test_a_run_by_id_beginning_name_or_project(store: StoreBuilder) -> None:
    store.run("abc1", name="first")
    store.run("abd2", name="second", project="q")
    store.run("xyz3", name="second")
    store.run("second-x", name="abc1")  # an id wins over a name
    with Api() as api:
        found = {word: api.run(word).id for word in ("abc1", "p/abc1", "first", "p/first", "xy", "q/second", "latest")}
        assert found == {
            "abc1": "abc1",
            "p/abc1": "abc1",
            "first": "abc1",
            "p/first": "abc1",
            "xy": "xyz3",
            "q/second": "abd2",
            "latest": "second-x",
        }
        with pytest.raises(UsageError, match=r"'second' may be any of these runs: xyz3 .*abd2 .*give an id"):
            api.run("second")
        with pytest.raises(UsageError, match="give an id"):
            api.run("ab")
        with pytest.raises(NotFound, match=r"there is no run 'frist' in .*; did you mean 'first'"):
            api.run("frist")
        with pytest.raises(NotFound):
            api.run("x*")


def test_everything_about_a_run(store: StoreBuilder) -> None:
    store.run(
        "r",
        name="my run",
        state="failed",
        group_name="g",
        job_type="train",
        notes="n",
        tags=["b", "a"],
        config={"lr": 0.1, "optim": {"betas": [0.9, 0.99]}},
        summary={"loss": 0.5, "nan": float("nan")},
        failure={"type": "ValueError", "message": "boom", "traceback": "...", "step": 3},
        capture={"git": {"commit": "abc"}},
    ).attempt(from_step=5, state="failed")
    run = Api().run("r")
    assert (run.name, run.project, run.state, run.group, run.job_type) == ("my run", "p", "failed", "g", "train")
    assert (run.notes, run.tags, run.config) == ("n", ("b", "a"), {"lr": 0.1, "optim": {"betas": [0.9, 0.99]}})
    assert run.summary["loss"] == 0.5
    assert np.isnan(run.summary["nan"])
    assert run.failure == {"type": "ValueError", "message": "boom", "traceback": "...", "step": 3}
    assert run.capture == {"git": {"commit": "abc"}}
    assert run.created == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert run.ended == datetime(2026, 1, 1, 0, 0, 30, tzinfo=timezone.utc)
    assert run.duration == 30.0
    assert [(attempt.number, attempt.state, attempt.from_step) for attempt in run.attempts] == [
        (1, "finished", None),
        (2, "failed", 5),
    ]
    assert repr(run) == "ApiRun(p/r 'my run', failed)"


def test_metrics_carry_their_statistics_and_definitions(store: StoreBuilder) -> None:
    definition = {"name": "val/*", "x": "epoch", "summary": ["min"], "goal": "minimize", "hidden": True}
    run = store.run("r", definitions=[definition])
    run.log([(0, {"val/loss": 2.0, "epoch": 0}), (1, {"val/loss": float("nan")}), (2, {"val/loss": 1.0})])
    metrics = Api().run("r").metrics
    assert list(metrics) == ["val/loss", "epoch"] == Api().run("r").keys()
    loss = metrics["val/loss"]
    assert (loss.kind, loss.count, loss.first, loss.last, loss.min, loss.max) == ("float64", 3, 2.0, 1.0, 1.0, 2.0)
    assert (loss.mean, loss.nan, loss.x, loss.summary, loss.goal) == (1.5, 1, "epoch", ("min",), "minimize")
    assert loss.hidden
    assert metrics["epoch"].x is None


def test_a_listing_loads_configs_at_once(store: StoreBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        store.run(f"r{number}", config={"n": number}, summary={"loss": number / 10})
    api = Api()
    runs = api.runs(order="created")
    database = runs[0].source.database
    asked: list[str] = []
    query = database.query

    def listen(sql: str, *given: Any) -> list[tuple[Any, ...]]:
        asked.append(sql)
        return query(sql, *given)

    monkeypatch.setattr(database, "query", listen)
    assert [run.config["n"] for run in runs] == list(range(30))
    assert [run.summary["loss"] for run in runs] == [number / 10 for number in range(30)]
    assert len(asked) == 2


def test_runs_as_tables(store: StoreBuilder) -> None:
    store.run("a", config={"lr": 0.1, "net": {"depth": 3}, "opt": "adam"}, summary={"loss": 1.5})
    store.run("b", config={"lr": "auto", "net": {"depth": 4}}, summary={"loss": 0.5, "flag": True}, tags=["x", "y"])
    runs = Api().runs(order="created")
    frame = runs.to_pandas()
    assert frame["id"].tolist() == ["a", "b"]
    assert frame["config.net.depth"].tolist() == [3, 4]
    assert frame["summary.loss"].tolist() == [1.5, 0.5]
    assert frame["config.lr"].tolist() == [0.1, "auto"]
    assert frame["summary.flag"].isna().tolist() == [True, False]
    polars = runs.to_polars()
    assert polars["config.opt"].to_list() == ["adam", None]
    assert polars["tags"].to_list() == ["", "x,y"]
    table = runs.to_arrow()
    assert table["config.lr"].to_pylist() == ["0.1", "auto"]
    assert str(table.schema.field("created").type) == "timestamp[us, tz=UTC]"


# History


@pytest.fixture
def run(store: StoreBuilder) -> ApiRun:
    rows: list[tuple[int, dict[str, Any]]] = [
        (0, {"loss": 1.0, "n": 1, "ok": True, "text": "a"}),
        (1, {"loss": float("nan")}),
        (2, {"n": 3, "ok": False, "list": [1, None]}),
        (3, {"loss": 0.25, "text": "b"}),
    ]
    store.run("r").log(rows)
    return Api().run("r")


def test_one_metric(run: ApiRun) -> None:
    loss: Series = run.history("loss")
    assert loss.x.tolist() == [0, 1, 3]
    assert loss.rows == len(loss) == 3
    np.testing.assert_array_equal(loss.to_numpy(), [1.0, np.nan, 0.25])
    np.testing.assert_array_equal(np.asarray(loss), loss.values)
    assert loss.row_numbers.tolist() == [0, 1, 3]
    assert next(iter(loss)) == (0, 1.0)
    series = loss.to_pandas()
    assert (series.name, series.index.name, series.index.tolist()) == ("loss", "_step", [0, 1, 3])
    assert loss.to_polars().to_dict(as_series=False)["_step"] == [0, 1, 3]
    assert loss.to_arrow().column_names == ["_step", "loss"]
    loss.values[0] = 7  # the caller's own copy
    assert run.history("loss").values[0] == 1.0


def test_several_metrics_share_an_axis(run: ApiRun) -> None:
    history: History = run.history(["loss", "n", "ok", "text"])
    assert history.x.tolist() == [0, 1, 2, 3]
    assert history.keys() == ["loss", "n", "ok", "text"] == list(history)
    arrays = history.to_numpy()
    np.testing.assert_array_equal(arrays["loss"], [1.0, np.nan, np.nan, 0.25])
    np.testing.assert_array_equal(arrays["n"], [1, np.nan, 3, np.nan])
    assert arrays["ok"].tolist() == [True, None, False, None]
    assert arrays["text"].tolist() == ["a", None, None, "b"]
    assert history["n"].values.tolist() == [1, 3]
    assert history["n"].values.dtype == np.int64
    assert history["n"].x.tolist() == [0, 2]
    assert dict(history)["ok"].values.tolist() == [True, False]
    with pytest.raises(NotFound, match="has no 'x'; it has 'loss'"):
        history["x"]


def test_tables_keep_a_gap_apart_from_nan(run: ApiRun) -> None:
    history = run.history(["loss", "n", "ok", "text", "list"])
    frame = history.to_pandas()
    assert str(frame["n"].dtype) == "Int64"
    assert frame["n"].isna().tolist() == [False, True, False, True]
    polars = history.to_polars()
    assert polars["loss"].is_null().to_list() == [False, False, True, False]
    assert polars["loss"].is_nan().to_list() == [False, True, None, False]
    assert polars["n"].to_list() == [1, None, 3, None]
    assert polars["list"].to_list() == [None, None, "[1,null]", None]
    arrow = history.to_arrow()
    assert arrow["loss"].is_null().to_pylist() == [False, False, True, False]
    assert arrow["ok"].to_pylist() == [True, None, False, None]
    assert arrow["text"].to_pylist() == ["a", None, None, "b"]


def test_time_is_a_time(run: ApiRun) -> None:
    series = run.history("loss", x="_time")
    assert series.x.dtype == "datetime64[us]"
    assert series.x[1] - series.x[0] == np.timedelta64(1, "s")
    assert series.to_pandas().index[0] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert str(series.to_polars().schema["_time"]) == "Datetime(time_unit='us', time_zone='UTC')"
    assert run.history("loss", x="_time", start="2026-01-01T00:00:01Z", stop="2026-01-01T00:00:03Z").rows == 1
    start = datetime(2026, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
    assert run.history("loss", x="_time", start=start).rows == 2
    assert run.history("loss", x="_time", start=START_US / 1e6 + 2).rows == 1
    assert run.history("loss", x="_runtime").x.tolist() == [0.0, 1.0, 3.0]
    with pytest.raises(UsageError, match="takes a number"):
        run.history("loss", start="2026-01-01")
    with pytest.raises(UsageError, match="takes a datetime"):
        run.history("loss", x="_time", start="soon")


def test_all_metrics_and_none(run: ApiRun, store: StoreBuilder) -> None:
    assert run.history().keys() == ["loss", "n", "ok", "text", "list"]
    store.run("empty")
    empty = Api().run("empty")
    assert (empty.history().rows, empty.history().to_pandas().shape[0], empty.keys()) == (0, 0, [])
    assert repr(empty.history()) == "History(no metric over '_step': 0 rows)"
    assert list(empty.scan_history()) == []
    assert (empty.console().text, empty.events(), empty.versions(), empty.files()) == ("", [], [], {})
    with pytest.raises(NotFound, match="no metric 'loss'; it has none yet"):
        empty.history("loss")


def test_samples_keep_every_metrics_extremes(store: StoreBuilder) -> None:
    built = store.run("r")
    values = np.sin(np.arange(20_000) / 100)
    values[1234] = 50
    other = np.zeros(20_000)
    other[4321] = -9
    built.log([(step, {"a": values[step], "b": other[step]}) for step in range(20_000)], batch=5000)
    run = Api().run("r")
    series = run.history("a", samples=100)
    assert len(series) <= 100
    assert series.total == 20_000
    assert series.values.max() == 50
    history = run.history(["a", "b"], samples=100)
    assert len(history) <= 200
    assert (history["a"].values.max(), history["b"].values.min()) == (50, -9)
    # Each chosen row is whole.
    assert len(history["a"]) == len(history["b"]) == len(history)
    np.testing.assert_array_equal(history["a"].values, values[history.x])
    assert repr(series).startswith("Series('a' over '_step': ")
    assert "of 20,000 points" in repr(series)


def test_scanning_gives_every_row_as_it_was_logged(run: ApiRun) -> None:
    rows = list(run.scan_history())
    assert [row["_step"] for row in rows] == [0, 1, 2, 3]
    assert rows[0]["_time"] == datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert {key: rows[2][key] for key in ("n", "ok", "list")} == {"n": 3, "ok": False, "list": [1, None]}
    assert "loss" not in rows[2]
    assert [row["_step"] for row in run.scan_history(["text"])] == [0, 3]
    assert set(next(run.scan_history(["text"]))) == {"_step", "_time", "text"}


def test_damage_is_one_warning_and_stays_with_the_result(store: StoreBuilder) -> None:
    built = store.run("r").log([(step, {"a": float(step)}) for step in range(300)], batch=100)
    store.database.execute(
        "UPDATE chunks SET checksum = 1 WHERE first_row = 100 AND column_id = (SELECT id FROM columns WHERE key = 'a')"
    )
    run = Api().run(built.id)
    with pytest.warns(TreeringWarning, match=r"run r, history 'a': rows 100 to 199 are damaged") as caught:
        series = run.history("a")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert series.x.tolist() == [*range(100), *range(200, 300)]
    assert len(series.damage) == 1
    assert "1 damaged place" in repr(series)
    with pytest.warns(TreeringWarning, match="damaged"):
        assert len(list(run.scan_history(["a"]))) == 200
    with pytest.warns(TreeringWarning):
        assert run.history(["a"]).damage == series.damage
    assert [item.first_row for item in run.check()] == [100]


# Other streams


def test_the_console_shows_the_newest_text_of_each_line(store: StoreBuilder) -> None:
    built = store.run("r")
    rows = [(0, "start"), (1, "10 %"), (2, "after"), (1, "100 %"), (3, "done")]
    built.log([(0, {"line": line, "text": text, "source": "stdout"}) for line, text in rows], "console")
    run = Api().run("r")
    log = run.console()
    assert log.text == str(log) == "start\n100 %\nafter\ndone\n"
    assert run.console(tail=2).lines == ["after", "done"]
    assert run.console(tail=0).lines == []
    assert (log[1].number, log[1].source) == (1, "stdout")
    assert log[1].time == datetime(2026, 1, 1, 0, 0, 3, tzinfo=timezone.utc)


def test_a_later_process_does_not_overwrite_the_output_of_an_earlier_one(store: StoreBuilder) -> None:
    built = store.run("r").log([(0, {"line": 0, "text": "first"}), (0, {"line": 1, "text": "second"})], "console")
    built.attempt(from_step=0, started_us=built.created_us + 1_500_000)
    built.log([(0, {"line": 0, "text": "again"})], "console")
    assert Api().run("r").console().lines == ["first", "second", "again"]


def test_events_and_system(store: StoreBuilder) -> None:
    built = store.run("r").log([(7, {"kind": "alert", "message": "m", "level": "warn", "title": "t"})], "events")
    built.log([(0, {"cpu/percent": 50.0, "memory/percent": 10.0}), (0, {"cpu/percent": 75.0})], "system")
    run = Api().run("r")
    (event,) = run.events()
    assert (event.kind, event.message, event.level, event.step, event.fields) == (
        "alert",
        "m",
        "warn",
        7,
        {"title": "t"},
    )
    assert run.system("cpu/percent").values.tolist() == [50.0, 75.0]
    assert run.system("cpu/percent").x.dtype == "datetime64[us]"
    assert run.system().keys() == ["cpu/percent", "memory/percent"]
    assert run.system(["cpu/percent"], x="_runtime").x.tolist() == [0.0, 1.0]
    with pytest.raises(NotFound, match="no system column 'cpu'"):
        run.system("cpu")


def test_versions_and_files(store: StoreBuilder, tmp_path: Path) -> None:
    run = store.run("r")
    add_version(store, run, "model", 0, {"weights.bin": b"old"})
    add_version(store, run, "model", 1, {"weights.bin": b"new", "sub/config.json": b"{}"}, "latest", "best")
    api = Api()
    first, second = api.run("r").versions()
    assert (first.version, second.version, second.aliases) == (0, 1, ("best", "latest"))
    assert [one.path for one in second.files()] == ["sub/config.json", "weights.bin"]
    assert api.run("r").files() == {"model:sub/config.json": 2, "model:weights.bin": 3}
    assert second.read("weights.bin") == b"new"
    assert first.read() == b"old"
    with pytest.raises(NotFound, match="has 2 files and none called 'x'"):
        second.read("x")
    folder = second.download(tmp_path / "out")
    assert (folder / "sub" / "config.json").read_bytes() == b"{}"
    assert api.version("model:v0").id == first.id
    assert api.version("model").id == api.version("model:best").id == second.id
    with pytest.raises(NotFound, match="model:worst"):
        api.version("model:worst")


def test_a_download_is_checked_and_stays_in_its_folder(store: StoreBuilder, tmp_path: Path, store_dir: Path) -> None:
    run = store.run("r")
    add_version(store, run, "model", 0, {"weights.bin": b"old"})
    add_version(store, run, "evil", 0, {"x": b"old"})
    ((manifest,),) = store.database.query("SELECT data FROM manifests WHERE version_id = 'evil-0'")
    entries = [msgspec.structs.replace(entry, path="../x") for entry in decode_manifest(manifest)]
    values = {"data": encode_manifest(entries)}
    store.database.execute("UPDATE manifests SET data = :data WHERE version_id = 'evil-0'", values)
    with pytest.raises(UsageError, match=r"'\.\./x' cannot be kept in an artifact: it has '\.' or '\.\.'"):
        Api().version("evil:v0").download(tmp_path / "out")
    (pack,) = (store_dir / "blobs").rglob("*.pack")
    pack.write_bytes(pack.read_bytes().replace(b"old", b"bad"))
    with pytest.raises(StoreError, match="does not match its digest"):
        Api().version("model:v0").download(tmp_path / "out")
    assert not (tmp_path / "out" / "weights.bin").exists()


# Deleting


def test_deleting(store: StoreBuilder) -> None:
    built = store.run("r", tags=["x"], config={"a": 1}).log([(0, {"a": 1})])
    add_version(store, built, "model", 0, {"weights.bin": b"old"}, "latest")
    store.run("alive", state="running", ended_us=None)
    api = Api()
    with pytest.raises(UsageError, match="still running"):
        api.delete("alive")
    run = api.run("r")
    assert api.delete("r").id == "r"
    with pytest.raises(NotFound):
        api.run("r")
    with pytest.raises(NotFound, match="no longer in the store"):
        run.reload()
    for table in ("columns", "run_values", "run_tags", "attempts", "streams", "chunks"):
        rows = store.database.query(
            f"SELECT COUNT(*) FROM {table}" + (" WHERE run_id = 'r'" if table != "chunks" else "")
        )
        assert rows == [(0,)], table
    assert api.version("model").run_id == "r"  # kept unless asked
    store.run("s")
    store.database.execute("UPDATE versions SET run_id = 's'")
    api.delete("s", versions=True)
    with pytest.raises(NotFound):
        api.version("model")


def test_records_encode_as_json(run: ApiRun) -> None:
    assert b'"key":"loss"' in msgspec.json.encode(run.metrics["loss"])


def test_no_warning_without_a_reason(run: ApiRun) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.history("loss", samples=4)
        run.history(x="n")
