"""Taking numbers apart: any bytes come back as they were, and those of numbers take less room."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from treering.artifacts.coding import DIFFERENCE, PLANES, RAW, ZSTD, Base, base_of, compress, decode, difference, planes
from treering.errors import CorruptData

BASE = Base((b"a" * 32, b"b" * 32), 17)


def weights(count: int, seed: int = 0) -> npt.NDArray[np.float32]:
    return (np.random.default_rng(seed).standard_normal(count) * 0.05).astype(np.float32)


def moved(values: npt.NDArray[np.float32], by: float, seed: int = 1) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal(len(values)) * by
    return (values * (1 + noise)).astype(np.float32)


def back(codec: int, stored: bytes, size: int, before: bytes | None = None) -> bytes:
    target = memoryview(bytearray(size))
    decode(codec, memoryview(stored), target, None if before is None else memoryview(before))
    return bytes(target)


def bf16(values: npt.NDArray[np.float32]) -> bytes:
    return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def fp16(values: npt.NDArray[np.float32]) -> bytes:
    return values.astype(np.float16).tobytes()


def fp32(values: npt.NDArray[np.float32]) -> bytes:
    return values.tobytes()


@pytest.mark.parametrize(("kind", "most"), [(fp32, 0.86), (bf16, 0.72), (fp16, 0.9)])
@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("tail", [0, 1, 3])
def test_numbers_take_less_wherever_they_begin(
    kind: Callable[[npt.NDArray[np.float32]], bytes], most: float, shift: int, tail: int
) -> None:
    data = b"\1\2\3"[:shift] + kind(weights(60_000)) + b"\4\5\6"[:tail]
    stored = planes(memoryview(data))
    assert stored is not None
    assert len(stored) < most * len(data)
    assert back(PLANES, stored, len(data)) == data
    near = b"\1\2\3"[:shift] + kind(moved(weights(60_000), 0.002)) + b"\4\5\6"[:tail]
    apart = difference(memoryview(near), memoryview(data), BASE)
    assert apart is not None
    assert len(apart) < 0.85 * len(stored)
    assert back(DIFFERENCE, apart, len(near), data) == near
    assert base_of(memoryview(apart)) == BASE


def test_what_is_no_number_is_left_alone() -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    assert planes(memoryview(noise)) is None
    assert difference(memoryview(noise), memoryview(noise[::-1]), BASE) is None
    assert planes(memoryview(b"")) is None
    text = b"a word and another one, " * 5000
    codec, stored = compress(memoryview(text))
    assert codec == ZSTD
    assert back(codec, bytes(stored), len(text)) == text


SPECIAL = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-45, -1e-45, 3.4e38, 1.0, -1.0]


@given(
    values=st.lists(st.sampled_from(SPECIAL) | st.floats(width=32), min_size=1, max_size=50),
    other=st.lists(st.sampled_from(SPECIAL) | st.floats(width=32), min_size=1, max_size=50),
    cut=st.integers(0, 7),
)
def test_any_numbers_come_back(values: list[float], other: list[float], cut: int) -> None:
    repeat = 5000 // min(len(values), len(other)) + 1
    one = (np.array(values, np.float32).tobytes() * repeat)[cut : 4 * 5000]
    two = (np.array(other, np.float32).tobytes() * repeat)[cut : 4 * 5000]
    size = min(len(one), len(two))
    one, two = one[:size], two[:size]
    if (stored := planes(memoryview(one))) is not None:
        assert back(PLANES, stored, size) == one
    if (stored := difference(memoryview(one), memoryview(two), BASE)) is not None:
        assert back(DIFFERENCE, stored, size, two) == one


@given(data=st.binary(max_size=300), codec=st.sampled_from([RAW, ZSTD, PLANES, DIFFERENCE, 9]))
def test_damaged_bytes_are_an_error_and_nothing_else(data: bytes, codec: int) -> None:
    """Whatever is read from a damaged pack: it decodes to something (which fails its digest), or it is CorruptData."""
    try:
        back(codec, data, 64, bytes(64))
    except CorruptData:
        pass
    sound = planes(memoryview(weights(4096).tobytes()))
    assert sound is not None
    for at in range(len(data)):
        broken = bytearray(sound)
        broken[at * 7 % len(broken)] ^= data[at] or 1
        try:
            back(PLANES, bytes(broken[: len(broken) - data[at] % 5]), 4 * 4096)
        except CorruptData:
            continue


def test_files_of_each_format(tmp_path: Path) -> None:
    """Nothing has to be known of a format but that the numbers are in it as they are."""
    import h5py
    import torch
    from safetensors.numpy import save

    values = weights(300_000)
    state = {"a": torch.from_numpy(values), "b": torch.from_numpy(moved(values, 1.0))}
    zipped = io.BytesIO()
    torch.save(state, zipped)
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = values.reshape(500, 600)
    files = [
        save({"a": values, "b": values[::-1].copy()}),
        zipped.getvalue(),
        (tmp_path / "model.weights.h5").read_bytes(),
    ]
    for data in files:
        stored = 0
        for start in range(0, len(data), 250_001):
            part = memoryview(data)[start : start + 250_001]
            apart = planes(part)
            stored += len(part) if apart is None else len(apart)
            assert apart is None or back(PLANES, apart, len(part)) == part.tobytes()
        assert stored < 0.87 * len(data)
