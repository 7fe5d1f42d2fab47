"""Values on their way to disk: MessagePack with two extensions, and the kind of column each value belongs to.

Kinds: `float64`, `int64` and `bool` are numbers; `text` is a string; `histogram` and `media` are `treering.media`
objects; everything else that MessagePack holds (None, lists, empty dicts, bytes, integers beyond 64 bits) is `json`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec

from treering.errors import UnsupportedValue

__all__ = ["KINDS", "NUMERIC", "Carried", "decode", "encode", "encode_fast", "encode_logged", "kind_of", "to_number"]

NUMERIC = frozenset({"float64", "int64", "bool"})
KINDS = (*sorted(NUMERIC), "text", "json", "histogram", "media")

_BIG_INT = 1
_CARRIED = 2
# A list in a row is read back whole; beyond this it is an array that wants a picture or a histogram.
_MAX_ARRAY_SIZE = 4096


class Carried:
    """A media object as it travels and lies in a column: the name of its class and plain data.

    Attributes:
        kind: a key of `treering.media.KINDS`, such as "histogram" or "image".
        payload: MessagePack-able data.
    """

    __slots__ = ("kind", "payload")

    def __init__(self, kind: str, payload: Any) -> None:
        self.kind = kind
        self.payload = payload

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Carried) and (self.kind, self.payload) == (other.kind, other.payload)

    __hash__ = None  # type: ignore[assignment]  # payloads are mutable

    def __repr__(self) -> str:
        return f"Carried({self.kind!r})"


def _enc_hook(value: Any) -> object:
    """Turn what MessagePack does not know into what it does; runs on the caller's thread, so it only looks."""
    if isinstance(value, Carried):
        return msgspec.msgpack.Ext(_CARRIED, encode((value.kind, value.payload)))
    to_payload = getattr(value, "to_payload", None)
    if to_payload is not None and hasattr(value, "kind"):
        return msgspec.msgpack.Ext(_CARRIED, encode((value.kind, to_payload())))
    if not hasattr(value, "dtype"):
        from treering.media import wrap

        medium = wrap(value)
        if medium is not None:
            return _enc_hook(medium)
    return to_number(value)


def to_number(value: Any) -> object:
    """Return the number (or small nested list) inside a NumPy scalar, array or tensor, whatever library made it.

    Raises:
        UnsupportedValue: none of these; the text does not know the key, `explain` adds it.
    """
    size: Any = getattr(value, "size", None)
    if callable(size):  # torch: size() is the shape
        numel = getattr(value, "numel", None)
        size = numel() if callable(numel) else None
    if size is None and hasattr(value, "shape") and hasattr(value, "numpy"):  # tensorflow's eager tensors
        value = value.numpy()
        size = getattr(value, "size", None)
    if size is not None:
        return _array_to_number(value, int(size))
    if hasattr(value, "__float__") and not isinstance(value, complex):
        with contextlib.suppress(TypeError, ValueError):
            return float(value)
    if hasattr(value, "__fspath__"):
        return str(value)
    raise UnsupportedValue(f"a value of type {type(value).__module__}.{type(value).__qualname__}")


def _array_to_number(value: Any, size: int) -> object:
    detach = getattr(value, "detach", None)
    if detach is not None:
        value = detach()
    if "complex" in str(getattr(value, "dtype", "")):
        raise UnsupportedValue(f"a complex array of {size} elements")
    if size == 1:
        item = value.item() if hasattr(value, "item") else value.reshape(-1)[0]
        return float(item) if type(item) is type(value) else tidy(item)  # a long double is its own item
    if size > _MAX_ARRAY_SIZE:
        raise UnsupportedValue(f"an array of shape {tuple(value.shape)}")
    return tidy(value.tolist())


def read_extension(code: int, data: memoryview) -> object:
    """Decode one of our MessagePack extensions."""
    if code == _BIG_INT:
        return int(bytes(data))
    if code == _CARRIED:
        kind, payload = decode(data)
        return Carried(kind, payload)
    raise UnsupportedValue(f"extension {code} is newer than this treering")


_encoder = msgspec.msgpack.Encoder(enc_hook=_enc_hook)
#: Encode a value in the common case; raises what msgspec raises, for huge integers and odd text too.
encode_fast: Callable[[Any], bytes] = _encoder.encode


def encode(value: Any) -> bytes:
    """Encode any storable value."""
    try:
        return encode_fast(value)
    except (OverflowError, UnicodeEncodeError):
        return encode_fast(tidy(value))


#: The way back; media come as `Carried`.
decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=read_extension).decode

_INT64 = range(-(2**63), 2**63)


def kind_of(value: Any) -> str:
    """Name the kind of column that holds `value`, a value as `decode` returns it."""
    kind = cast("type[object]", type(value))
    if kind is float:
        return "float64"
    if kind is bool:
        return "bool"
    if kind is int:
        return "int64" if value in _INT64 else "json"
    if kind is str:
        return "text"
    if kind is Carried:
        return "histogram" if value.kind == "histogram" else "media"
    if kind is list and any(type(item) is Carried for item in value):
        return "media"
    return "json"


def encode_logged(data: Any, path: str = "") -> bytes:
    """Encode what a user logs, by the long way where `encode` cannot.

    Raises:
        UnsupportedValue: it cannot be stored; the text names the key, below `path`, and the fix.
    """
    try:
        return encode_fast(data)
    except Exception:  # sorted out below
        try:
            data = tidy(data)
            explain(data, path)
            return encode(data)
        except RecursionError:
            place = path or next((str(key) for key, value in _entries(data) if _is_deep(value)), "?")
            raise UnsupportedValue(
                f"log() got data under {place!r} that is nested too deep, or contains itself; log flat values instead"
            ) from None


def _entries(data: Any) -> Iterable[tuple[Any, Any]]:
    return cast("Mapping[Any, Any]", data).items() if isinstance(data, Mapping) else ()


def _is_deep(value: Any) -> bool:
    try:
        encode(value)
    except RecursionError:
        return True
    except Exception:
        return False
    return False


def tidy(value: Any) -> object:
    """Rewrite the few values that MessagePack refuses but that have an exact form: huge integers, odd text."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_BIG_INT, str(int(value)).encode())
    if isinstance(value, str):
        # Lone surrogates have no UTF-8 form; they stay visible as \udcXX.
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        return {tidy(key) if isinstance(key, str) else str(key): tidy(item) for key, item in entries.items()}
    if isinstance(value, (list, tuple)):
        return [tidy(item) for item in cast("list[Any]", value)]
    return value


def explain(data: Any, path: str = "") -> None:
    """Raise `UnsupportedValue` for the first value below `data` that cannot be stored, naming its key and the fix."""
    if isinstance(data, Mapping):
        for key, item in cast("Mapping[Any, Any]", data).items():
            explain(item, f"{path}/{key}" if path else str(key))
        return
    if isinstance(data, (list, tuple)):
        for number, item in enumerate(cast("list[Any]", data)):
            explain(item, f"{path}[{number}]")
        return
    try:
        encode(data)
    except Exception as error:
        what = str(error) if isinstance(error, UnsupportedValue) else _shown(data)
        raise UnsupportedValue(
            f"log() got {what} under {path!r}; it takes numbers, strings, bools, None, nested dicts and lists of "
            f"these, NumPy scalars, small arrays and tensors, and treering media. {_fix(data)}"
        ) from error


def _shown(value: Any) -> str:
    name = type(value).__name__
    try:
        return f"{name} {str(value)[:80]!r}"
    except Exception:  # the user's code
        return f"a value of type {name}"


def _fix(value: Any) -> str:
    with contextlib.suppress(Exception):  # the user's code
        if isinstance(value, complex) or "complex" in str(getattr(value, "dtype", "")):
            return "Log its real and imaginary part, or abs(), as metrics of their own."
        if hasattr(value, "shape"):
            return "Log a statistic such as x.mean(), treering.Histogram(x) or treering.Image(x)."
    return "Convert it first, for example with float(x) or str(x)."
