"""Frames of zstd: what older releases wrote is read, and a hostile one gets no more memory than it may have."""

from __future__ import annotations

import base64
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from treering.zstd import Packer, ZstdError, announced, pack, unpack

if sys.version_info >= (3, 14):
    from compression import zstd as library
else:
    from backports import zstd as library

# Written by zstandard 0.25, which earlier releases used, without and with a checksum.
OLD = ("KLUv/WBAAL0AAIBzdGVwIDEgbG9zcyAwLjUgAQBaRp1L", "KLUv/WRAAL0AAIBzdGVwIDEgbG9zcyAwLjUgAQBaRp1LrT6zKA==")


def stream_of(data: bytes) -> bytes:
    """Return a frame that does not say how much it holds, as one is that is written piece by piece."""
    compressor = library.ZstdCompressor()
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize("size", [0, 1, 300, 16 << 10, 300_000, 5 << 20])
@pytest.mark.parametrize("planes", [False, True])
def test_round_trip(size: int, planes: bool) -> None:
    packer = Packer(1, planes=planes)
    for data in (bytes(size), np.random.default_rng(size).bytes(size), b"step 1 " * (size // 7) + bytes(size % 7)):
        frame = packer.pack(memoryview(data))
        assert announced(frame) == size
        assert unpack(memoryview(frame), size) == data
        assert unpack(frame) == data
        if size:
            with pytest.raises(ZstdError, match="are allowed"):
                unpack(frame, size - 1)
            with pytest.raises(ZstdError):
                unpack(frame[:-1])
        with pytest.raises(ZstdError, match="something follows"):
            unpack(frame + b"\0")


@pytest.mark.parametrize("old", OLD)
def test_what_older_releases_wrote(old: str) -> None:
    assert unpack(base64.b64decode(old)) == b"step 1 loss 0.5 " * 20


def test_threads_have_their_own() -> None:
    data = [np.random.default_rng(number).integers(0, 9, 70_000, np.uint8).tobytes() for number in range(8)]

    def turns(number: int) -> bool:
        packer = Packer(1)
        return all(unpack(packer.pack(data[number])) == data[number] for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(turns, range(8)))


def test_frames_that_lie_take_no_memory() -> None:
    bomb = pack(bytes(1 << 30), 1)
    with pytest.raises(ZstdError, match="1,073,741,824"):
        unpack(bomb, 1 << 20)
    # The same, saying that it holds 100,000 bytes: the size stands behind the magic number and the descriptor.
    flags = bomb[4]
    width = (1, 2, 4, 8)[flags >> 6]
    at = 5 + (not flags & 0x20)
    lie = bomb[:at] + (100_000).to_bytes(width, "little") + bomb[at + width :]
    assert announced(lie) == 100_000
    tracemalloc.start()
    with pytest.raises(ZstdError):
        unpack(lie, 1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_what_is_no_frame_of_ours() -> None:
    for frame in (b"", b"no zstd", b"\x28\xb5\x2f\xfd", stream_of(b"a" * 1000)):
        with pytest.raises(ZstdError):
            announced(frame)
        with pytest.raises(ZstdError):
            unpack(frame)
