"""`mode="online"` and `treering sync`, as a user has them."""

from __future__ import annotations

import os
import random
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copies import assert_copied
from ports import free_port

import treering
from treering import lifecycle
from treering.cli import run_and_tell
from treering.errors import NotFound, UsageError
from treering.online import uploading
from treering.online.credentials import find_server, login
from treering.training import Score, Training

TOKEN = "secret-token-of-these-tests-0123456789abcdef"
QUIET: dict[str, Any] = {"quiet": True, "capture_git": False, "system_interval_s": 0, "flush_interval_s": 0.02}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("online") / "server"


@pytest.fixture(scope="module")
def served(folder: Path, serve_all: Callable[..., Any]) -> Iterator[Any]:
    with serve_all(folder) as found:
        yield found


@pytest.fixture(autouse=True)
def _logged_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(uploading, "_RETRY_S", 0.02)
    monkeypatch.chdir(tmp_path)
    login(request.getfixturevalue("served").url, TOKEN)


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["treering", *words])
    return run_and_tell()


def test_a_run_is_here_and_there(served: Any, tmp_path: Path) -> None:
    with treering.init("p", id="both", dir=tmp_path / "here", mode="online", config={"lr": 0.1}, settings=QUIET) as run:
        run.define_metric("loss", summary="min")
        for step in range(500):
            run.log({"loss": 1 / (step + 1), "nested": {"a": step}})
        run.log({"nothing": None, "text": "ä"})
        run.log({"hist": treering.Histogram([1.0, 2.0]), "big": 2**70})
        print("printed")
        run.alert("hot", "too hot")
        run.summary["best"] = 3
        run.tags = ["a"]
        assert run.url == f"{served.url}/p/runs/both"
    assert assert_copied(tmp_path / "here", served.folder, "both") == 502
    with treering.Api(served.folder) as api:
        there = api.run("both")
        assert (there.state, there.summary["loss"], there.tags) == ("finished", 1 / 500, ("a",))
        assert there.events()[0].message == "too hot"
        assert "printed" in [line.text for line in there.console()]


def test_media_come_along(served: Any, tmp_path: Path) -> None:
    import numpy as np

    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    with treering.init("p", id="media", dir=tmp_path / "here", mode="online", settings=QUIET) as run:
        run.log({"image": treering.Image(pixels), "many": [treering.Image(pixels), treering.Image(pixels[:32])]})
    with treering.Api(served.folder) as api:
        values = api.run("media").history("many").values
        assert (values[0][0].pixels == pixels).all()
        assert values[0][1].pixels.shape == (32, 64, 3)


@pytest.mark.filterwarnings("ignore:trouble while:treering.TreeringWarning")
def test_a_server_that_is_down_stops_nothing(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(uploading, "_UNREACHABLE_S", 0.1)
    settings = {**QUIET, "url": f"http://127.0.0.1:{free_port()}", "api_key": TOKEN}
    run = treering.init("p", id="down", dir=tmp_path / "here", mode="online", settings=settings)
    for step in range(100):
        run.log({"loss": step})
    with pytest.warns(treering.TreeringWarning, match="`treering sync down --url http://127.0.0.1:"):
        run.finish()
    assert treering.Api(tmp_path / "here").run("down").history("loss").total == 100
    assert command(monkeypatch, "sync", "--dir", str(tmp_path / "here")) == 0
    assert command(monkeypatch, "sync", "down", "--dir", str(tmp_path / "here"), "--json") == 0
    assert '"complete"' in capsys.readouterr().out
    assert assert_copied(tmp_path / "here", served.folder, "down") == 100


def test_offline_now_and_synced_later(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = tmp_path / "here"
    (tmp_path / "weights.bin").write_bytes(random.Random(1).randbytes(700_000))
    for number in range(2):
        with treering.init("p", id=f"off{number}", dir=here, mode="offline", settings=QUIET) as run:
            run.log({"loss": number})
            run.log_artifact(tmp_path / "weights.bin", name=f"w{number}").wait(120)
    with treering.init("p", id="kept", dir=here, settings=QUIET) as run:
        run.log({"loss": 3})
    for _ in range(2):
        assert command(monkeypatch, "sync", "--dir", str(here)) == 0
        assert capsys.readouterr().out.splitlines() == ["off0: complete", "off1: complete"]
    assert command(monkeypatch, "sync", "--dir", str(here), "--all") == 0
    assert "kept: complete" in capsys.readouterr().out
    assert assert_copied(here / "bundles" / "off1.db", served.folder, "off1") == 1
    assert assert_copied(here, served.folder, "kept") == 1
    with treering.Api(served.folder) as api:
        assert api.version("w1").read() == (tmp_path / "weights.bin").read_bytes()
        assert api.version("w0").stored > 600_000
    assert command(monkeypatch, "sync", "nothing", "--dir", str(here)) == 1


def test_a_run_is_gone_on_with_on_another_machine(served: Any, tmp_path: Path) -> None:
    with treering.init("p", id="far", dir=tmp_path / "one", mode="online", config={"lr": 1}, settings=QUIET) as run:
        for step in range(10):
            run.log({"loss": step})
    arguments: dict[str, Any] = {"mode": "online", "id": "far", "settings": QUIET}
    with treering.init("p", dir=tmp_path / "two", resume="must", resume_step=4, **arguments) as run:
        assert (run.attempt, run.step, run.config["lr"]) == (2, 5, 1)
        run.log({"loss": 0.5})
    with treering.Api(served.folder) as api:
        there = api.run("far")
        assert (there.attempt, there.state, there.summary["loss"]) == (2, "finished", 0.5)
        assert list(there.history("loss").values) == [0, 1, 2, 3, 4, 0.5]
    # The first machine learns of it, and goes on from there.
    with treering.init("p", dir=tmp_path / "one", resume="allow", **arguments) as run:
        assert (run.attempt, run.step) == (3, 6)
        run.log({"loss": 0.25})
    with treering.Api(served.folder) as api:
        assert list(api.run("far").history("loss").values) == [0, 1, 2, 3, 4, 0.5, 0.25]
        assert [one.state for one in api.run("far").attempts] == ["finished"] * 3
    with pytest.raises(NotFound):
        treering.init("p", dir=tmp_path / "two", resume="must", mode="online", id="nobody", settings=QUIET)


def test_runs_that_went_apart_are_not_mixed(served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        with treering.init("p", id="twin", dir=tmp_path / name, mode="offline", settings=QUIET) as run:
            run.log({"loss": 1.0 if name == "one" else 2.0})
    assert command(monkeypatch, "sync", "--dir", str(tmp_path / "one")) == 0
    assert command(monkeypatch, "sync", "--dir", str(tmp_path / "two")) == 1
    with treering.Api(served.folder) as api:
        assert list(api.run("twin").history("loss").values) == [1.0]


def test_artifacts_go_and_come_chunk_by_chunk(served: Any, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(3_000_000)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(data)
    (tmp_path / "model" / "config.json").write_text("{}")
    with treering.init("p", id="maker", dir=tmp_path / "one", mode="online", settings=QUIET) as run:
        run.log_artifact(tmp_path / "model", name="net", aliases=["best"], metadata={"acc": 0.9}).wait(120)
        (tmp_path / "model" / "weights.bin").write_bytes(data[:1_000_000] + b"changed" + data[1_000_000:])
        run.log_artifact(tmp_path / "model", name="net").wait(120)
    with treering.Api(served.folder) as api:
        first, second = api.versions("net")
        assert (first.aliases, second.aliases, first.metadata) == (("best",), ("latest",), {"acc": 0.9})
        assert second.read("weights.bin")[1_000_000:1_000_007] == b"changed"
        packs = sum(path.stat().st_size for path in (served.folder / "blobs").rglob("*.pack"))
        assert packs < 4_500_000
    # Elsewhere, by name, and without the machine that made it.
    shutil.rmtree(tmp_path / "one")
    with treering.init("p", id="user", dir=tmp_path / "two", mode="online", settings=QUIET) as run:
        found = run.use_artifact("net:best")
        assert (found.version, found.metadata) == (0, {"acc": 0.9})
        assert (found.download(tmp_path / "out") / "weights.bin").read_bytes() == data
        assert run.use_artifact("net").read("config.json") == b"{}"
        restored = treering.load_checkpoint("net:best", as_path=True)
        assert (restored / "weights.bin").read_bytes() == data
    with treering.init("p", id="restores", dir=tmp_path / "three", mode="online", settings=QUIET) as run:
        assert (run.restore_checkpoint("net:best", as_path=True) / "weights.bin").read_bytes() == data
    with treering.Api(served.folder) as api:
        assert [one.name for one in api.run("user").used_versions()] == ["net", "net"]


def test_checkpoints_of_callbacks_stay_here_unless_they_are_asked_for(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(name: str, **options: Any) -> None:
        with treering.init("p", id=name, dir=tmp_path / "here", mode="online", settings=QUIET) as run:
            training = Training("toy", run, **options)
            training.begin()
            for step in (1, 2):
                (tmp_path / "model.bin").write_text(f"{name} {step}")
                training.checkpoint(tmp_path / "model.bin", step=step, score=Score("val/loss", 1 / step))
            training.end()
            (tmp_path / "report.txt").write_text(name)
            run.log_artifact(tmp_path / "report.txt", name=f"report-{name}")

    train("stays")
    train("goes", upload=True)

    def there() -> dict[str, list[str]]:
        with treering.Api(served.folder) as api:
            return {name: sorted(one.read().decode() for one in api.run(name).versions()) for name in ("stays", "goes")}

    with treering.Api(tmp_path / "here") as api:
        assert len(api.run("stays").versions()) == 3
        assert [one.version for one in api.run("stays").versions() if "best" in one.aliases] == [1]
    assert there() == {"stays": ["stays"], "goes": ["goes", "goes 1", "goes 2"]}
    with treering.Api(served.folder) as api:
        assert api.run("stays").state == "finished", "nothing is missing"
    assert command(monkeypatch, "sync", "stays", "--dir", str(tmp_path / "here")) == 0
    assert there()["stays"] == ["stays"]
    assert command(monkeypatch, "sync", "stays", "--checkpoints", "--dir", str(tmp_path / "here")) == 0
    assert there()["stays"] == ["stays", "stays 1", "stays 2"]
    with treering.Api(served.folder) as api:
        (best,) = [one for one in api.run("stays").versions() if "best" in one.aliases]
        assert best.read() == b"stays 2"


def test_the_key_is_kept_from_others(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "treering" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert find_server(None, None) == (served.url, TOKEN)
    assert TOKEN not in repr(find_server(None, None))
    assert TOKEN not in repr(treering.Settings(api_key=TOKEN))
    assert command(monkeypatch, "login", served.url, "--key", "wrong" * 10) == 2
    assert command(monkeypatch, "login", served.url, "--key", TOKEN) == 0
    assert command(monkeypatch, "login", served.url, "--logout") == 0
    with pytest.raises(UsageError, match="treering login"):
        find_server(served.url, None)
    with pytest.raises(UsageError, match="no server is named"):
        treering.init("p", mode="online", settings=QUIET)
    assert lifecycle.live_runs() == []


def test_a_forked_child_sends_nothing(served: Any, tmp_path: Path) -> None:
    with treering.init("p", id="forked", dir=tmp_path / "here", mode="online", settings=QUIET) as run:
        run.log({"loss": 1})
        pid = os.fork()
        if not pid:
            run.log({"loss": 2})
            run.finish()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        run.log({"loss": 3})
    assert assert_copied(tmp_path / "here", served.folder, "forked") == 2
