"""`treering artifact ...`: what it prints for people, pipes and programs."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import treering
from treering import cli

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], store_dir: Path) -> Call:
    """Run `treering artifact ARGUMENTS` in this process; returns exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["treering", "artifact", *map(str, arguments)])
        monkeypatch.setattr("warnings.showwarning", None)
        capfd.readouterr()
        code = cli.run_and_tell()
        return code, *capfd.readouterr()

    return run


def data(done: tuple[int, str, str]) -> Any:
    assert done[0] == 0, done
    return json.loads(done[1])


def test_put_list_show_and_get(call: Call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "in" / "b.csv").write_text("b")
    code, out, _ = call("put", tmp_path / "in", "--name", "set", "--type", "dataset", "--alias", "best", "--tag", "t")
    assert (code, out) == (0, "set:v0 (2 B, 2 B of them new)\n")
    (tmp_path / "in" / "a.txt").write_text("changed")
    assert data(call("put", tmp_path / "in" / "a.txt", tmp_path / "in", "-n", "set", "--json"))["version"] == 1
    listed = data(call("ls", "--json"))
    assert [(one["name"], one["version"], one["aliases"]) for one in listed] == [
        ("set", 0, ["best"]),
        ("set", 1, ["latest"]),
    ]
    code, out, _ = call("ls", "set", "--type", "dataset")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["artifact", "set:v0"]
    shown = data(call("show", "set:best", "--json"))
    assert [file["path"] for file in shown["files"]] == ["a.txt", "b.csv"]
    assert "a.txt" in call("show", "set")[1]
    out = call("get", "set:best", tmp_path / "out", "--file", "*.csv")[1]
    assert out == f"set:v0 is in {tmp_path}/out (1 of its 2 files)\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.csv"]
    (tmp_path / "out" / "stray").write_text("x")
    assert data(call("get", "set:v0", tmp_path / "out", "--exactly", "--json"))["version"] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "b.csv"]
    for arguments, said in (
        (("ls", "nothing"), "there is no artifact 'nothing'"),
        (("get", "set:v9"), "it has v0 to v1"),
        (("show", "set:"), "say 'name'"),
        (("get", "set", "x", "--exactly", "--file", "y"), "leave --path and --tensor out"),
    ):
        code, _, err = call(*arguments)
        assert code in {1, 2}
        assert said in err


def test_diff_names_layers(call: Call, tmp_path: Path) -> None:
    numpy_format = pytest.importorskip("safetensors.numpy")
    layers = {f"layer{number}": np.full((4, 4), 2.0, "f4") for number in range(3)}
    for name in ("layer2", "new"):
        layers[name] = layers.pop("layer2")
        numpy_format.save_file(layers, tmp_path / "m.safetensors")
        artifact = treering.Artifact("m", "model")
        artifact.add_file(tmp_path / "m.safetensors")
        artifact.add("same", "note")
        artifact.save("p")
        layers["layer1"] = layers["layer1"].copy()
        layers["layer1"][0, 0] += 0.5
    found = data(call("diff", "m:v0", "m:v1", "--json"))["files"]
    assert [(file["path"], file["change"]) for file in found] == [("m.safetensors", "changed")]
    tensors = {tensor["name"]: tensor for tensor in found[0]["tensors"]}
    assert {name: tensor["change"] for name, tensor in tensors.items()} == {
        "layer1": "changed", "layer2": "removed", "new": "added",
    }  # fmt: skip
    assert tensors["layer1"]["share"] == 1 / 16
    assert tensors["layer1"]["largest"] == 0.5
    assert tensors["layer1"]["relative"] == pytest.approx(0.5 / 8)
    told = call("diff", "m:v0", "m:v1")[1]
    assert "layer1: 6.2% of its values, by up to 0.5" in told
    assert told.endswith("1 file is the same\n")
    assert "0 tensors" not in told


def test_gc_verify_and_lineage(call: Call, store_dir: Path) -> None:
    artifact = treering.Artifact("old")
    artifact.add(random.Random(1).randbytes(5000), "x")
    artifact.ttl = timedelta(microseconds=1)
    artifact.save("p")
    with treering.init("p", id="user", settings={"system_interval_s": 0}) as run:
        run.use_artifact("old")
    (plan,) = data(call("gc", "--plan", "--json"))
    assert [(one["version"], one["used_by"]) for one in plan["expiring"]] == [("old:v0", ["user"])]
    code, out, _ = call("gc", "--plan")
    assert code == 0
    assert "old:v0 would go: its time was over at" in out
    assert "run user used it" in out
    assert "old:v0 -> run user (used)" in call("lineage", "old")[1]
    assert data(call("verify", "--json"))["healthy"]
    assert "is whole" in call("verify", "old")[1]
    (pack,) = (store_dir / "blobs").rglob("*.pack")
    pack.write_bytes(pack.read_bytes()[:100] + b"x" + pack.read_bytes()[101:])
    code, out, _ = call("verify")
    assert code == 1
    assert pack.name in out
    assert "old:v0, 'x'" in out
    assert "old:v0 gone" in call("gc")[1]
    assert data(call("ls", "--json")) == []


def test_where_the_bytes_are(call: Call, store_dir: Path, tmp_path: Path) -> None:
    with treering.init("p", id="r", settings={"system_interval_s": 0}):
        pass
    assert call("store")[1].strip() == str(store_dir / "blobs" / "packs")
    assert call("store", (tmp_path / "elsewhere").as_uri())[0] == 0
    artifact = treering.Artifact("a")
    artifact.add("x", "x")
    artifact.save("p")
    assert list((tmp_path / "elsewhere").rglob("*.pack"))
    assert treering.Api().version("a").read() == b"x"
    code, _, err = call("store", "s3://bucket")
    assert code == 1
    assert "has packs already" in err


def test_rules_at_the_prompt(call: Call) -> None:
    for number in range(4):
        artifact = treering.Artifact("m", metadata={"val_loss": [3.0, 1.0, 2.0, 4.0][number]})
        artifact.add(str(number), "x")
        artifact.save("p")
    assert call("keep")[1].startswith("All versions are kept")
    code, out, _ = call("keep", "m", "--last", "1", "--best", "1", "--metric", "val_loss", "--mode", "min")
    assert (code, out.splitlines()[1]) == (
        0,
        "p/m\tthe last 1, the best 1 by val_loss (min) and what has an alias\t2",
    )
    assert [(one["name"], one["leaving"]) for one in data(call("keep", "--json"))] == [("m", [0, 2])]
    plan = call("gc", "--plan")[1]
    assert "m:v0 would go: m keeps the last 1, the best 1 by val_loss (min) and what has an alias" in plan
    assert call("keep", "m", "--everything")[1].startswith("All versions of m are kept")
    assert "would go" not in call("gc", "--plan")[1]
    for arguments, said in (
        (("--last", "1"), "no collection"),
        (("m", "--everything", "--last", "1"), "leave one of them out"),
        (("m", "--metric", "loss"), "say best=3"),
        (("nothing", "--last", "1"), "no artifact 'nothing'"),
    ):
        code, _, err = call("keep", *arguments)
        assert code in {1, 2}
        assert said in err


def test_a_registry_at_the_prompt(call: Call) -> None:
    for number in range(2):
        artifact = treering.Artifact("m", "model")
        artifact.add(str(number), "x")
        artifact.save("p")
        assert data(call("registry", "link", f"m:v{number}", "shop", "--json"))["version"] == number
    out = call("registry", "stage", "shop:v1", "production", "--note", "why not")[1]
    assert out == "model-registry/shop:v1 is in production\n"
    assert call("registry", "ls")[1].splitlines()[1].split("\t")[-2:] == ["", "v1"]
    assert data(call("registry", "ls", "--json"))[0]["stages"] == {"production": 1}
    assert [line.split("\t")[1] for line in call("registry", "ls", "shop")[1].splitlines()] == [
        "stage",
        "production",
        "",
    ]
    assert data(call("show", "model-registry/shop:production", "--json"))["stage"] == "production"
    assert call("registry", "unstage", "shop:production")[1] == "model-registry/shop:v1 is in no stage\n"
    assert call("registry", "stages", "a", "b")[1] == "a\nb\n"
    events = [line.split("\t")[3] for line in call("registry", "events", "shop", "--last", "2")[1].splitlines()]
    assert events == ["what", "shop:v1 put into production: why not", "shop:v1 taken out of production"]
    assert [one["kind"] for one in data(call("registry", "events", "--json"))][-1] == "stages"
    code, _, err = call("registry", "ls", "nothing")
    assert (code, "has no 'nothing'" in err) == (1, True)


def test_one_tensor(call: Call, tmp_path: Path) -> None:
    numpy_format = pytest.importorskip("safetensors.numpy")
    numpy_format.save_file({"layer/w": np.eye(3, dtype="f4"), "b": np.zeros(2)}, tmp_path / "m.safetensors")
    artifact = treering.Artifact("m", "model")
    artifact.add_file(tmp_path / "m.safetensors")
    artifact.add("words", "note")
    artifact.save("p")
    out = call("get", "m", tmp_path / "out", "--tensor", "layer/w")[1]
    assert out == f"layer/w (3 x 3, float32) of m.safetensors is in {tmp_path}/out/layer.w.npy\n"
    assert np.array_equal(np.load(tmp_path / "out" / "layer.w.npy"), np.eye(3))
    (one,) = data(call("get", "m", tmp_path / "out", "--tensor", "b", "--path", "*.safetensors", "--json"))
    assert (one["shape"], one["dtype"]) == ([2], "float64")
    assert call("get", "m", tmp_path / "one", "--path", "*.txt")[0] == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["note.txt"]
    assert "none called 'x': " in call("get", "m", tmp_path, "--tensor", "x")[2]
    assert "no file of tensors" in call("get", "m", tmp_path, "--tensor", "x", "--path", "note.txt")[2]
