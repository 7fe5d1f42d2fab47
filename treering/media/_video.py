"""Moving pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from treering.errors import UnsupportedValue, UsageError
from treering.media._arrays import as_array, is_array, is_tensor
from treering.media._base import type_name
from treering.media._files import FileForm, FileMedia, bytes_of, checked_caption
from treering.media._pixels import from_array

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["Video"]

Format = Literal["mp4", "webm", "gif"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_DEFAULT_FPS = 30.0
_MAX_FPS = 50.0  # GIF counts in hundredths of a second, and players show one of them as ten
_FLAT, _DEEP, _BATCH = 3, 4, 5  # axes of grey frames, of frames with channels, of several videos
_TAKES = (
    "the path or the bytes of an mp4, webm or gif file, or frames: an array of shape (T, H, W), (T, H, W, 1|3|4) or "
    "(T, 1|3|4, H, W), or a list of pictures"
)


class _Form(FileForm, kw_only=True):
    format: Format
    fps: float | None = None
    frames: int | None = None
    width: int | None = None
    height: int | None = None


class Video(FileMedia):
    """A moving picture.

    Args:
        data_or_path: the path, the bytes or an open binary file of an mp4, webm or gif, kept as they are; or frames:
            an array or tensor of shape (T, H, W), (T, H, W, C) or (T, C, H, W) with C = 1, 3 or 4, uint8, bool, float
            in 0..1 or whole numbers in 0..255, or a list of such frames or of Pillow images. Frames are made a GIF at
            once, in the calling thread: of 256 colours, and some ms a frame. A leading axis more is several videos,
            shown side by side.
        caption: text to show with the video.
        fps: frames a second; 30 for frames when nothing is said. At most 50 are shown.
        format: "mp4", "webm" or "gif", to be told when the bytes are another.
        layout: "HWC" or "CHW", needed where the shape of the frames allows for both.
        value_range: the values shown as black and as white; see `treering.Image`.

    Attributes:
        caption: as given.
        fps: frames a second, or None for a file when nothing was said.
        format: of the file.
        frames: how many, or None for a file.
        width: in pixels, or None for a file.
        height: in pixels, or None for a file.

    Raises:
        UnsupportedValue: something that is no video, or an array of another shape or type.
        UsageError: an argument that does not fit, or a file that is missing, too large or no video.
    """

    __slots__ = ("fps", "frames", "height", "width")

    kind = "video"
    form = _Form

    def __init__(
        self,
        data_or_path: object,
        caption: str | None = None,
        fps: float | None = None,
        format: Format | None = None,  # noqa: A002  # the field's word
        *,
        layout: Literal["HWC", "CHW"] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        if format is not None and format not in get_args(Format):
            raise UsageError(f"Video got format={format!r}; it takes 'mp4', 'webm' or 'gif'. Choose one of these.")
        if layout not in {None, "HWC", "CHW"}:
            raise UsageError(f"Video got layout={layout!r}; it takes 'HWC' or 'CHW'. Choose one of these.")
        self.caption = checked_caption(caption, "Video")
        self.fps = _checked_fps(fps)
        self.frames = self.width = self.height = None
        data = bytes_of(data_or_path, "Video", _TAKES)
        if data is None:
            self.fps = self.fps or _DEFAULT_FPS
            frames = _frames(data_or_path, layout)
            self.frames, self.height, self.width = (int(size) for size in frames.shape[:3])
            data = _gif(frames, self.fps, value_range)
        self._data, self.format = data, _checked_format(data, format)

    def __repr__(self) -> str:
        size = "" if self.width is None else f"{self.frames} frames of {self.width} x {self.height}, "
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Video({size}{self.format}{caption})"

    def _repr_html_(self) -> str:
        import base64

        data = base64.b64encode(self.to_bytes()).decode()
        if self.format == "gif":
            return f'<img src="data:image/gif;base64,{data}">'
        return f'<video controls src="data:video/{self.format};base64,{data}"></video>'


def _checked_fps(fps: float | None) -> float | None:
    if fps is None:
        return None
    try:
        rate = float(fps)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise UsageError(f"Video got fps={fps!r}; it takes frames a second, above 0. Write fps=30, for example.")
    return rate


def _checked_format(data: bytes, wanted: Format | None) -> Format:
    found = _format_of(data)
    if found is None:
        raise UsageError(f"Video got {len(data)} bytes that are no mp4, webm or gif; it takes {_TAKES}. Convert it.")
    if wanted is not None and wanted != found:
        raise UsageError(f"Video got format={wanted!r} for a file that is {found}; leave format out.")
    return found


def _format_of(data: bytes) -> Format | None:
    if data[4:8] == b"ftyp":
        return "mp4"
    if data[:4] == b"\x1aE\xdf\xa3":  # Matroska's, of which webm is a kind
        return "webm"
    return "gif" if data[:6] in {b"GIF87a", b"GIF89a"} else None


def _frames(value: object, layout: str | None) -> npt.NDArray[Any]:
    """Return frames as an array of shape (T, H, W, C)."""
    import numpy as np

    try:
        if is_array(value) or is_tensor(value):
            array = as_array(value)
        elif isinstance(value, (list, tuple)):
            # A picture of Pillow is no sequence to NumPy's mind, but an array to its hands.
            array = np.stack([np.asarray(as_array(frame)) for frame in cast("list[object]", value)])
        else:
            raise UnsupportedValue(f"Video got a {type_name(value)}; it takes {_TAKES}. Convert it to one of these.")
    except (TypeError, ValueError) as error:
        if isinstance(error, UnsupportedValue):
            raise
        raise UnsupportedValue(f"Video got frames that are no array ({error}); it takes {_TAKES}.") from error
    given = array.shape
    if array.ndim == _BATCH and array.size:
        array = np.concatenate(list(_channels_last(array, layout, given)), axis=2)
    elif array.ndim == _DEEP and array.size:
        array = _channels_last(array, layout, given)
    elif array.ndim == _FLAT and array.size:
        array = array[..., None]
    else:
        raise UnsupportedValue(f"Video got an array of shape {given}; it takes {_TAKES}. Reshape it.")
    return array


def _channels_last(array: npt.NDArray[Any], layout: str | None, given: tuple[int, ...]) -> npt.NDArray[Any]:
    import numpy as np

    fits = [name for name, axis in (("HWC", -1), ("CHW", -3)) if array.shape[axis] in _MODES]
    if not fits or (layout is not None and layout not in fits):
        raise UnsupportedValue(
            f"Video got an array of shape {given}; it takes 1, 3 or 4 channels along the last axis or before height "
            "and width. Transpose it."
        )
    if len(fits) > 1 and layout is None:
        raise UsageError(
            f"Video got an array of shape {given}, whose channels may be in two places. Say where: "
            "Video(x, layout='CHW') or Video(x, layout='HWC')."
        )
    return np.moveaxis(array, -3, -1) if (layout or fits[0]) == "CHW" else array


def _gif(frames: npt.NDArray[Any], fps: float, value_range: tuple[float, float] | None) -> bytes:
    from PIL import Image as pillow  # noqa: N813  # its class is called Image

    mode = _MODES[frames.shape[-1]]
    try:
        pixels = [from_array(frame, "HWC", value_range) for frame in frames]
    except (UnsupportedValue, UsageError) as error:
        raise type(error)(f"Video got frames that are no pictures: {error}") from error
    pictures = [pillow.frombytes(mode, (frame.width, frame.height), frame.data) for frame in pixels]
    file = io.BytesIO()
    rest, duration_ms = pictures[1:], 1000.0 / min(fps, _MAX_FPS)
    pictures[0].save(file, "gif", save_all=True, append_images=rest, duration=duration_ms, loop=0)
    return file.getvalue()
