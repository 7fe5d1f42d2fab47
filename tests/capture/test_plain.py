"""Whatever a program calls its configuration becomes plain data, without its code being run."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import logging
import math
import os
import re
import sys
import threading
import time
import types
import typing
import uuid
import weakref
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treering.plain import Limits, to_plain


class Color(enum.Enum):
    RED = 1


class When(str, enum.Enum):
    EPOCH = "epoch"


class Level(enum.IntEnum):
    HIGH = 3


class Parts(enum.Flag):
    ARM = 1
    LEG = 2


@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    _n_gpu: int = 3
    late: int = dataclasses.field(init=False)


@dataclasses.dataclass(frozen=True)
class Slots:
    __slots__ = ("size",)
    size: int


class Pair(typing.NamedTuple):
    left: int
    right: str


class Struct(msgspec.Struct):
    width: int = 3


class Model:
    def __init__(self) -> None:
        self.width = 8
        self._cache = object()
        self.optimizer = Optimizer()

    def forward(self) -> None: ...

    @classmethod
    def build(cls) -> None: ...


class WithSlots:
    __slots__ = ("__weakref__", "a", "b")

    def __init__(self) -> None:
        self.a = 1


class Hostile:
    """Raises whatever is asked of it."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def _raise(self, *_args: object) -> typing.Any:
        raise RuntimeError

    __repr__ = __str__ = __iter__ = __len__ = __hash__ = __eq__ = __bool__ = __call__ = __getitem__ = _raise
    __index__ = __float__ = __int__ = __contains__ = __fspath__ = _raise


class HostileMapping(collections.UserDict[str, int]):
    def __getitem__(self, key: str) -> int:
        raise OSError(key)


class Endless:
    def keys(self) -> typing.Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    def __getitem__(self, key: int) -> int:
        return key


class Slow(Sequence[int]):
    """A data set that loads something for each item."""

    def __init__(self) -> None:
        self.loaded = 0

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, at: typing.Any) -> typing.Any:
        self.loaded += 1
        time.sleep(0.01)
        return 1


def function() -> None: ...


CORPUS: dict[str, tuple[object, object]] = {
    "none": (None, None),
    "bool": (True, True),
    "float": (0.5, 0.5),
    "minus zero": (-0.0, -0.0),
    "infinity": (-math.inf, -math.inf),
    "int64": (2**63 - 1, 2**63 - 1),
    "more than int64": (2**63, str(2**63)),
    "more digits than Python prints": (10**5000, hex(10**5000)),
    "complex": (1 + 2j, "(1+2j)"),
    "text bytes": (b"abc", "abc"),
    "bytes": (b"\x00\xff", "<2 bytes: 00ff>"),
    "half a surrogate": ("a\ud800", "a\\ud800"),
    "enum": (Color.RED, "RED"),
    "text enum": (When.EPOCH, "epoch"),
    "int enum": (Level.HIGH, "HIGH"),
    "flag": (Parts.ARM | Parts.LEG, "ARM|LEG"),
    "enum class": (Color, "test_plain.Color"),
    "path": (Path("a/b"), os.path.join("a", "b")),
    "pure path": (PurePosixPath("/x"), "/x"),
    "date": (dt.date(2020, 1, 2), "2020-01-02"),
    "duration": (dt.timedelta(seconds=90), "0:01:30"),
    "decimal": (decimal.Decimal("1.10"), "1.10"),
    "uuid": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "pattern": (re.compile("a+"), "a+"),
    "range": (range(3), "range(0, 3)"),
    "dataclass": (Optimizer(), {"lr": 0.1, "betas": [0.9, 0.99]}),
    "dataclass with slots": (Slots(2), {"size": 2}),
    "dataclass class": (Optimizer, "test_plain.Optimizer"),
    "named tuple": (Pair(1, "b"), {"left": 1, "right": "b"}),
    "msgspec": (Struct(), {"width": 3}),
    "namespace": (types.SimpleNamespace(a=1), {"a": 1}),
    "argparse": (argparse.Namespace(lr=0.1, _hidden=1), {"lr": 0.1}),
    "instance": (
        Model(),
        {"__type__": "test_plain.Model", "width": 8, "optimizer": {"lr": 0.1, "betas": [0.9, 0.99]}},
    ),
    "slots": (WithSlots(), {"__type__": "test_plain.WithSlots", "a": 1}),
    "bare object": (object(), {"__type__": "object"}),
    "function": (function, "test_plain.function"),
    "lambda": (lambda: 0, "test_plain.<lambda>"),
    "method": (Model().forward, "test_plain.Model.forward"),
    "class method": (Model.build, "test_plain.Model.build"),
    "builtin": (len, "len"),
    "builtin of a module": (math.sqrt, "math.sqrt"),
    "builtin method": ("".upper, "str.upper"),
    "unbound builtin method": (str.upper, "str.upper"),
    "partial": (
        functools.partial(int, "7", base=8),
        {"__type__": "functools.partial", "func": "int", "args": ["7"], "keywords": {"base": 8}},
    ),
    "module": (math, "math"),
    "annotation": (list[int], "list[int]"),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "mixed set": ({"a", 1}, ["a", 1]),
    "frozenset": (frozenset({1}), [1]),
    "deque": (collections.deque([1, 2]), [1, 2]),
    "ordered dict": (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "chain map": (collections.ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    "mapping proxy": (types.MappingProxyType({"a": 1}), {"a": 1}),
    "dict views": ([{1: 2}.keys(), {1: 2}.values()], [[1], [2]]),
    "generator, not consumed": ((i for i in range(3)), {"__type__": "generator"}),
    "exception": (ValueError("bad"), "ValueError: bad"),
    "address in a default repr": (f"loss={function}", "loss=<function function>"),
    "keys": (
        {1: "a", "1": "b", None: "c", (1, 2): "d", Color.RED: "e", Model: "f", 0.5: "g"},
        {
            "1": "a",
            "1 (str)": "b",
            "None": "c",
            "[1, 2]": "d",
            "RED": "e",
            "test_plain.Model": "f",
            "0.5": "g",
        },
    ),
    "numpy scalars": (
        [np.float32(0.5), np.int64(3), np.bool_(True), np.str_("a"), np.longdouble(2)],
        [0.5, 3, True, "a", 2.0],
    ),
    "numpy time": (np.datetime64("2020-01-01"), "2020-01-01"),
    "numpy dtype": ([np.dtype("float16"), np.float32], ["float16", "numpy.float32"]),
    "numpy function": (np.add, "numpy.add"),
    "small array": (np.array([[0, 1], [2, 3]]), [[0, 1], [2, 3]]),
    "array of no axis": (np.array(1.5), 1.5),
    "array of objects": (np.array([{1}, None], dtype=object), [[1], None]),
    "large array": (
        np.zeros((100, 3), np.float16),
        {"__type__": "numpy.ndarray", "shape": [100, 3], "dtype": "float16"},
    ),
}


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    value, expected = CORPUS[name]
    result = to_plain(value)
    # The module is called test_plain or tests.capture.test_plain, as pytest likes.
    text = json.dumps(result).replace(f"{__name__}.", "test_plain.")
    assert json.loads(text) == expected
    assert type(result) is type(expected)
    assert math.copysign(1, result) == math.copysign(1, expected) if isinstance(expected, float) else True  # type: ignore[arg-type]


def test_nan_stays_nan() -> None:
    assert math.isnan(to_plain(math.nan))  # type: ignore[arg-type]  # anything else fails here
    assert math.isnan(to_plain(np.float32("nan")))  # type: ignore[arg-type]


def test_a_cycle_is_cut_and_named() -> None:
    inner: list[object] = [1]
    inner.append({"again": inner})
    assert to_plain(inner) == [1, {"again": "<cycle: list>"}]


def test_the_same_object_twice_is_no_cycle() -> None:
    shared = {"a": 1}
    assert to_plain([shared, shared]) == [{"a": 1}, {"a": 1}]


def test_a_copy_is_returned() -> None:
    value = {"a": [1]}
    result = to_plain(value)
    value["a"].append(2)
    assert result == {"a": [1]}


def test_hostile_objects_cost_only_themselves() -> None:
    result = to_plain({"before": 1, "bad": Hostile(), "mapping": HostileMapping(a=1), "after": 2})
    assert isinstance(result, dict)
    assert (result["before"], result["after"]) == (1, 2)
    assert isinstance(result["bad"], (str, dict))
    assert result["mapping"] == "<unreadable: OSError>"


@pytest.mark.parametrize("base", [list, tuple, dict, set, str, int, float])
def test_hostile_subclasses_of_builtins(base: type) -> None:
    def refuse(*_args: object) -> typing.Any:
        raise RuntimeError

    names = ("__getattribute__", "__iter__", "__repr__", "__str__", "__len__", "items", "keys", "__int__", "__float__")
    kind = type("Hostile", (base,), dict.fromkeys(names, refuse))
    result = to_plain([kind(), 1])
    assert isinstance(result, list)
    assert result[1] == 1


def test_a_property_is_never_called() -> None:
    called: list[str] = []

    class Lazy:
        def __init__(self) -> None:
            self.size = 1

        @property
        def data(self) -> int:
            called.append("data")
            return 1

        def __getattr__(self, name: str) -> object:
            called.append(name)
            return name

        def __repr__(self) -> str:
            called.append("repr")
            return "Lazy()"

    result = to_plain(Lazy())
    assert isinstance(result, dict)
    assert result["size"] == 1
    assert called == []


def test_what_never_ends_is_bounded() -> None:
    result = to_plain(Endless(), Limits(time_s=5))
    assert isinstance(result, dict)
    assert len(result) == Limits().object_items
    slow = Slow()
    before = time.monotonic()
    to_plain({"data": slow}, Limits(time_s=0.1))
    assert time.monotonic() - before < 2
    assert 0 < slow.loaded <= 30


def test_depth_size_and_text_are_bounded() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert "<too deep: list>" in json.dumps(to_plain(deep))
    assert to_plain(list(range(10)), Limits(nodes=4)) == [0, 1, 2, "<7 more>"]
    assert to_plain({"a": 1, "b": 2, "c": 3}, Limits(nodes=3)) == {"a": 1, "b": 2, "<more>": 1}
    assert to_plain("x" * 100, Limits(text=3)) == "xxx... (100 characters)"


def test_a_hundred_thousand_keys() -> None:
    value = {f"key/{number}": number for number in range(100_000)}
    assert to_plain(value, Limits(time_s=60)) == value


def test_data_inside_an_object_is_cut_short() -> None:
    class Dataset:
        def __init__(self) -> None:
            self.samples = list(range(1_000_000))

    result = to_plain({"data": Dataset(), "mine": list(range(1000))})
    assert isinstance(result, dict)
    assert len(result["mine"]) == 1000  # type: ignore[arg-type]  # what the user wrote down is kept whole
    assert result["data"]["samples"][-1] == "<999936 more>"  # type: ignore[index,call-overload]


def test_an_exponential_number_of_shared_lists_ends() -> None:
    value: list[object] = [0]
    for _ in range(30):
        value = [value, value]
    before = time.monotonic()
    to_plain(value)
    assert time.monotonic() - before < 5


def test_nothing_of_the_machine_shows_up_as_an_address() -> None:
    things = [object(), threading.Lock(), logging.getLogger("a"), sys.stdout, Model(), lambda: 0, Model().forward]
    text = json.dumps(to_plain([*things, weakref.ref(Color), iter([]), property(), str(object()), repr(function)]))
    assert "0x" not in text


def test_dicts_changed_by_another_thread() -> None:
    value = {str(number): number for number in range(1000)}
    stop = threading.Event()

    def change() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            value[f"new{number % 100}"] = number
            value.pop(f"new{(number + 50) % 100}", None)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        results = [to_plain({"config": value}) for _ in range(50)]
    finally:
        stop.set()
        thread.join()
    assert all(isinstance(result, dict) and isinstance(result["config"], dict) for result in results)


def test_on_a_stack_that_is_nearly_full() -> None:
    def sink(depth: int) -> object:
        try:
            return sink(depth + 1)
        except RecursionError:
            return to_plain({"a": {"b": {"c": [1, [2, [3]]]}}})

    assert isinstance(sink(0), (dict, str))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)
THINGS: dict[str, object] = {
    "array": np.zeros(3),
    "class": Endless,
    "endless": Endless(),
    "enum": Color.RED,
    "function": function,
    "hostile": types.SimpleNamespace(bad=Hostile()),  # wrapped, for Hypothesis looks at what it draws
    "hostile mapping": HostileMapping(a=1),
    "instance": Model(),
    "object": object(),
    "scalar": np.float32(1),
    "surrogate": "\ud800",
}


def thing(name: str) -> object:
    return THINGS[name]


ANYTHING = st.recursive(
    JSON
    | st.binary()
    | st.complex_numbers()
    | st.decimals()
    | st.datetimes()
    | st.uuids()
    | st.integers()
    | st.sampled_from(sorted(THINGS)).map(thing),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


def equal(left: object, right: object) -> bool:
    """Whether two JSON-like values are the same, NaN, -0.0 and the kind of number included."""
    return repr(left) == repr(right)


@settings(max_examples=60)
@given(JSON)
def test_plain_data_stays_as_it_is(value: object) -> None:
    assume_text = json.dumps(value)
    if " at 0x" not in assume_text:
        assert equal(to_plain(value), value)


@settings(max_examples=60)
@given(ANYTHING)
def test_anything_becomes_json_and_stays_put(value: object) -> None:
    once = to_plain(value)
    json.dumps(once).encode()
    msgspec.msgpack.encode(once)
    assert equal(to_plain(once), once)
