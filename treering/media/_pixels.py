"""From an array of any shape, type and range to the bytes of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering._notice import warn_once
from treering.errors import UnsupportedValue, UsageError
from treering.media._arrays import as_array
from treering.media._base import type_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Pixels", "from_array"]

_CHANNELS = (1, 3, 4)
_WHITE = 255.0
_HWC, _CHW = "HWC", "CHW"
_FLAT, _DEEP = 2, 3  # axes of a picture without and with channels
# What rounding in float16 may add to values that are meant to lie in 0..1.
_TOLERANCE = 2e-3


class Pixels(NamedTuple):
    """A picture as `height` rows of `width` pixels of `channels` bytes."""

    width: int
    height: int
    channels: int
    data: bytes


def from_array(value: object, layout: str | None, value_range: tuple[float, float] | None) -> Pixels:
    """Copy an array into pixels; see `treering.Image` for what is taken.

    Raises:
        UnsupportedValue: the array's shape or type is not a picture's.
        UsageError: `value_range` is none, or the shape could be read in two ways.
    """
    import numpy as np

    try:
        array = as_array(value)
    except (TypeError, ValueError) as error:
        raise UnsupportedValue(
            f"Image got a {type_name(value)} that is no array ({error}); it takes numbers in rows of equal length. "
            "Convert it with numpy.asarray(x)."
        ) from error
    array = _arranged(array, layout)
    if array.dtype.kind not in "fiub":
        raise UnsupportedValue(
            f"Image got an array of {array.dtype}; it takes uint8, bool, floats in 0..1 or whole numbers in 0..255. "
            + ("Give abs(x)." if array.dtype.kind == "c" else "Convert it with x.astype(float).")
        )
    pixels = _to_bytes(array, value_range)
    height, width, channels = pixels.shape
    return Pixels(width, height, channels, np.ascontiguousarray(pixels).tobytes())


def _arranged(array: npt.NDArray[Any], layout: str | None) -> npt.NDArray[Any]:
    """Return a view of shape (H, W, C)."""
    import numpy as np

    given = array.shape
    while array.ndim > _DEEP and array.shape[0] == 1:
        array = array[0]
    if array.ndim == _FLAT and array.size:
        return array[:, :, None]
    if array.ndim != _DEEP or not array.size:
        many = array.ndim > _DEEP and array.size > 0
        raise UnsupportedValue(
            f"Image got an array of shape {given}; it takes (H, W), (H, W, 1|3|4) or (1|3|4, H, W). "
            + ("Log a list: [Image(x) for x in batch]." if many else "Reshape it.")
        )
    fits = [name for name, axis in ((_HWC, 2), (_CHW, 0)) if array.shape[axis] in _CHANNELS]
    if layout is not None:
        if layout not in fits:
            raise UnsupportedValue(
                f"Image got an array of shape {given} with layout={layout!r}; it takes 1, 3 or 4 channels along the "
                f"{'last' if layout == _HWC else 'first'} axis. Transpose it, or leave layout out."
            )
    elif not fits:
        raise UnsupportedValue(
            f"Image got an array of shape {given}; it takes (H, W), (H, W, 1|3|4) or (1|3|4, H, W). For channels that "
            "are no colours, log one picture each: [Image(x[i]) for i in range(len(x))]."
        )
    elif len(fits) > 1:
        raise UsageError(
            f"Image got an array of shape {given}, whose channels may be the first axis or the last. Say which: "
            "Image(x, layout='CHW') or Image(x, layout='HWC')."
        )
    return np.moveaxis(array, 0, 2) if (layout or fits[0]) == _CHW else array


def _to_bytes(array: npt.NDArray[Any], value_range: tuple[float, float] | None) -> npt.NDArray[np.uint8]:
    import numpy as np

    if value_range is None and array.dtype == np.uint8:
        return cast("npt.NDArray[np.uint8]", array)
    if array.dtype.kind == "b":
        pixels: npt.NDArray[np.uint8] = np.multiply(array, np.uint8(255), dtype=np.uint8)
        return pixels
    low, high = _range_of(array, value_range)
    precise = np.result_type(array.dtype, np.float32)  # float64 for what float32 does not hold
    scaled: npt.NDArray[np.floating[Any]] = (array.astype(precise) - low) * (_WHITE / (high - low))
    if not (scaled.min() >= 0.0 and scaled.max() <= _WHITE):  # NaN is neither
        if value_range is None:
            _warn_of_lost_values(scaled, whole=array.dtype.kind != "f")
        np.nan_to_num(scaled, copy=False, nan=0.0, posinf=_WHITE, neginf=0.0)
        np.minimum(np.maximum(scaled, 0.0, out=scaled), _WHITE, out=scaled)
    return np.asarray(np.rint(scaled, out=scaled), dtype=np.uint8)


def _range_of(array: npt.NDArray[Any], value_range: tuple[float, float] | None) -> tuple[float, float]:
    if value_range is None:
        return (0.0, 1.0) if array.dtype.kind == "f" else (0.0, _WHITE)
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        low = high = 0.0
    if not 0.0 < high - low < float("inf"):
        raise UsageError(
            f"Image got value_range={value_range!r}; it takes the value shown black and a greater one shown white. "
            "Write value_range=(0, 255), for example."
        )
    return low, high


def _warn_of_lost_values(scaled: npt.NDArray[np.floating[Any]], *, whole: bool) -> None:
    import numpy as np

    low, high = float(np.nanmin(scaled, initial=0.0)), float(np.nanmax(scaled, initial=0.0))
    allowed = 0.0 if whole else _WHITE * _TOLERANCE
    if low < -allowed or high > _WHITE + allowed:
        unit = 1.0 if whole else _WHITE
        warn_once(
            f"treering.Image got values from {low / unit:.4g} to {high / unit:.4g}; it takes "
            f"{'whole numbers in 0..255' if whole else 'floats in 0..1'} and cuts off the rest. Say what is black and "
            "what is white, such as Image(x, value_range=(-1, 1)) or Image(x, value_range=(0, 255)).",
            kind=f"image-range-{whole}",
        )
    elif bool(np.isnan(scaled).any()):
        warn_once("treering.Image got NaN among its values; it shows them black.", kind="image-nan")
