"""Pictures."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast, get_args

import msgspec

from treering.errors import CorruptData, UnsupportedValue, UsageError
from treering.media._arrays import is_array
from treering.media._base import INLINE_BYTES, Blobs, Fetch, Media, Payload, checked, type_name
from treering.media._files import checked_caption
from treering.media._pixels import Pixels, from_array

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image as Picture
    from typing_extensions import Self

__all__ = ["Image", "is_picture"]

Mode = Literal["L", "RGB", "RGBA"]
Format = Literal["png", "jpeg", "gif", "webp"]

_MODES: dict[int, Mode] = {1: "L", 3: "RGB", 4: "RGBA"}
# Pillow's modes that have an exact counterpart; all others become RGB.
_MODE_OF = {"1": "L", "L": "L", "LA": "RGBA", "PA": "RGBA", "La": "RGBA", "RGBA": "RGBA", "RGBa": "RGBA"}
# zlib's scale; higher ones take several times as long for a few percent.
_PNG_LEVEL = 3
_JPEG_QUALITY = 90
_TAKES = (
    "a NumPy array or tensor of shape (H, W), (H, W, 1|3|4) or (1|3|4, H, W), a Pillow image, a matplotlib figure, or "
    "the path of a picture"
)


class _Form(msgspec.Struct):
    width: int
    height: int
    channels: int = 0
    format: Format = "png"
    caption: str | None = None
    pixels: bytes | None = None
    data: bytes | None = None
    blob: str | None = None


class _Encoded(NamedTuple):
    """A picture as the bytes of a file; `data` may still have to be fetched."""

    format: Format
    width: int
    height: int
    data: bytes | Callable[[], bytes]


class _Savable(Protocol):
    def savefig(self, file: io.BytesIO, *, format: str) -> None: ...  # noqa: A002  # matplotlib's word


class Image(Media):
    """One picture.

    Args:
        data_or_path: an array or tensor of shape (H, W), (H, W, C) or (C, H, W) with C = 1, 3 or 4 (grey, RGB, RGBA):
            uint8, bool, float in 0..1 or whole numbers in 0..255; or a Pillow image; or a matplotlib figure, axes or
            `pyplot` itself, drawn at once; or the path of a picture, whose PNG, JPEG, GIF or WebP bytes are kept as
            they are. Copied; leading axes of length 1 are dropped.
        mode: "L", "RGB" or "RGBA": convert to this.
        caption: text to show with the picture.
        layout: "HWC" or "CHW", needed where the shape allows for both.
        value_range: the values shown as black and as white, such as (-1, 1) for the output of tanh. What lies beyond
            is cut off, NaN is black, and without a `value_range` there is one warning.
        file_type: "png" (exact), "jpeg" or "webp" for what is not a file yet.

    Raises:
        UnsupportedValue: something that is no picture, or an array of another shape or type.
        UsageError: an argument that does not fit, or a file that is missing or no picture.
    """

    __slots__ = ("_source", "caption", "file_type")

    kind = "image"

    def __init__(
        self,
        data_or_path: object,
        mode: Mode | None = None,
        caption: str | None = None,
        *,
        layout: Literal["HWC", "CHW"] | None = None,
        value_range: tuple[float, float] | None = None,
        file_type: Literal["png", "jpg", "jpeg", "webp"] | None = None,
    ) -> None:
        _check_choice("mode", mode, get_args(Mode))
        _check_choice("layout", layout, ("HWC", "CHW"))
        _check_choice("file_type", file_type, ("png", "jpg", "jpeg", "webp"))
        self.caption = checked_caption(caption, "Image")
        self.file_type: Format = "jpeg" if file_type == "jpg" else file_type or "png"
        self._source: Pixels | _Encoded
        if is_array(data_or_path) or type(data_or_path) in {list, tuple}:
            self._source = from_array(data_or_path, layout, value_range)
        else:
            self._source = _from_other(data_or_path)
        if mode is not None and mode != self.mode:
            self._source = _from_picture(self.to_pil().convert(mode))

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self._source.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self._source.height

    @property
    def format(self) -> Format:
        """Name of the file format that the picture has, or will have in the store."""
        return self._source.format if isinstance(self._source, _Encoded) else self.file_type

    @property
    def mode(self) -> Mode:
        """How colours are given: "L" (grey), "RGB" or "RGBA"."""
        if isinstance(self._source, Pixels):
            return _MODES[self._source.channels]
        return _plain_mode(self.to_pil())

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The picture as a read-only array of shape (H, W), or (H, W, 3 or 4); of an animation, the first frame."""
        import numpy as np

        source = self._source if isinstance(self._source, Pixels) else _from_picture(self.to_pil())
        colours = (source.channels,) if source.channels > 1 else ()
        pixels: npt.NDArray[np.uint8] = np.ndarray((source.height, source.width, *colours), np.uint8, source.data)
        return pixels

    def to_pil(self) -> Picture:
        """Return the picture as one of Pillow."""
        from PIL import Image as pillow  # noqa: N813  # its class is called Image too

        if isinstance(self._source, Pixels):
            size = (self._source.width, self._source.height)
            return pillow.frombytes(_MODES[self._source.channels], size, self._source.data)
        return _opened(self._data(), "the picture")

    def to_bytes(self) -> bytes:
        """Return the picture as the bytes of a file of format `format`."""
        return _encoded(self.to_pil(), self.file_type) if isinstance(self._source, Pixels) else self._data()

    def _data(self) -> bytes:
        source = cast("_Encoded", self._source)
        if not isinstance(source.data, bytes):
            source = self._source = source._replace(data=source.data())
        return cast("bytes", source.data)

    def to_payload(self) -> Payload:
        """See `Media`."""
        source = self._source
        payload: Payload = {"width": source.width, "height": source.height, "format": self.format}
        if self.caption is not None:
            payload["caption"] = self.caption
        if isinstance(source, Pixels):
            payload["channels"], payload["pixels"] = source.channels, source.data
        else:
            payload["data"] = self._data()
        return payload

    @classmethod
    def from_payload(cls, payload: Payload) -> Self:
        """See `Media`."""
        form = checked(payload, _Form, "an Image")
        if form.pixels is not None:
            if form.channels not in _MODES or len(form.pixels) != form.width * form.height * form.channels:
                raise CorruptData(
                    f"an Image in the store is damaged: {len(form.pixels)} bytes for {form.width} x {form.height} "
                    f"pixels of {form.channels} channels"
                )
            return cls._made(form, Pixels(form.width, form.height, form.channels, form.pixels))
        if form.data is None:
            raise CorruptData("an Image in the store is damaged: it has neither pixels nor a file")
        return cls._made(form, _Encoded(form.format, form.width, form.height, form.data))

    @classmethod
    def _made(cls, form: _Form, source: Pixels | _Encoded) -> Self:
        self = cls.__new__(cls)
        self.caption, self.file_type, self._source = form.caption, form.format, source
        return self

    @classmethod
    def store(cls, payload: Payload, blobs: Blobs) -> Payload:
        """See `Media`; this is where pixels become a file."""
        image = cls.from_payload(payload)
        data = image.to_bytes()
        reference: Payload = {
            name: payload[name] for name in ("width", "height", "format", "caption") if name in payload
        }
        if len(data) <= INLINE_BYTES:
            return {**reference, "data": data}
        return {**reference, "blob": blobs.put(data)}

    @classmethod
    def load(cls, reference: Payload, blobs: Blobs) -> Self:
        """See `Media`; the bytes are fetched when they are first asked for."""
        form = checked(reference, _Form, "an Image")
        if form.blob is None:
            return cls.from_payload(reference)
        return cls._made(form, _Encoded(form.format, form.width, form.height, Fetch(blobs, form.blob)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        if (self.caption, self.width, self.height) != (other.caption, other.width, other.height):
            return False
        import numpy as np

        return np.array_equal(self.pixels, other.pixels)

    __hash__ = None

    def __repr__(self) -> str:
        caption = "" if self.caption is None else f", caption={self.caption!r}"
        return f"Image({self.width} x {self.height}, {self.format}{caption})"

    def _repr_png_(self) -> bytes:
        encoded = isinstance(self._source, _Encoded) and self._source.format == "png"
        return self._data() if encoded else _encoded(self.to_pil(), "png")


def is_picture(value: object) -> bool:
    """Say whether `value` is a picture by its own nature: Pillow's, or something of matplotlib that can be drawn."""
    return _is_pillow(value) or _figure_of(value) is not None


def _is_pillow(value: object) -> bool:
    return hasattr(value, "tobytes") and any(cls.__module__.partition(".")[0] == "PIL" for cls in type(value).__mro__)


def _figure_of(value: object) -> _Savable | None:
    """Return the figure that `value` is or belongs to: matplotlib's figures, axes, artists and `pyplot` itself."""
    if getattr(value, "__name__", None) == "matplotlib.pyplot":
        return cast("_Savable", cast("Any", value).gcf())
    for candidate in (value, getattr(value, "figure", None)):
        if hasattr(candidate, "savefig") and not isinstance(candidate, type):
            return cast("_Savable", candidate)
    return None


def _from_other(value: object) -> Pixels | _Encoded:
    if isinstance(value, (str, os.PathLike)):
        return _from_file(os.fspath(cast("str | os.PathLike[str]", value)))
    if _is_pillow(value):
        return _from_picture(cast("Picture", value))
    figure = _figure_of(value)
    if figure is None:
        raise UnsupportedValue(f"Image got a {type_name(value)}; it takes {_TAKES}. Convert it to one of these.")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    picture = _opened(file.getvalue(), "the figure")
    return _Encoded("png", picture.width, picture.height, file.getvalue())


def _from_file(path: str) -> Pixels | _Encoded:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(
            f"Image got the path {path!r}, which cannot be read ({error.strerror}); it takes {_TAKES}. Check the path."
        ) from error
    try:
        picture = _opened(data, repr(path))
    except CorruptData as error:
        raise UsageError(f"Image got {path!r}, which is no picture that Pillow can read; it takes {_TAKES}.") from error
    name = (picture.format or "").lower()
    if name in get_args(Format):
        return _Encoded(cast("Format", name), picture.width, picture.height, data)
    return _from_picture(picture)


def _from_picture(picture: Picture) -> Pixels:
    mode = _plain_mode(picture)
    if picture.mode.startswith(("I", "F")):
        # Pillow would cut 16 and 32 bits off at 255.
        import numpy as np

        low, high = (0.0, 65535.0) if picture.mode.startswith("I") else (0.0, 1.0)
        return from_array(np.asarray(picture), None, (low, high))
    converted = picture if picture.mode == mode else picture.convert(mode)
    channels = len(converted.getbands())
    return Pixels(converted.width, converted.height, channels, converted.tobytes())


def _plain_mode(picture: Picture) -> Mode:
    if picture.mode in {"P", "RGB", "L"} and "transparency" in picture.info:
        return "RGBA"
    if picture.mode.startswith(("I", "F")):
        return "L"
    return cast("Mode", _MODE_OF.get(picture.mode, "RGB"))


def _opened(data: bytes, what: str) -> Picture:
    """Open the bytes of a picture's file.

    Raises:
        CorruptData: Pillow cannot read them, or they would unpack to an absurd size.
    """
    from PIL import Image as pillow  # noqa: N813  # its class is called Image too
    from PIL import UnidentifiedImageError

    try:
        picture = pillow.open(io.BytesIO(data))
        picture.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, pillow.DecompressionBombError) as error:
        raise CorruptData(f"{what} cannot be read: {error}") from error
    return picture


def _encoded(picture: Picture, format_: Format) -> bytes:
    file = io.BytesIO()
    if format_ == "png":
        picture.save(file, "png", compress_level=_PNG_LEVEL)
    elif format_ == "webp":
        picture.save(file, "webp", quality=_JPEG_QUALITY)
    else:
        picture.convert("L" if picture.mode == "L" else "RGB").save(file, "jpeg", quality=_JPEG_QUALITY)
    return file.getvalue()


def _check_choice(name: str, value: object, words: tuple[str, ...]) -> None:
    if value is not None and value not in words:
        shown = ", ".join(map(repr, words))
        raise UsageError(f"Image got {name}={value!r}; it takes {shown}. Choose one of these.")
