"""The words with which a run names a version, and what each attribute of a version says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import treering
from treering.errors import CorruptData, NotFound, UsageError

SETTINGS = {"system_interval_s": 0, "console": False, "capture_git": False, "flush_interval_s": 0.01}


@pytest.fixture
def run(store_dir: Path) -> treering.Run:
    """A run of the project "q"; the project "p" has m:v0, called good, and m:v1; "q" has m:v0."""
    for project, contents in (("p", ("p0", "p1")), ("q", ("q0",))):
        for number, content in enumerate(contents):
            artifact = treering.Artifact("m", "model")
            artifact.add(content, "x")
            artifact.aliases = ["good"] if content == "p0" else [f"try/{number}"]
            artifact.save(project)
    with treering.init("q", id="r", settings=SETTINGS) as opened:
        yield opened


@pytest.mark.parametrize(
    ("words", "content"),
    [
        ("m", "q0"), ("m:latest", "q0"), ("m:v0", "q0"), ("m:try/0", "q0"),
        ("p/m", "p1"), ("p/m:latest", "p1"), ("p/m:v0", "p0"), ("p/m:v1", "p1"), ("p/m:good", "p0"),
        ("p/m:try/1", "p1"),
    ],
)  # fmt: skip
def test_each_form_of_a_name(words: str, content: str, run: treering.Run) -> None:
    used = run.use_artifact(words)
    assert used.read().decode() == content
    assert run.use_artifact(used) is used  # an artifact names itself
    run.flush(30)
    assert [one.id for one in used.used_by()] == ["r"]  # once is once


@pytest.mark.parametrize("words", ["m:good", "m:v1", "p/m:v2", "p/none", "none", "s/m"])
def test_names_of_nothing(words: str, run: treering.Run) -> None:
    with pytest.raises(NotFound, match="there is no"):
        run.use_artifact(words)


@pytest.mark.parametrize("words", ["", ":v0", "m:", "/m"])
def test_words_that_are_no_name(words: str, run: treering.Run) -> None:
    with pytest.raises(UsageError, match="say 'name'"):
        run.use_artifact(words)


def test_models(run: treering.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.bin").write_bytes(b"one")
    (tmp_path / "two").mkdir()
    for name in ("a", "b"):
        (tmp_path / "two" / name).write_text(name)
    one, two = run.log_model("one.bin", "one", ["candidate"]), run.log_model("two")
    assert (one.type, two.type, two.name) == ("model", "model", "r-two")
    assert treering.use_model("one:candidate").read_bytes() == b"one"  # its file
    assert sorted(path.name for path in run.use_model("r-two").iterdir()) == ["a", "b"]  # the folder of several
    linked = treering.link_model("one.bin", "shop", aliases=["eu"], name="one")
    assert linked.wait(30).aliases == ("eu", "latest")
    assert (run.use_artifact("model-registry/shop:eu").read(), linked.stored) == (b"one", 0)
    with pytest.raises(NotFound):
        run.use_model("one:v7")


def test_one_tensor_needs_no_others(run: treering.Run, store_dir: Path, tmp_path: Path) -> None:
    """Nor their bytes: those of a neighbour are damaged, and only who reads them notices."""
    save_file = pytest.importorskip("safetensors.numpy").save_file
    layers = {f"layer{number}": np.random.default_rng(number).random((512, 1024)).astype("f4") for number in range(4)}
    save_file(layers, tmp_path / "m.safetensors")
    artifact = treering.Artifact("weights", "model")
    artifact.add_file(tmp_path / "m.safetensors")
    artifact.save("p", dir=store_dir)
    wanted = layers["layer1"][300].tobytes()
    (pack,) = (pack for pack in (store_dir / "blobs").rglob("*.pack") if wanted in pack.read_bytes())
    pack.write_bytes(pack.read_bytes().replace(wanted, bytes(len(wanted))))
    file = treering.Api(store_dir).version("p/weights").get_path("m.safetensors")
    assert np.array_equal(file.read_tensor("layer3"), layers["layer3"])
    with pytest.raises(CorruptData, match=pack.name):
        file.read_tensor("layer1")
