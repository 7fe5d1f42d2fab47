"""Which checkpoint words mean, and where its files go; what becomes of them is tried with the frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest

import treering
from treering.checkpoints import format_of
from treering.errors import CorruptData, NotFound, UsageError
from treering.training import Score, Training

SETTINGS = {"system_interval_s": 0, "console": False, "capture_git": False, "flush_interval_s": 0.01}


@pytest.fixture
def trained(store_dir: Path, tmp_path: Path) -> str:
    """A run "trained" (called "digits") with checkpoints at steps 1 to 3, the second the best."""
    with treering.init("p", "digits", id="trained", settings=SETTINGS) as run:
        training = Training("own", run, checkpoints="all")
        for step, loss in enumerate([0.5, 0.1, 0.3], start=1):
            (tmp_path / "state").write_text(f"step {step}")
            training.checkpoint(tmp_path / "state", step=step, score=Score("val/loss", loss))
    return run.id


@pytest.mark.parametrize(
    ("words", "step"),
    [
        ("trained", 3), ("trained:best", 2), ("trained:step-1", 1), ("trained:v0", 1), ("digits:last", 3),
        ("p/digits:best", 2), ("train:best:val/loss", 2), ("model-trained", 3), ("p/model-trained:step-2", 2),
    ],
)  # fmt: skip
def test_words_for_a_checkpoint(trained: str, words: str, step: int) -> None:
    assert treering.load_checkpoint(words).read_text() == f"step {step}"


def test_words_for_none(trained: str, store_dir: Path) -> None:
    for words, said in (
        ("nothing:best", "there is no artifact and no run 'nothing:best'"),
        (
            "trained:worst",
            "run trained has no checkpoint 'worst'; its checkpoints are called best, best:val/loss, last",
        ),
    ):
        with pytest.raises(NotFound, match=said):
            treering.load_checkpoint(words)
    with (
        treering.init("p", id="without", settings=SETTINGS) as run,
        pytest.raises(NotFound, match="and no checkpoints"),
    ):
        run.restore_checkpoint()


def test_a_run_with_several_models(store_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with treering.init("p", id="r", settings=SETTINGS) as run:
        for name in ("generator", "critic"):
            run.log_model(tmp_path / "x", name=name, aliases=[f"of-{name}"])
        with pytest.raises(UsageError, match="several models called 'latest': critic:latest, generator:latest"):
            run.restore_checkpoint()
        assert run.restore_checkpoint("of-critic").read_text() == "x"
        assert run.restore_checkpoint("generator").read_text() == "x"  # no alias of its own: as load_checkpoint says


def test_a_run_goes_on_from_another_ones(trained: str, store_dir: Path) -> None:
    with treering.init("p", id="fine-tunes", settings=SETTINGS) as run:
        assert run.restore_checkpoint("trained:best").read_text() == "step 2"
        assert treering.load_checkpoint("trained:last").read_text() == "step 3"
    used = treering.Api(store_dir).run("fine-tunes").used_versions()
    assert [version.metadata["step"] for version in used] == [2, 3]
    with treering.init("p", id="trained", resume="must", settings=SETTINGS) as again:
        assert again.restore_checkpoint("best").read_text() == "step 2"
    assert treering.Api(store_dir).run("trained").used_versions() == []  # it is its own
    with treering.init("p", mode="disabled"):
        assert treering.load_checkpoint("trained:best").read_text() == "step 2"


def test_where_files_go(trained: str, store_dir: Path, tmp_path: Path) -> None:
    first = treering.load_checkpoint("trained:best", as_path=True)
    assert first.parent.parent == store_dir / "restored"
    first.write_text("changed by somebody")
    assert treering.load_checkpoint("trained:best") == first
    assert first.read_text() == "step 2"  # what is given out is what was kept
    assert treering.load_checkpoint("trained:best", folder=tmp_path / "here") == tmp_path / "here" / "state"
    for pack in (store_dir / "blobs").rglob("*.pack"):
        pack.write_bytes(pack.read_bytes().replace(b"step 2", b"step 9"))
    with pytest.raises(CorruptData):
        treering.load_checkpoint("trained:best", folder=tmp_path / "again")
    with pytest.raises(UsageError, match="its format 'own' is not one that treering loads"):
        treering.load_checkpoint("trained:last", into=object())


def test_formats(store_dir: Path) -> None:
    for files, form in (
        (["m.keras"], "keras"),
        (["w.weights.h5"], "keras"),
        (["epoch=1.ckpt"], "torch"),
        (["m.safetensors"], "torch"),
        (["config.json", "model.safetensors"], "transformers"),
        (["data.csv"], ""),
    ):
        artifact = treering.Artifact("m", "model")
        for name in files:
            artifact.add(b"", name)
        assert format_of(artifact.save("p")) == form
    artifact = treering.Artifact("said", "model", metadata={"framework": "pytorch"})
    artifact.add(b"", "m.keras")
    assert format_of(artifact.save("p")) == "torch"
    odd = treering.Artifact("odd", "model", metadata={"framework": "../../os"})
    odd.add(b"x", "x")
    odd.save("p")
    assert treering.load_checkpoint("odd").read_bytes() == b"x"  # no module is looked for under such a name
