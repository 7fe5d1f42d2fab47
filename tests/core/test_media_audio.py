"""Sounds: files as they are, samples as a wav of 16 bits, and their way through the store."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import treering
from treering.api import Api
from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media import Audio, load, store
from treering.store.blobs import Blobs
from treering.store.values import decode, encode

FILES = {
    "mp3": b"\xff\xfb\x90\x00" + bytes(400),
    "ogg": b"OggS" + bytes(400),
    "flac": b"fLaC" + bytes(400),
}
TONE = np.sin(np.arange(1600) / 8.0)


def samples_of(audio: Audio) -> npt.NDArray[np.int16]:
    with wave.open(io.BytesIO(audio.to_bytes())) as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, audio.sample_rate)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


@pytest.mark.parametrize(
    "samples",
    [TONE, TONE.astype(np.float32), TONE.tolist(), np.rint(TONE * 32767).astype(np.int16)],
)
def test_samples_become_a_wav(samples: object) -> None:
    audio = Audio(samples, sample_rate=16000, caption="a tone")
    assert (audio.format, audio.sample_rate, audio.channels, audio.duration_s) == ("wav", 16000, 1, 0.1)
    assert np.abs(samples_of(audio)[:, 0] - TONE * 32767).max() <= 0.51


def test_channels_on_either_side() -> None:
    stereo = np.stack([TONE, -TONE])
    for samples in (stereo, stereo.T, stereo.tolist()):
        audio = Audio(samples, 8000)
        assert (audio.channels, audio.duration_s) == (2, 0.2)
        assert np.array_equal(samples_of(audio)[:, 0], -samples_of(audio)[:, 1])


def test_too_loud_is_cut_and_nan_is_silence() -> None:
    loud = Audio(np.array([2.0, -np.inf, np.inf, np.nan, 0.5]), 8000)
    assert samples_of(loud)[:, 0].tolist() == [32767, -32767, 32767, 0, 16384]
    assert samples_of(Audio(np.array([0, 128, 255], np.uint8), 8000))[:, 0].tolist() == [-32768, 0, 32512]
    assert samples_of(Audio(np.array([-(2**31), 65536], np.int32), 8000))[:, 0].tolist() == [-32768, 1]


@pytest.mark.parametrize("name", FILES)
def test_files_are_kept_as_they_are(name: str, tmp_path: Path) -> None:
    path = tmp_path / "without a suffix"
    path.write_bytes(FILES[name])
    for source in (str(path), FILES[name], io.BytesIO(FILES[name])):
        audio = Audio(source)
        assert (audio.to_bytes(), audio.format, audio.duration_s) == (FILES[name], name, None)
    audio = Audio(path)
    path.write_bytes(b"changed")
    audio.save(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == FILES[name]


def test_a_wav_tells_of_itself() -> None:
    made = Audio(TONE, 8000)
    again = Audio(made.to_bytes(), sample_rate=1)
    assert (again.sample_rate, again.channels, again.duration_s) == (8000, 1, 0.2)
    broken = Audio(made.to_bytes()[:20] + b"\x03" + made.to_bytes()[21:])  # floats, which we do not look into
    assert (broken.format, broken.duration_s) == ("wav", None)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (3, UnsupportedValue),
        (None, UnsupportedValue),
        (np.zeros((2, 2, 2)), UnsupportedValue),
        (np.zeros((20, 30)), UnsupportedValue),
        (np.zeros(0), UnsupportedValue),
        (np.zeros(3, np.int64), UnsupportedValue),
        ([[1.0], [1.0, 2.0]], UnsupportedValue),
        (io.StringIO("text"), UnsupportedValue),
        (b"\x89PNG\r\n\x1a\n", UsageError),
        ("/no/such/file.wav", UsageError),
        ("a\0b", UsageError),
    ],
)
def test_what_is_no_sound(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="Audio got"):
        Audio(value, 8000)


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "fast", None])
def test_rates_that_do_not_fit(rate: Any) -> None:
    with pytest.raises(UsageError, match="sample_rate"):
        Audio(TONE, rate)


def test_through_the_store(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    audio = Audio(TONE[:10], 8000, caption="short")
    reference = store("audio", decode(encode(audio)).payload, blobs)
    assert len(encode(reference)) < 200
    read = load("audio", decode(encode(reference)), blobs)
    assert isinstance(read, Audio)
    assert read == audio
    assert (read.caption, read.sample_rate, read.duration_s) == ("short", 8000, 0.00125)
    assert "data:audio/wav;base64," in read._repr_html_()
    assert repr(read) == "Audio(0.00125 s, wav, caption='short')"
    for payload in ({}, {"format": "wav"}, {"format": "exe", "data": b""}):
        with pytest.raises(CorruptData, match="Audio"):
            Audio.from_payload(payload)


def test_logged_and_read_back(store_dir: Path) -> None:
    with treering.init() as run:
        table = treering.Table(columns=["a"], data=[[Audio(TONE, 8000)]])
        run.log({"heard": Audio(TONE, 16000), "table": table}, step=7)
    (read,) = Api(store_dir).runs()
    ((step, audio),) = read.media("heard")
    assert (step, audio) == (7, Audio(TONE, 16000))
    assert read.history("table").values[0].data == [[Audio(TONE, 8000)]]
