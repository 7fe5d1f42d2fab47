"""Videos: files as they are, frames as a GIF, and their way through the store."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as pillow  # noqa: N813

import treering
from treering.api import Api
from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Video, load, store
from treering.media import _files as module
from treering.store.blobs import Blobs
from treering.store.values import decode, encode

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(2000)
WEBM = b"\x1aE\xdf\xa3" + bytes(40)


def frames_of(video: Video) -> list[np.ndarray[Any, Any]]:
    picture = pillow.open(io.BytesIO(video.to_bytes()))
    found = []
    for number in range(getattr(picture, "n_frames", 1)):
        picture.seek(number)
        found.append(np.asarray(picture.convert("RGB")))
    return found


def moving(count: int = 3, height: int = 8, width: int = 6) -> np.ndarray[Any, Any]:
    """Frames of one colour each."""
    pixels = np.zeros((count, height, width, 3), np.uint8)
    pixels[:, :, :, 0] = np.linspace(0, 255, count)[:, None, None]
    return pixels


@pytest.mark.parametrize(("data", "name"), [(MP4, "mp4"), (WEBM, "webm")])
def test_files_are_kept_as_they_are(data: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / "without a suffix"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), io.BytesIO(data)):
        video = Video(source, fps=12)
        assert (video.to_bytes(), video.format, video.fps, video.frames) == (data, name, 12.0, None)
    path.write_bytes(b"changed")
    assert video.to_bytes() == data
    video.save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data


def test_frames_become_a_gif() -> None:
    expected = moving()
    video = Video(expected, fps=10, caption="c")
    assert (video.format, video.frames, video.width, video.height, video.fps) == ("gif", 3, 6, 8, 10.0)
    assert all(np.array_equal(one, other) for one, other in zip(frames_of(video), expected, strict=True))
    assert pillow.open(io.BytesIO(video.to_bytes())).info["duration"] == 100
    assert Video(expected).fps == 30.0


@pytest.mark.parametrize("as_frames", ["CHW", "list", "pillow", "float", "batch"])
def test_frames_of_many_kinds(as_frames: str) -> None:
    expected: Any = moving()
    given: Any = {
        "CHW": np.moveaxis(expected, 3, 1),
        "list": list(expected),
        "pillow": [pillow.fromarray(frame) for frame in expected],
        "float": expected / 255.0,
        "batch": np.stack([expected, expected]),
    }[as_frames]
    if as_frames == "batch":
        expected = np.concatenate([expected, expected], axis=2)
    assert all(np.array_equal(one, other) for one, other in zip(frames_of(Video(given)), expected, strict=True))


def test_grey_frames_and_a_range() -> None:
    grey = np.stack([np.full((4, 5), value, np.float32) for value in (-1.0, 0.0, 1.0)])
    shown = frames_of(Video(grey, value_range=(-1, 1)))
    assert [int(frame[0, 0, 0]) for frame in shown] == [0, 128, 255]


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (None, UnsupportedValue),
        (3, UnsupportedValue),
        ([], UnsupportedValue),
        ([np.zeros((2, 2)), np.zeros((3, 3))], UnsupportedValue),
        (np.zeros((4, 4)), UnsupportedValue),
        (np.zeros((0, 4, 4, 3)), UnsupportedValue),
        (np.zeros((2, 7, 7, 5)), UnsupportedValue),
        (np.zeros((2, 3, 4, 3)), UsageError),
        (np.zeros((2, 7, 7, 3), complex), UnsupportedValue),
        (np.array([["a"]]), UnsupportedValue),
        (io.StringIO("text"), UnsupportedValue),
        (b"no video", UsageError),
        (b"", UsageError),
        ("/no/such/file.mp4", UsageError),
    ],
)
def test_what_is_no_video(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Video got"):
        Video(value)


@pytest.mark.parametrize(
    "options",
    [{"fps": 0}, {"fps": float("nan")}, {"fps": "fast"}, {"format": "avi"}, {"format": "gif"}, {"layout": "WHC"}],
)
def test_options_that_do_not_fit(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Video got"):
        Video(MP4, **options)


def test_too_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    (tmp_path / "a.mp4").write_bytes(MP4)
    for source in (MP4, tmp_path / "a.mp4"):
        with pytest.raises(UsageError, match="log_artifact"):
            Video(source)


@pytest.mark.parametrize("data", [MP4, WEBM])
def test_through_the_store(data: bytes, tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    video = Video(data, caption="a", fps=5)
    reference = store("video", decode(encode(video)).payload, blobs)
    assert ("blob" in reference) == (len(data) > 1024)
    again = load("video", decode(encode(reference)), blobs)
    assert pickle.loads(pickle.dumps(again)) == again == video
    assert again != Video(data, caption="b", fps=5)


def test_damage() -> None:
    for payload in ({}, {"format": "mp4"}, {"format": "exe", "data": b""}):
        with pytest.raises(CorruptData, match="Video"):
            Video.from_payload(payload)


def test_logged_and_read_back(store_dir: Path) -> None:
    with treering.init() as run:
        run.log({"video": Video(MP4, fps=4), "frames": [Video(moving())]}, step=7)
    (read,) = Api(store_dir).runs()
    ((step, video),) = read.media("video")
    assert (step, video.to_bytes(), video.fps) == (7, MP4, 4.0)
    assert read.history("frames").values[0] == [Video(moving())]


def test_looks() -> None:
    assert repr(Video(MP4, "c")) == "Video(mp4, caption='c')"
    assert repr(Video(moving())) == "Video(3 frames of 6 x 8, gif)"
    assert Video(MP4)._repr_html_().startswith('<video controls src="data:video/mp4;base64,')
    assert Video(moving())._repr_html_().startswith('<img src="data:image/gif;base64,')
