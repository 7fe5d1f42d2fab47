"""What a file of `torch.save` holds, told from its pickle without running it.

The opcodes are followed as far as data goes: containers, numbers, text, and tensors, of which the place and the shape
are known. Whatever the pickle would have called is not called; it stands there as `Unknown`.
"""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering.errors import CorruptData

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Named", "Stored", "Unknown", "symbols"]

_MAX_BYTES = 256 << 20
_MARK = object()


class Named(NamedTuple):
    """A class or function, by its name; nothing more is known of it here."""

    module: str
    name: str


class Unknown:
    """Something that only running the pickle would tell."""


class Stored(NamedTuple):
    """A tensor.

    Attributes:
        storage: what its `persistent id` says: kind of numbers, key of the storage, ...
        offset: of its first number in the storage, in numbers.
        shape: its sizes.
        strides: numbers from one to the next, along each axis.
        dtype: its own kind of numbers where the storage does not say it.
    """

    storage: tuple[Any, ...]
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str | None = None


def symbols(data: bytes, what: str) -> Any:
    """Return the object that a pickle describes, as far as it can be told.

    Args:
        data: the pickle.
        what: its name, for errors.

    Raises:
        CorruptData: it is no pickle, or one of absurd size.
    """
    if len(data) > _MAX_BYTES:
        raise CorruptData(f"{what} is a pickle of {len(data):,} bytes, more than any list of tensors needs")
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.do(opcode.name, argument)
            if opcode.name == "STOP":
                return machine.stack[-1]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise CorruptData(f"{what} is no pickle that can be followed: {error}") from error
    raise CorruptData(f"{what} ends in the middle")


class _Machine:
    """A pickle's stack and memory."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        """Follow one opcode."""
        if name in _PUSHED:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name]())
        elif name in _ACTS:
            _ACTS[name](self)
        elif name in {"BINPUT", "LONG_BINPUT", "PUT"}:
            self.memory[int(argument)] = self.stack[-1]
        elif name in {"BINGET", "LONG_BINGET", "GET"}:
            self.stack.append(self.memory[int(argument)])
        elif name == "GLOBAL":
            self.stack.append(Named(*argument.split(" ", 1)))
        elif name not in _IGNORED:
            raise ValueError(f"it uses {name}")

    def marked(self) -> list[Any]:
        """Take what is above the last mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def taken(self, count: int) -> list[Any]:
        found = self.stack[-count:]
        if len(found) < count:
            raise IndexError("its stack is empty")
        del self.stack[-count:]
        return found

    def memoize(self) -> None:
        self.memory[len(self.memory)] = self.stack[-1]

    def name(self) -> None:
        self.stack.append(Named(*map(str, self.taken(2))))

    def call(self) -> None:
        called, arguments = self.taken(2)
        self.stack.append(_made(called, arguments))

    def call_marked(self) -> None:
        called, *arguments = self.marked()
        self.stack.append(_made(called, arguments))

    def refer(self) -> None:
        (pid,) = self.taken(1)
        self.stack.append(tuple(pid) if isinstance(pid, (tuple, list)) else Unknown())  # pyright: ignore[reportUnknownArgumentType]  # whatever it is

    def set_items(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            pairs = zip(items[::2], items[1::2], strict=True)
            self.stack[-1].update({key: value for key, value in pairs if isinstance(key, (str, int, float, tuple))})

    def append(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            cast("list[Any]", self.stack[-1]).extend(items)

    def drop(self) -> None:
        del self.stack[-1]

    def drop_marked(self) -> None:
        self.marked()

    def copied(self) -> None:
        self.stack.append(self.stack[-1])


def _made(called: Any, arguments: Any) -> Any:
    """Return what calling a name would give, where that is data."""
    known = f"{called.module}.{called.name}" if isinstance(called, Named) else ""
    given = list(cast("list[Any]", arguments)) if isinstance(arguments, (tuple, list)) else []
    if known in {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"} and len(given) >= 4:  # noqa: PLR2004  # what it needs
        return _tensor(given, None)
    if known == "torch._utils._rebuild_tensor_v3" and len(given) >= 7 and isinstance(given[6], Named):  # noqa: PLR2004  # the same
        return _tensor(given, given[6].name)
    if known in {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"} and given:
        return given[0]
    if known in {"collections.OrderedDict", "collections.defaultdict", "builtins.dict"}:
        return {}
    if known in {"torch.Size", "builtins.tuple", "builtins.list", "builtins.set"} and given:
        return given[0]
    return Unknown()


def _tensor(given: list[Any], dtype: str | None) -> Any:
    storage, offset, shape, strides = given[:4]
    whole = isinstance(storage, tuple) and isinstance(shape, tuple) and isinstance(strides, tuple)
    numbers = (offset, *cast("tuple[Any, ...]", shape), *cast("tuple[Any, ...]", strides)) if whole else (None,)
    if not all(isinstance(one, int) and one >= 0 for one in numbers):
        return Unknown()
    return Stored(cast("tuple[Any, ...]", storage), offset, shape, strides, dtype)


_PUSHED = frozenset(
    {
        "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
        "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
        "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
    }
)  # fmt: skip
_IGNORED = frozenset({"PROTO", "FRAME", "STOP"})
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": list,
    "MARK": lambda: _MARK,
}
_ACTS: dict[str, Callable[[_Machine], None]] = {
    "MEMOIZE": _Machine.memoize,
    "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "OBJ": _Machine.call_marked,
    "NEWOBJ_EX": lambda machine: machine.stack.append(_made(machine.taken(3)[0], ())),
    "BUILD": _Machine.drop,
    "BINPERSID": _Machine.refer,
    "TUPLE": lambda machine: machine.stack.append(tuple(machine.marked())),
    "LIST": lambda machine: machine.stack.append(machine.marked()),
    "FROZENSET": lambda machine: machine.stack.append(machine.marked()),
    "TUPLE1": lambda machine: machine.stack.append(tuple(machine.taken(1))),
    "TUPLE2": lambda machine: machine.stack.append(tuple(machine.taken(2))),
    "TUPLE3": lambda machine: machine.stack.append(tuple(machine.taken(3))),
    "SETITEM": lambda machine: machine.set_items(machine.taken(2)),
    "SETITEMS": lambda machine: machine.set_items(machine.marked()),
    "APPEND": lambda machine: machine.append(machine.taken(1)),
    "APPENDS": lambda machine: machine.append(machine.marked()),
    "ADDITEMS": lambda machine: machine.append(machine.marked()),
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_marked,
    "DUP": _Machine.copied,
}
