"""Arrays, whatever library made them, as NumPy arrays. No library is imported but NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

__all__ = ["as_array", "is_array", "is_tensor"]


def is_tensor(value: object) -> bool:
    """Say whether `value` is a tensor in the manner of torch."""
    return hasattr(value, "detach") and hasattr(value, "numpy")


def is_array(value: object) -> bool:
    """Say whether `value` is an array or tensor of any library (but not a Python sequence)."""
    return hasattr(value, "shape") and (hasattr(value, "__array__") or is_tensor(value) or hasattr(value, "numpy"))


def as_array(value: object) -> npt.NDArray[Any]:
    """Return `value` as a NumPy array, which may share its memory; a CUDA tensor is fetched, which waits for it.

    Args:
        value: an array or tensor of any library, a number, or (nested) sequences or an iterable of them.

    Raises:
        TypeError, ValueError: NumPy cannot make a regular array of it.
    """
    import numpy as np

    if is_tensor(value):
        return _from_tensor(value)
    array: Any
    if not is_array(value) and hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        items = list(cast("Iterable[object]", value))
        # NumPy would walk through each tensor number by number.
        array = np.asarray([as_array(item) for item in items] if items and is_tensor(items[0]) else items)
    elif not hasattr(value, "__array__") and hasattr(value, "numpy"):
        array = cast("Any", value).numpy()  # TensorFlow's eager tensors
    else:
        array = np.asanyarray(value) if hasattr(value, "compressed") else np.asarray(value)  # masks are kept
    # Types that NumPy does not have, such as JAX's bfloat16, come as "void" of a registered kind.
    if array.dtype.kind == "V" and "float" in str(array.dtype):
        array = array.astype(np.float32)
    return cast("npt.NDArray[Any]", array)


def _from_tensor(tensor: Any) -> npt.NDArray[Any]:
    tensor = tensor.detach()
    if getattr(tensor, "is_sparse", False):
        tensor = tensor.to_dense()
    if getattr(getattr(tensor, "device", None), "type", "cpu") != "cpu":
        tensor = tensor.cpu()
    if "bfloat16" in str(tensor.dtype) or "float8" in str(tensor.dtype):
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.numpy()
    return array
