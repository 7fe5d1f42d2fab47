"""The commands, as a person and as a program meet them."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Call
from store_builder import START_US, StoreBuilder

from treering.api import Api

# runs


def test_runs_piped_is_tab_separated(store: StoreBuilder, call: Call) -> None:
    done = call("runs")
    assert done.code == 0
    assert done.out.splitlines() == [
        "id\tname\tproject\tstate\tcreated\tduration",
        "bbb2\tsecond\tother\tfailed\t2026-01-01T00:01:00+00:00\t30.0",
        "aaa1\tfirst\tp\tfinished\t2026-01-01T00:00:00+00:00\t30.0",
    ]
    done = call("runs", "p", "--columns", "name,config.lr,config.optim.name,summary.val/acc,summary.none")
    assert done.out.splitlines()[1] == "first\t0.1\tadam\t0.75\t"


def test_runs_filter_order_and_limit(store: StoreBuilder, call: Call) -> None:
    assert [run["id"] for run in call("runs", "--filter", "config.lr > 0.15", "--json").data] == ["bbb2"]
    assert [run["id"] for run in call("runs", "--order", "config.lr", "--json").data] == ["aaa1", "bbb2"]
    assert [run["id"] for run in call("runs", "-n", "1", "--json").data] == ["bbb2"]
    (run,) = call("runs", "other", "--json").data
    assert run["summary"] == {"loss": "nan"}  # JSON has no NaN
    assert run["failure"]["message"] == "boom"
    done = call("runs", "--filter", "lr > 1")
    assert done.code == 2
    assert "did you mean config.lr or summary.lr?" in done.err
    assert done.out == ""


@pytest.mark.parametrize("width", [60, 80, 120])
def test_runs_fits_the_terminal(store: StoreBuilder, call: Call, width: int) -> None:
    store.run("ccc3", name="a name that is much longer than anybody needs it to be for a single run")
    lines = call("runs", width=width).out.splitlines()
    assert len(lines) == 4
    assert all(len(line) <= width for line in lines)
    assert "✗ failed" in lines[2]
    if width == 120:
        assert lines[0].split()[-3:] == ["lr", "loss", "val/acc"]


def test_runs_says_when_there_are_more(store: StoreBuilder, call: Call) -> None:
    for number in range(60):
        store.run(f"r{number}")
    done = call("runs", width=100)
    assert len(done.out.splitlines()) == 52
    assert done.out.splitlines()[-1] == "The first 50; --limit 0 shows all."
    assert len(call("runs", "--limit", "0", width=100).out.splitlines()) == 63


def test_no_runs(store_dir: Path, call: Call) -> None:
    StoreBuilder(store_dir)
    assert call("runs", width=80).out == "No runs.\n"
    assert call("runs", "--json").data == []


def test_no_store(store_dir: Path, call: Call) -> None:
    done = call("runs")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"treering: there is no store at {store_dir}")
    assert len(done.err.splitlines()) == 1


# show


def test_show(store: StoreBuilder, call: Call) -> None:
    text = call("show", "first", width=100).out
    for part in (
        "first  ✓ finished",
        "optim.name  adam",
        "loss     0.25  0.25     1      4  █▃▂▁",
        "commit    aaaaaaaaaaaa on main, uncommitted changes",
        "python    3.11.7",
    ):
        assert part in text, text
    failed = call("show", width=80).out  # the latest
    assert "Failed at step 7: ValueError: boom" in failed
    assert "  ValueError: boom" in failed
    data = call("show", "aaa1", "--json").data
    assert data["metrics"]["loss"]["min"] == 0.25
    assert data["attempts"][0]["number"] == 1
    assert data["capture"]["git"]["branch"] == "main"


def test_show_puts_a_programs_own_settings_before_a_frameworks(store: StoreBuilder, call: Call) -> None:
    store.run("ccc3", name="third", config={"hf": {f"setting_{number}": number for number in range(50)}, "lr": 0.1})
    shown = call("show", "third", width=100).out.partition("Config\n")[2].splitlines()
    assert shown[0].split() == ["lr", "0.1"]
    assert shown[39].split() == ["hf.setting_38", "38"]
    assert shown[40] == "and 11 more, see --json"


def test_show_an_unknown_run(store: StoreBuilder, call: Call) -> None:
    done = call("show", "frist")
    assert done.code == 1
    assert "there is no run 'frist'" in done.err
    assert "did you mean 'first'?" in done.err


# plot


def braille(text: str) -> int:
    return sum((ord(character) - 0x2800).bit_count() for character in text if "\u2800" <= character <= "\u28ff")


def test_a_plot_shows_a_single_spike_among_a_million_points(store: StoreBuilder, call: Call) -> None:
    run = store.run("big")
    values = np.zeros(1_000_000)
    values[777_777] = 1.0
    run.column("_step", "int64", range(1_000_000), np.arange(1_000_000))
    run.column("spiky", "float64", range(1_000_000), values)
    lines = call("plot", "big", "spiky", "--width", "80", "--height", "10").out.splitlines()
    top = lines[1]
    assert braille(top) > 0
    at = next(at for at, character in enumerate(top) if "\u2801" <= character <= "\u28ff")
    assert at == pytest.approx(6 + 0.7777 * 74, abs=3)
    assert "max 1, 1000000 points" in lines[0] or "max 1, 1,000,000 points" in lines[0]


def test_plot_overlays_and_stacks(store: StoreBuilder, call: Call) -> None:
    coloured = call("plot", "first,second", "loss", "--height", "8", width=80).out.splitlines()
    assert [line.split("  ")[0] for line in coloured[:2]] == ["━━ first", "━━ second"]
    assert len(coloured) == 2 + 8 + 3 + 1
    assert coloured[-1] == "second: NaN or infinite in places, drawn as gaps"
    plain = call("plot", "first,second", "loss", "--height", "8").out.splitlines()
    assert [line.split("  ")[0] for line in plain if line.startswith("━━")] == ["━━ first", "━━ second"]
    assert len(plain) > len(coloured)


def test_plot_axes(store: StoreBuilder, call: Call) -> None:
    assert "val/acc" in call("plot", "first", "loss", "-x", "val/acc").out.splitlines()[-1]
    assert "time since start" in call("plot", "first", "loss", "-x", "_runtime").out.splitlines()[-1]
    assert call("plot", "first", "loss", "-x", "_time").code == 0
    (curve,) = call("plot", "first", "loss", "--start", "1", "--stop", "3", "--json").data
    assert (curve["x"], curve["y"]) == ([1, 2], [1 / 2, 1 / 3])
    assert call("plot", "first", "loss", "--log", "--height", "6").code == 0
    done = call("plot", "first", "lss")
    assert done.code == 1
    assert "no metric 'lss'; did you mean 'loss'?" in done.err
    assert call("plot", "first", "loss", "--start", "x").code == 2


def test_plot_of_nothing_finite_and_of_a_constant(store: StoreBuilder, call: Call) -> None:
    store.run("odd").log([(step, {"nan": float("nan"), "one": 1.0, "text": "x"}) for step in range(3)])
    assert "Nothing to draw" in call("plot", "odd", "nan").out
    assert braille(call("plot", "odd", "one").out) > 0
    assert "only numbers can be drawn" in call("plot", "odd", "text").err


# diff


def test_diff(store: StoreBuilder, call: Call) -> None:
    text = call("diff", "first", "second", width=100).out
    for part in ("lr  0.1  0.2", "packages.torch  2.1  2.2", "-lr = 0.1", "+lr = 0.2", "commit"):
        assert re.sub(r"\s+", " ", part) in re.sub(r"[^\S\n]+", " ", text), text
    assert "batch_size" not in text
    assert "batch_size" in call("diff", "first", "second", "--all", width=100).out
    data = call("diff", "first", "second", "--json").data
    assert data["config"] == {"lr": {"first": 0.1, "second": 0.2}}
    assert data["metrics"]["val/acc"] == {"first": 0.75}
    assert "+lr = 0.2" in data["text"]["source"]
    assert call("diff", "first", "first", width=80).out.count("the same") == 4


# export


def test_export_csv(store: StoreBuilder, call: Call, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(call("export", "first", "second").out)))
    assert len(rows) == 9
    assert rows[0] == {
        "run": "aaa1",
        "_step": "0",
        "_time": "2026-01-01T00:00:00+00:00",
        "loss": "1.0",
        "val/acc": "0.0",
    }
    assert (rows[6]["loss"], rows[6]["val/acc"]) == ("nan", "")
    assert [float(row["loss"]) for row in rows[:4]] == [1 / (step + 1) for step in range(4)]
    done = call("export", "--filter", "state = failed", "--keys", "loss", "-o", tmp_path / "x.csv")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "x.csv").read_text().splitlines()[0] == "run,_step,_time,loss"
    assert os.listdir(tmp_path) == sorted(["x.csv", "store"]) or set(os.listdir(tmp_path)) == {"x.csv", "store"}


def test_export_json(store: StoreBuilder, call: Call) -> None:
    rows = call("export", "second", "--json").data
    assert [row["loss"] for row in rows] == [0.0, 0.5, "nan", 1.5, 2.0]
    assert [row["id"] for row in call("export", "--stream", "runs", "--json").data] == ["aaa1", "bbb2"]
    assert call("export", "second", "--stream", "system", "--json").data == []


def test_export_parquet(store: StoreBuilder, call: Call, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    store.run("ccc3", name="third").log([(0, {"loss": "a text", "n": 1}), (1, {"n": 2})])
    assert call("export", "--output", tmp_path / "x.parquet").code == 0
    table = parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["run", "_step", "_time", "loss", "val/acc", "n"]
    assert table["run"].to_pylist() == ["aaa1"] * 4 + ["bbb2"] * 5 + ["ccc3"] * 2
    assert table["n"].to_pylist() == [None] * 9 + [1, 2]
    assert table["loss"].to_pylist()[9] == "a text"
    assert call("export", "first", "-o", tmp_path / "y.parquet").code == 0
    np.testing.assert_array_equal(
        parquet.read_table(tmp_path / "y.parquet")["loss"].to_numpy(), [1 / (step + 1) for step in range(4)]
    )
    assert call("export", "--stream", "runs", "-o", tmp_path / "z.parquet").code == 0
    assert parquet.read_table(tmp_path / "z.parquet")["config.lr"].to_pylist() == [0.1, 0.2, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "xml"], "it takes parquet, csv, json"),
        (["--output", "x.xml"], "does not tell the format"),
        (["--format", "parquet"], "name a file with --output"),
        (["--stream", "x"], "it takes history, system"),
        (["--filter", "state = lost"], "no such run"),
    ],
)
def test_export_says_what_it_cannot_do(store: StoreBuilder, call: Call, arguments: list[str], message: str) -> None:
    done = call("export", *arguments)
    assert done.code in (1, 2)
    assert message in done.err


# delete


def test_delete_asks(store: StoreBuilder, call: Call) -> None:
    done = call("delete", "first")
    assert done.code == 2
    assert "give --yes" in done.err
    assert call("delete", "first", "nope", "--yes").code == 1
    assert len(Api().runs()) == 2  # nothing is deleted when one of several is not there
    assert call("delete", "first", "aaa1", "-y").out == "Deleted first (aaa1).\n"
    assert call("delete", "bbb2", "--yes", "--json").data == {"deleted": ["bbb2"]}
    assert len(Api().runs()) == 0


def test_delete_at_a_terminal(store: StoreBuilder, store_dir: Path) -> None:
    pty = pytest.importorskip("pty")
    for answer, left in (("n\n", 2), ("y\n", 1)):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "treering.cli", "delete", "first"], stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        os.write(master, answer.encode())
        assert process.wait(30) == (0 if left == 1 else 1)
        os.close(master)
        assert len(Api().runs()) == left


def test_a_running_run_is_not_deleted(store: StoreBuilder, call: Call) -> None:
    store.run("alive", state="running", ended_us=None)
    done = call("delete", "alive", "--yes")
    assert done.code == 2
    assert "still runs; stop it first" in done.err


# init, version, and the whole


def test_init_makes_a_store_here(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "Made" in call("init").out
    assert (tmp_path / ".treering" / "treering.db").exists()
    assert (tmp_path / ".treering" / ".gitignore").read_text().endswith("*\n")
    assert "there already" in call("init").out
    assert call("init", "--json").data == {"folder": str(tmp_path / ".treering"), "created": False}
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert call("runs", width=80).out == "No runs.\n"
    assert call("init", "nowhere").code == 2


def test_version(call: Call) -> None:
    import treering

    assert call("--version").out == f"treering {treering.__version__}\n"
    assert call("version", "--json").data["treering"] == treering.__version__
    assert "sqlite" in call("version").out


def test_merge(store: StoreBuilder, call: Call, tmp_path: Path, store_dir: Path) -> None:
    other = StoreBuilder(tmp_path / "other")
    other.run("zzz9").log([(0, {"a": 1.0})])
    assert call("merge", tmp_path / "other").out == f"{tmp_path / 'other'}: 1 added (zzz9)\n"
    assert call("merge", tmp_path / "other").out.endswith("1 here already\n")
    assert Api().run("zzz9").history("a").values.tolist() == [1.0]
    assert call("merge", tmp_path / "none.db").code == 1


def test_without_arguments_it_explains_itself(call: Call) -> None:
    done = call()
    assert "Read, compare and look after" in done.out + done.err
    assert call("--help").code == 0
    assert call("nonsense").code == 2


def test_a_pipe_that_closes_early_is_no_error(store: StoreBuilder) -> None:
    with store.database.transaction():
        for number in range(3000):
            store.run(f"run-{number:05}-{'x' * 60}")
    done = subprocess.run(
        f"{sys.executable} -m treering.cli runs | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("id\t")
    assert done.stderr == ""


def completions(words: str) -> set[str]:
    """What bash offers behind `words`."""
    environ = {"_TREERING_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "treering.cli"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


def test_shell_completion(store: StoreBuilder, call: Call) -> None:
    assert completions("treering d") == {"diff", "delete", "doctor"}
    assert completions("treering show ") == {"aaa1", "first", "bbb2", "second"}
    assert completions("treering diff first s") == {"second"}
    assert completions("treering runs ") == {"p", "other"}
    assert "--filter" in completions("treering runs --")
    assert "_TREERING_COMPLETE=bash_complete" in call("completion", "bash").out


# starting


def test_starting_loads_little(store: StoreBuilder) -> None:
    script = (
        "import sys; sys.argv = ['treering', 'runs']\n"
        "from treering.cli import run_and_tell\n"
        "code = run_and_tell()\n"
        "heavy = {'numpy', 'sqlalchemy', 'pandas', 'rich.table', 'asyncio', 'ssl'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {heavy}' if heavy else code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_start_is_where_the_builder_says(store: StoreBuilder) -> None:
    assert Api().run("first").created.timestamp() * 1e6 == START_US
