"""Files of tensors read without their frameworks, and compared layer by layer; the frameworks themselves write them."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import treering
from treering.artifacts.comparing import FileChange, TensorChange, compare_files
from treering.artifacts.layers import Layers, layers_of
from treering.artifacts.pickled import Named, Unknown, symbols
from treering.errors import CorruptData, NotFound, UsageError


def saved(*paths: Path) -> treering.Artifact:
    artifact = treering.Artifact("m", "model")
    for path in paths:
        artifact.add_file(path)
    return artifact.save("p")


def change_of(before: treering.Artifact, after: treering.Artifact) -> FileChange:
    ((change,), _) = compare_files(before, after)
    assert not change.unread
    return change


def read(artifact: treering.Artifact, path: str, look: Callable[[Layers], Any]) -> Any:
    with ExitStack() as stack:
        return look(layers_of(artifact.get_path(path), stack))


def test_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "m.ckpt"
    base = torch.arange(24.0).reshape(4, 6)
    tensors = {
        "plain": base,
        "turned": base.t(),
        "part": base[1:3, ::2],
        "half": base.half(),
        "brain": base.to(torch.bfloat16),
        "whole": torch.arange(5),
        "flags": torch.tensor([True, False]),
        "complex": torch.complex(base, -base),
        "small": base.to(torch.float8_e4m3fn),
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
        "parameter": torch.nn.Parameter(base.clone()),
    }
    model, optimizer = torch.nn.Linear(3, 2), None
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {
        "epoch": 3,
        "tensors": tensors,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "args": Path("x"),
    }
    torch.save(state, path)
    first = saved(path)
    file = first.get_path("m.ckpt")
    for name, tensor in tensors.items():
        wanted = tensor.detach().view(torch.uint8) if name == "small" else tensor.detach()
        wanted = wanted.float() if name == "brain" else wanted
        assert np.array_equal(file.read_tensor(f"tensors.{name}"), wanted.numpy()), name
    names = read(first, "m.ckpt", lambda layers: set(layers.tensors))
    assert {"model.weight", "optimizer.state.0.exp_avg", "optimizer.state.1.exp_avg_sq"} <= names
    values = read(first, "m.ckpt", lambda layers: layers.values)
    assert (values["epoch"], values["optimizer.param_groups.0.lr"]) == (3, 0.001)
    state["epoch"] = 4
    base[0, 0] += 3.0  # shared by three of them
    tensors["brain"][0, 1] = float("nan")
    tensors["whole"] = tensors["whole"].double()
    del tensors["flags"]
    torch.save(state, path)
    change = change_of(first, saved(path))
    assert {(one.name, one.change) for one in change.tensors or []} == {
        ("tensors.plain", "changed"), ("tensors.turned", "changed"), ("tensors.brain", "changed"),
        ("tensors.whole", "reshaped"), ("tensors.flags", "removed"),
    }  # fmt: skip
    found = {one.name: one for one in change.tensors or []}
    norm = float(np.linalg.norm(np.arange(24.0)))
    assert found["tensors.plain"] == TensorChange(
        "tensors.plain", "changed", "F32", (4, 6), 1 / 24, 3.0, pytest.approx(3 / norm)
    )
    assert found["tensors.brain"].not_finite == 1
    assert [value[:3] for value in change.values] == [("epoch", 3, 4)]
    assert change.same == len(names) - 5


def test_keras(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(1)])
    for name in ("m.keras", "m.weights.h5"):
        model.save(tmp_path / name) if name == "m.keras" else model.save_weights(tmp_path / name)
    first = saved(tmp_path / "m.keras", tmp_path / "m.weights.h5")
    kernel = model.layers[0].kernel
    for name in ("m.keras", "m.weights.h5"):
        tensors = read(first, name, lambda layers: {key: layer.shape for key, layer in layers.tensors.items()})
        (kernel_name,) = [key for key, shape in tensors.items() if shape == (4, 3)]
        assert np.array_equal(first.get_path(name).read_tensor(kernel_name), keras.ops.convert_to_numpy(kernel))
        assert len([key for key in tensors if "optimizer" not in key]) == 4
    kernel.assign(kernel * 2)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    changes, _ = compare_files(first, saved(tmp_path / "m.keras", tmp_path / "m.weights.h5"))
    for change in changes:
        (one,) = change.tensors or []
        assert (one.share, one.relative) == (1.0, pytest.approx(1.0))


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("went off",))


def test_nothing_in_a_pickle_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(2, 6):
        found = symbols(pickle.dumps({"a": [1, Bomb()], "b": (2.5, "x", None, {3})}, protocol), "it")
        assert isinstance(found["a"][1], Unknown)
        assert found["a"][0] == 1
        assert (found["b"][0], found["b"][1]) == (2.5, "x")
    assert symbols(pickle.dumps(os.mkdir, 2), "it") == Named("posix", "mkdir")
    assert not (tmp_path / "went off").exists()
    for rubbish in (b"", b"abc", b"\x80\x02}q\x00", b"\x80\x02u.", b"\x80\x02)R."):
        with pytest.raises(CorruptData, match="it "):
            symbols(rubbish, "it")


def test_files_that_are_not_what_they_say(tmp_path: Path) -> None:
    endless: list[Any] = []
    endless += [endless, endless]
    with zipfile.ZipFile(tmp_path / "endless.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(endless))
    with zipfile.ZipFile(tmp_path / "empty.pt", "w") as archive:
        archive.writestr("x", b"")
    # A tensor of nine numbers, in a storage of two.
    nine = (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x09\x85K\x01\x85tR."
    )
    with zipfile.ZipFile(tmp_path / "short.pt", "w") as archive:
        archive.writestr("a/data.pkl", nine)
        archive.writestr("a/data/0", np.zeros(2, "f4").tobytes())
    (tmp_path / "no.pt").write_bytes(b"not a zip")
    (tmp_path / "no.h5").write_bytes(b"not HDF5")
    (tmp_path / "no.safetensors").write_bytes(b"x" * 30)
    (tmp_path / "words.txt").write_text("x")
    names = ["endless.pt", "empty.pt", "short.pt", "no.pt", "no.h5", "no.safetensors"]
    pytest.importorskip("h5py")
    artifact = saved(*(tmp_path / name for name in [*names, "words.txt"]))
    for name in names:
        with pytest.raises((CorruptData, NotFound)):
            artifact.get_path(name).read_tensor("value")
    with pytest.raises(UsageError, match="no file of tensors"):
        artifact.get_path("words.txt").read_tensor("value")
    for name in names:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    changes, same = compare_files(artifact, saved(*(tmp_path / name for name in [*names, "words.txt"])))
    assert same == 1
    assert all(change.unread or change.tensors is not None for change in changes)


def test_hdf5_never_reads_other_files(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(4.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.arange(4.0)
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["own"] = np.arange(3.0)
        file.create_dataset("outside", (4,), "f8", external=[(str(secret), 0, 32)])
        file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "x")
        layout = h5py.VirtualLayout((4,), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (4,))
        file.create_virtual_dataset("virtual", layout)
    (tmp_path / "m.h5").write_bytes(out.getvalue())
    artifact = saved(tmp_path / "m.h5")
    assert read(artifact, "m.h5", lambda layers: set(layers.tensors)) == {"own"}
