"""Any object as plain data: what a run's configuration is kept as.

`to_plain` takes whatever a program calls its configuration and gives dicts, lists, text, numbers, booleans and None.
It reads stored fields only: no `__repr__`, no `to_dict`, no property of the user's is called, nothing is imported, no
device is waited for, and no memory address appears, so that the same program gives the same record twice.
"""

from __future__ import annotations

import enum
import itertools
import os
import re
import sys
import time
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

if TYPE_CHECKING:
    import functools

__all__ = ["MASK", "Limits", "Plain", "qualified_name", "to_plain"]

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"

MASK = "***"  # stands where a secret was

_INT64 = 2**63
_MORE = "<more>"
# The end of a default repr, as in "<function f at 0x7f3a5c0d1e10>".
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+(?=>)")


class Limits(NamedTuple):
    """How much of a value is kept. What is left out is counted or named in the result.

    Attributes:
        depth: containers and objects inside one another.
        nodes: values altogether.
        text: characters of one text.
        object_depth: class instances inside class instances.
        object_items: fields of a class instance, and items of a container inside one.
        array_items: numbers of an array that is kept as a list; a larger one is kept as its shape and dtype.
        time_s: seconds after which the rest is left out, looked at between values.
    """

    depth: int = 32
    nodes: int = 200_000
    text: int = 65_536
    object_depth: int = 4
    object_items: int = 64
    array_items: int = 64
    time_s: float = 1.0


_DEFAULT_LIMITS = Limits()


def to_plain(value: object, limits: Limits = _DEFAULT_LIMITS) -> Plain:
    """Turn any object into plain data.

    Mappings keep their order, their keys become text. Dataclasses, namespaces, named tuples, attrs, pydantic, msgspec
    and OmegaConf objects become mappings of their public fields; any other instance does too, beside its class under
    `__type__`. Enums become their name, or their value where that is text. Arrays of a few numbers become lists,
    larger ones and tensors `{"__type__", "shape", "dtype"}`; classes and functions their qualified name; ints beyond
    64 bits their digits as text. Sets are sorted. A value met inside itself becomes `<cycle: type>`. NaN, infinities
    and -0.0 stay floats. Iterators are named, never consumed.

    Args:
        value: anything.
        limits: how much is kept.

    Returns:
        A copy: changing it does not change `value`, nor the other way round. Never raises an `Exception`; what could
        not be read becomes the text `<unreadable: error>`.
    """
    try:
        return _Walk(limits).convert(value, 0, 0)
    except Exception as error:  # RecursionError included: the caller's own stack may be deep already
        return _unreadable(error)


def qualified_name(kind: type) -> str:
    """Name of a class with its module, without `builtins.`."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _unreadable(error: BaseException) -> str:
    return f"<unreadable: {type(error).__name__}>"


class _Walk:
    """One conversion: what is left of the limits, and the objects that we are inside of."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._nodes_left = limits.nodes
        self._deadline = time.monotonic() + limits.time_s
        self._path: set[int] = set()

    def convert(self, value: object, depth: int, inside: int) -> Plain:
        """Convert one value, `depth` containers and `inside` class instances deep."""
        kind = type(value)
        if kind is str:
            return self._text(cast("str", value))
        if kind is float or kind is bool or value is None:
            return cast("float | bool | None", value)
        if kind is int:
            return _integer(cast("int", value))
        identity = id(value)
        if identity in self._path:
            return f"<cycle: {qualified_name(kind)}>"
        if depth >= self._limits.depth:
            return f"<too deep: {qualified_name(kind)}>"
        if self._nodes_left <= 0 or time.monotonic() > self._deadline:
            return f"<left out: {qualified_name(kind)}>"
        self._nodes_left -= 1
        self._path.add(identity)
        try:
            return _handler(kind)(self, value, depth + 1, inside)
        except Exception as error:  # whatever a user's class does, the rest of the configuration is kept
            return _unreadable(error)
        finally:
            self._path.discard(identity)

    def mapping(self, value: Mapping[object, object], depth: int, inside: int) -> Plain:
        if isinstance(value, dict):  # one C call copies it, so that another thread cannot change it under the loop
            own: dict[object, object] = dict(value)
            return self._pairs(own.items(), len(own), depth, inside)
        return self._pairs(((key, value[key]) for key in self._in_time(value)), len(value), depth, inside)

    def mapping_like(self, value: Any, depth: int, inside: int) -> Plain:
        return self._pairs(((key, value[key]) for key in self._in_time(value.keys())), None, depth, inside or 1)

    def sequence(self, value: Iterable[object], depth: int, inside: int) -> list[Plain]:
        length = len(value) if isinstance(value, Collection) else None
        kept = self._allowance(length, inside)
        convert = self.convert
        result = [convert(item, depth, inside) for item in itertools.islice(value, kept)]
        if length is not None and length > kept:
            result.append(f"<{length - kept} more>")
        return result

    def foreign_sequence(self, value: Iterable[object], depth: int, inside: int) -> list[Plain]:
        # A user's own Sequence may load a picture for each item: take few.
        return self.sequence(self._in_time(value), depth, inside or 1)

    def unordered(self, value: Iterable[object], depth: int, inside: int) -> list[Plain]:
        result = self.sequence(value, depth, inside)
        try:
            return sorted(cast("list[Any]", result))
        except TypeError:
            return sorted(result, key=repr)

    def fields(self, value: object, names: Iterable[str], depth: int, inside: int) -> dict[str, Plain]:
        public = [name for name in names if not name.startswith("_")]
        read = object.__getattribute__
        result: dict[str, Plain] = {}
        for name in public[: self._allowance(len(public), inside)]:
            try:
                result[name] = self.convert(read(value, name), depth, inside)
            except AttributeError:  # declared, and not set yet
                continue
            except Exception as error:  # a property among the declared fields
                result[name] = _unreadable(error)
        return result

    def instance(self, value: object, depth: int, inside: int) -> Plain:
        name = qualified_name(type(value))
        if inside >= self._limits.object_depth:
            return f"<{name}>"
        found = _public_fields(value)
        result: dict[str, Plain] = {"__type__": name}
        fields = self._pairs(found.items(), len(found), depth, inside + 1)
        result.update((key, item) for key, item in fields.items() if key != "__type__")
        return result

    def array(self, value: Any, depth: int, inside: int) -> Plain:
        kind = _class_of(value)
        shape = [None if size is None else int(size) for size in tuple(value.shape)]
        if kind.__module__ == "numpy" and value.size <= self._limits.array_items:
            return self.convert(value.tolist(), depth, inside)
        if not shape and _on_cpu(value):
            return self.convert(value.item(), depth, inside)
        result: dict[str, Plain] = {"__type__": qualified_name(kind), "shape": list(shape)}
        if hasattr(kind, "dtype"):
            result["dtype"] = _dtype_name(value.dtype)
        return result

    def number_like(self, value: Any, depth: int, inside: int) -> Plain:
        item = value.item()
        # A long double's item() is a long double again.
        return self.convert(float(item) if type(item) is type(value) else item, depth, inside)

    def omegaconf(self, value: Any, depth: int, inside: int) -> Plain:
        tools = sys.modules["omegaconf"].OmegaConf
        try:
            return self.convert(tools.to_container(value, resolve=True, throw_on_missing=False), depth, inside)
        except Exception:  # an interpolation that leads nowhere: keep its text, resolve the others
            raw: Any = tools.to_container(value, resolve=False)
        if isinstance(raw, list):
            return [self._omegaconf_item(value, raw, at, depth, inside) for at in range(len(cast("list[object]", raw)))]
        return {self._key(key): self._omegaconf_item(value, raw, key, depth, inside) for key in value}

    def _omegaconf_item(self, value: Any, raw: Any, key: Any, depth: int, inside: int) -> Plain:
        try:
            item = value[key]
        except Exception:  # missing, or an interpolation that leads nowhere
            item = raw[key]
        return self.convert(item, depth, inside)

    def partial(self, value: functools.partial[object], depth: int, inside: int) -> Plain:
        return {
            "__type__": "functools.partial",
            "func": self.convert(value.func, depth, inside),
            "args": self.convert(value.args, depth, inside),
            "keywords": self.convert(value.keywords, depth, inside),
        }

    def pydantic(self, value: Any, depth: int, inside: int) -> Plain:
        kind = _class_of(value)
        declared: Any = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__fields__", {})
        extra: dict[object, object] = getattr(value, "__pydantic_extra__", None) or {}
        return {
            **self.fields(value, list(declared), depth, inside),
            **self._pairs(extra.items(), len(extra), depth, inside),
        }

    def printed(self, value: object, _depth: int, _inside: int) -> Plain:
        return self._text(str(value))

    def represented(self, value: object, _depth: int, _inside: int) -> Plain:
        return self._text(repr(value))

    def text_subclass(self, value: str, _depth: int, _inside: int) -> Plain:
        return self._text(str.__str__(value))

    def raw_bytes(self, value: bytes | bytearray, _depth: int, _inside: int) -> Plain:
        text = bytes(value[: self._limits.text]).decode("utf-8", "backslashreplace")
        return self._text(text) if text.isprintable() else f"<{len(value)} bytes: {bytes(value[:32]).hex()}>"

    def failure(self, value: BaseException, _depth: int, _inside: int) -> Plain:
        return self._text(f"{qualified_name(type(value))}: {value}")

    def _pairs(
        self, items: Iterable[tuple[object, object]], length: int | None, depth: int, inside: int
    ) -> dict[str, Plain]:
        kept = self._allowance(length, inside)
        result: dict[str, Plain] = {}
        for key, item in itertools.islice(items, kept):
            name = self._text(key) if type(key) is str else self._key(key)
            if name in result:  # 1 and "1", say: neither may hide the other
                name = f"{name} ({type(key).__name__})"
            result[name] = self.convert(item, depth, inside)
        if length is not None and length > kept:
            result[_MORE] = length - kept
        return result

    def _in_time(self, values: Iterable[object]) -> Iterator[object]:
        for value in values:
            yield value
            if time.monotonic() > self._deadline:
                break

    def _allowance(self, length: int | None, inside: int) -> int:
        wanted = self._limits.nodes if length is None else length
        kept = min(wanted, self._limits.object_items if inside else wanted, max(self._nodes_left, 0))
        self._nodes_left -= kept
        return kept

    def _key(self, key: object) -> str:
        plain = self.convert(key, self._limits.depth - 4, self._limits.object_depth)
        return plain if isinstance(plain, str) else str(plain)

    def _text(self, text: str) -> str:
        if len(text) > self._limits.text:
            text = f"{text[: self._limits.text]}... ({len(text)} characters)"
        if " at 0x" in text:
            text = _ADDRESS.sub("", text)
        if text.isascii():
            return text
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair: neither JSON nor a database takes it
            return text.encode("utf-8", "backslashreplace").decode()
        return text


_Handler: TypeAlias = Callable[[_Walk, Any, int, int], Plain]


def _integer(value: int) -> int | str:
    if -_INT64 <= value < _INT64:
        return value
    try:
        return str(value)
    except ValueError:  # more digits than Python turns into text
        return hex(value)


def _enum(walk: _Walk, value: Any, depth: int, inside: int) -> Plain:
    content = value._value_  # the stored field; `.value` may be a user's property
    if isinstance(content, str):
        return walk.convert(str.__str__(content), depth, inside)
    if value._name_ is None and isinstance(content, int):  # flags together, before Python 3.11
        members: dict[str, Any] = _class_of(value).__dict__["_member_map_"]
        return "|".join(name for name, part in members.items() if part._value_ & content)
    return walk.convert(value._name_ or content, depth, inside)


def _function_name(_walk: _Walk, value: Any, _depth: int, _inside: int) -> Plain:
    owner: object = getattr(value, "__self__", None)
    if isinstance(value, types.MethodType) and not isinstance(owner, type):
        return f"{qualified_name(type(owner))}.{value.__name__}"
    module = getattr(value, "__module__", None)
    if module is None:  # a method written in C
        module = getattr(value, "__objclass__", type(owner)).__module__
    return value.__qualname__ if module == "builtins" else f"{module}.{value.__qualname__}"


def _own_name(_walk: _Walk, value: type | types.ModuleType, _depth: int, _inside: int) -> Plain:
    return qualified_name(value) if isinstance(value, type) else value.__name__


def _dtype(_walk: _Walk, value: object, _depth: int, _inside: int) -> Plain:
    return _dtype_name(value)


def _namespace(walk: _Walk, value: object, depth: int, inside: int) -> Plain:
    return walk.fields(value, list(vars(value)), depth, inside)


def _hidden(_walk: _Walk, _value: object, _depth: int, _inside: int) -> Plain:
    return MASK


def _named(walk: _Walk, value: object, depth: int, inside: int) -> Plain:
    """Objects that behave as functions and say their name: ufuncs, compiled functions."""
    read = object.__getattribute__
    for attribute in ("__qualname__", "__name__"):
        try:
            name = read(value, attribute)
        except AttributeError:
            continue
        if isinstance(name, str):
            module = getattr(value, "__module__", None) or type(value).__module__
            return f"{module}.{name}"
    return walk.instance(value, depth, inside)


def _as_int(_walk: _Walk, value: Any, _depth: int, _inside: int) -> Plain:
    return _integer(int.__int__(value))


def _as_float(_walk: _Walk, value: Any, _depth: int, _inside: int) -> Plain:
    return float.__float__(value)


def _pattern(walk: _Walk, value: re.Pattern[str], depth: int, inside: int) -> Plain:
    return walk.convert(value.pattern, depth, inside)


# Looked up along the classes of a value, by name: so nothing has to be imported for it.
_BY_CLASS: dict[str, _Handler] = {
    "argparse.Namespace": _namespace,
    "builtins.BaseException": _Walk.failure,
    "builtins.builtin_function_or_method": _function_name,
    "builtins.bytearray": _Walk.raw_bytes,
    "builtins.bytes": _Walk.raw_bytes,
    "builtins.complex": _Walk.represented,
    "builtins.dict": _Walk.mapping,
    "builtins.ellipsis": _Walk.represented,
    "builtins.float": _as_float,
    "builtins.frozenset": _Walk.unordered,
    "builtins.function": _function_name,
    "builtins.int": _as_int,
    "builtins.list": _Walk.sequence,
    "builtins.method": _function_name,
    "builtins.method_descriptor": _function_name,
    "builtins.module": _own_name,
    "builtins.NotImplementedType": _Walk.represented,
    "builtins.range": _Walk.represented,
    "builtins.set": _Walk.unordered,
    "builtins.slice": _Walk.represented,
    "builtins.str": _Walk.text_subclass,
    "builtins.tuple": _Walk.sequence,
    "builtins.type": _own_name,
    "collections.deque": _Walk.sequence,
    "datetime.date": _Walk.printed,
    "datetime.time": _Walk.printed,
    "datetime.timedelta": _Walk.printed,
    "datetime.tzinfo": _Walk.printed,
    "decimal.Decimal": _Walk.printed,
    "fractions.Fraction": _Walk.printed,
    "functools.partial": _Walk.partial,
    "ipaddress._IPAddressBase": _Walk.printed,
    "numpy.dtype": _dtype,
    "numpy.generic": _Walk.number_like,
    "numpy.ndarray": _Walk.array,
    "omegaconf.base.Container": _Walk.omegaconf,
    "omegaconf.basecontainer.BaseContainer": _Walk.omegaconf,
    "pathlib.PurePath": _Walk.printed,
    "pathlib._local.PurePath": _Walk.printed,
    "pydantic.main.BaseModel": _Walk.pydantic,
    "re.Pattern": _pattern,
    "types.GenericAlias": _Walk.represented,
    "types.SimpleNamespace": _namespace,
    "types.UnionType": _Walk.represented,
    "typing._Final": _Walk.represented,
    "uuid.UUID": _Walk.printed,
}


def _handler(kind: type) -> _Handler:
    if kind is dict:
        return _Walk.mapping
    if kind is list or kind is tuple:
        return _Walk.sequence
    if isinstance(kind, enum.EnumMeta):
        return _enum
    declared = _declared_fields(kind)
    if declared is not None:
        return declared
    for base in kind.__mro__:
        handler = _BY_CLASS.get(f"{base.__module__}.{base.__qualname__}")
        if handler is not None:
            return handler
    return next((handler for able, handler in _BY_ABILITY if able(kind)), _Walk.instance)


def _declared_fields(kind: Any) -> _Handler | None:
    """Classes that list their fields: dataclasses, attrs, msgspec, named tuples."""
    attributes: tuple[Any, ...] = getattr(kind, "__attrs_attrs__", None) or ()
    found: Any = (
        getattr(kind, "__dataclass_fields__", None)
        or getattr(kind, "__struct_fields__", None)
        or [attribute.name for attribute in attributes]
        or (tuple in kind.__mro__ and getattr(kind, "_fields", None))
    )
    if not found:
        return None
    names: list[str] = list(found)
    return lambda walk, value, depth, inside: walk.fields(value, names, depth, inside)


def _from_path(walk: _Walk, value: os.PathLike[str], depth: int, inside: int) -> Plain:
    return walk.convert(os.fspath(value), depth, inside)


# What a class can do, asked of the class: asking the object could run its `__getattr__`.
_BY_ABILITY: tuple[tuple[Callable[[Any], bool], _Handler], ...] = (
    (lambda kind: hasattr(kind, "get_secret_value"), _hidden),
    (lambda kind: hasattr(kind, "shape") and (hasattr(kind, "dtype") or hasattr(kind, "dtypes")), _Walk.array),
    (lambda kind: issubclass(kind, Mapping), _Walk.mapping),
    (lambda kind: issubclass(kind, (Sequence, ValuesView)), _Walk.foreign_sequence),
    (lambda kind: issubclass(kind, AbstractSet), _Walk.unordered),
    (lambda kind: hasattr(kind, "keys") and hasattr(kind, "__getitem__"), _Walk.mapping_like),
    (lambda kind: kind.__name__ in {"DType", "device", "dtype", "layout", "memory_format"}, _dtype),
    (lambda kind: hasattr(kind, "__fspath__"), _from_path),
    (lambda kind: any("__call__" in base.__dict__ for base in kind.__mro__), _named),
)


def _public_fields(value: object) -> dict[str, object]:
    found: dict[str, object] = {}
    for kind in reversed(type(value).__mro__):
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            descriptor = kind.__dict__.get(name)
            if isinstance(descriptor, types.MemberDescriptorType):
                try:
                    found[name] = descriptor.__get__(value)
                except AttributeError:  # declared, and not set yet
                    continue
    try:
        own = object.__getattribute__(value, "__dict__")
    except AttributeError:
        own = {}
    found.update(cast("dict[str, object]", own) if isinstance(own, dict) else {})
    return {name: item for name, item in found.items() if type(name) is str and not name.startswith("_")}


def _class_of(value: object) -> type[object]:
    return type(value)


def _on_cpu(value: Any) -> bool:
    """Whether reading one number waits for no device: a tensor on the host, by what it says of itself."""
    device = getattr(value, "device", None)
    return device is not None and hasattr(_class_of(value), "item") and str(device).lower().startswith("cpu")


def _dtype_name(value: Any) -> str:
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else str(value)
