"""Sound."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from treering.errors import UnsupportedValue, UsageError
from treering.media._arrays import as_array, is_array, is_tensor
from treering.media._base import type_name
from treering.media._files import FileForm, FileMedia, bytes_of, checked_caption

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Audio"]

Format = Literal["wav", "mp3", "ogg", "flac"]

_MOST_CHANNELS = 8
_MOST_A_SECOND = 2**31  # what a wav can say
_FLAT, _DEEP = 1, 2  # axes of one channel, of several
_PEAK = 32767  # of 16 bits, which is what is written
_TAKES = (
    "the path or the bytes of a wav, mp3, ogg or flac file, or samples: an array of shape (T,), (T, C) or (C, T), "
    f"with up to {_MOST_CHANNELS} channels"
)


class _Form(FileForm, kw_only=True):
    format: Format
    sample_rate: int | None = None
    channels: int | None = None
    duration_s: float | None = None


class Audio(FileMedia):
    """A sound.

    Args:
        data_or_path: the path, the bytes or an open binary file of a wav, mp3, ogg or flac, kept as they are; or
            samples: an array or tensor of shape (T,), (T, C) or (C, T) with up to 8 channels, floats in -1..1, or
            integers of 8 (unsigned), 16 or 32 bits. Samples become a wav of 16 bits; what is louder than that allows
            is cut off, and NaN is silence.
        sample_rate: samples a second; needed for samples.
        caption: text to show with the sound.

    Attributes:
        caption: as given.
        format: of the file.
        sample_rate: samples a second, or None for a file that does not tell us.
        channels: how many, or None likewise.
        duration_s: in seconds, or None likewise.

    Raises:
        UnsupportedValue: something that is no sound, or an array of another shape or type.
        UsageError: an argument that does not fit, or a file that is missing, too large or no sound.
    """

    __slots__ = ("channels", "duration_s", "sample_rate")

    kind = "audio"
    form = _Form
    inline_bytes = 0  # a page plays files, not bytes inside an answer

    def __init__(self, data_or_path: object, sample_rate: int | None = None, caption: str | None = None) -> None:
        self.caption = checked_caption(caption, "Audio")
        rate = _checked_rate(sample_rate)
        data = bytes_of(data_or_path, "Audio", _TAKES)
        if data is None:
            data = _wav(_samples(data_or_path), rate)
        self._data, self.format = data, _checked_format(data)
        self.sample_rate, self.channels, self.duration_s = _facts_of(data, self.format, rate)

    def __repr__(self) -> str:
        length = "" if self.duration_s is None else f"{self.duration_s:.3g} s, "
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Audio({length}{self.format}{caption})"

    def _repr_html_(self) -> str:
        import base64

        kind = {"mp3": "mpeg"}.get(self.format, self.format)
        data = base64.b64encode(self.to_bytes()).decode()
        return f'<audio controls src="data:audio/{kind};base64,{data}"></audio>'


def _checked_rate(rate: object) -> int | None:
    if rate is None:
        return None
    if not isinstance(rate, (int, float)) or not 1 <= rate < _MOST_A_SECOND:
        raise UsageError(f"Audio got sample_rate={rate!r}; it takes samples a second, such as 16000.")
    return int(rate)


def _format_of(data: bytes) -> Format | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data[:4] == b"OggS":
        return "ogg"
    if data[:4] == b"fLaC":
        return "flac"
    # An ID3 tag, or the beginning of a frame of layer III.
    return "mp3" if data[:3] == b"ID3" or data[:2] in {b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"} else None


def _checked_format(data: bytes) -> Format:
    found = _format_of(data)
    if found is None:
        words = ", ".join(get_args(Format))
        raise UsageError(f"Audio got {len(data)} bytes that are none of {words}; it takes {_TAKES}. Convert it.")
    return found


def _facts_of(data: bytes, format_: str, rate: int | None) -> tuple[int | None, int | None, float | None]:
    """Return samples a second, channels and seconds, as far as a file tells."""
    if format_ != "wav":
        return rate, None, None
    try:
        with wave.open(io.BytesIO(data)) as file:
            own, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
    except (wave.Error, EOFError):  # floats, for example, which a browser plays all the same
        return rate, None, None
    return own, channels, frames / own if own else None


def _samples(value: object) -> npt.NDArray[Any]:
    """Return samples as an array of shape (T, C)."""
    if not (is_array(value) or is_tensor(value) or isinstance(value, (list, tuple))):
        raise UnsupportedValue(f"Audio got a {type_name(value)}; it takes {_TAKES}. Convert it to one of these.")
    try:
        array = as_array(cast("object", value))
    except (TypeError, ValueError) as error:
        raise UnsupportedValue(f"Audio got samples that are no array ({error}); it takes {_TAKES}.") from error
    if array.ndim == _FLAT and array.size:
        return array[:, None]
    if array.ndim != _DEEP or not array.size or min(array.shape) > _MOST_CHANNELS:
        raise UnsupportedValue(f"Audio got an array of shape {array.shape}; it takes {_TAKES}. Reshape it.")
    # Time is the longer axis; of a square no more is known, and (T, C) is what most write.
    import numpy as np

    return np.moveaxis(array, 0, 1) if array.shape[0] < array.shape[1] else array


def _wav(samples: npt.NDArray[Any], rate: int | None) -> bytes:
    if rate is None:
        raise UsageError("Audio got samples without sample_rate. Say how many a second: Audio(x, sample_rate=16000).")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_of_16_bits(samples).tobytes())
    return out.getvalue()


def _of_16_bits(samples: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    import numpy as np

    found: npt.NDArray[Any]
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        heard = np.nan_to_num(samples.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
        found = np.rint(np.clip(heard, -1.0, 1.0) * _PEAK)
    elif kind == "u" and size == 1:
        found = (samples.astype(np.int32) - 128) * 256
    elif kind == "i" and size == np.int32().itemsize:
        found = samples >> 16
    elif kind == "i" and size == np.int16().itemsize:
        found = samples
    else:
        raise UnsupportedValue(
            f"Audio got samples of type {samples.dtype}; it takes floats in -1..1, uint8, int16 or int32. Convert them."
        )
    narrow: npt.NDArray[np.int16] = found.astype("<i2")
    return narrow
