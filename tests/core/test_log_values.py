"""What may be logged: it comes back as it was, or is refused with its key and the way out; nothing just vanishes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import math
import re
import struct
from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import treering
from treering.api import ApiRun
from treering.errors import UnsupportedValue, UsageError

Read = Callable[[str], ApiRun]


class Level(enum.IntEnum):
    HIGH = 3


class Half:
    def __float__(self) -> float:
        return 0.5


SAME = {
    "float": 1.5,
    "smallest float": 5e-324,
    "largest float": 1.7976931348623157e308,
    "int": 3,
    "largest int": 2**63 - 1,
    "smallest int": -(2**63),
    "beyond int64": 2**63,
    "beyond uint64": 2**64,
    "huge int": 10**400,
    "huge negative int": -(10**400),
    "true": True,
    "false": False,
    "none": None,
    "text": "naïve ☃ 𝄞",
    "empty text": "",
    "text with NUL": "a\0b",
    "long text": "x" * 100_000,
    "bytes": b"\x00\xff",
    "empty dict": {},
    "empty list": [],
    "list": [1, 2.5, "x", None, [True, {"a": 1}]],
    "list of huge ints": [2**64, -(2**64)],
}
OTHER: dict[str, tuple[object, object]] = {
    "tuple": ((1, 2), [1, 2]),
    "set": ({1}, [1]),
    "enum": (Level.HIGH, 3),
    "np.float64": (np.float64(1.5), 1.5),
    "np.float32": (np.float32(1.1), 1.100000023841858),
    "np.float16": (np.float16(0.1), float(np.float16(0.1))),
    "np.longdouble": (np.longdouble("0.5"), 0.5),
    "np.int64": (np.int64(-3), -3),
    "np.int8": (np.int8(-3), -3),
    "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "np.bool_": (np.bool_(True), True),
    "np.str_": (np.str_("x"), "x"),
    "array of one": (np.array([2.5]), 2.5),
    "array without dimensions": (np.array(2), 2),
    "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "empty array": (np.array([]), []),
    "array of bools": (np.array([True, False]), [True, False]),
    "array of huge ints": (np.array([2**70, 1], dtype=object), [2**70, 1]),
    "object with __float__": (Half(), 0.5),
    "fraction": (Fraction(1, 4), 0.25),
    "decimal": (decimal.Decimal("0.1"), "0.1"),
    "path": (Path("a") / "b", "a/b"),
    "date": (dt.date(2024, 2, 29), "2024-02-29"),
    "bytearray": (bytearray(b"x"), b"x"),
    "surrogate": ("a\udc80b", "a\\udc80b"),
}


def same(left: object, right: object) -> bool:
    """Equal, of one type, and floats bit by bit."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("d", left) == struct.pack("d", right)
    return left == right


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """Everything above, logged by one run and read back."""
    folder = tmp_path_factory.mktemp("store")
    quiet = {"console": False, "capture_environment": False, "capture_git": False, "capture_source": False}
    run = treering.init(id="r", dir=folder, settings={**quiet, "system_interval_s": 0, "quiet": True})
    for key, value in {**SAME, **{key: value for key, (value, _) in OTHER.items()}}.items():
        run.log({key: value})
    run.finish()
    (rows,) = [list(treering.Api(folder).run("r").scan_history())]
    assert len(rows) == len(SAME) + len(OTHER)
    return {key: value for row in rows for key, value in row.items() if key not in {"_step", "_time"}}


@pytest.mark.parametrize("key", list(SAME))
def test_a_value_comes_back_as_it_was(key: str, values: Mapping[str, Any]) -> None:
    assert same(values[key], SAME[key])


@pytest.mark.parametrize("key", list(OTHER))
def test_a_value_comes_back_as_plain_data(key: str, values: Mapping[str, Any]) -> None:
    assert same(values[key], OTHER[key][1])


def test_floats_keep_their_bits(store: Path, read: Read) -> None:
    nan = struct.unpack("d", struct.pack("Q", 0x7FF80000DEADBEEF))[0]
    floats = [math.nan, -math.nan, nan, math.inf, -math.inf, -0.0, 0.0, 1e-310, 0.1]
    with treering.init(id="r") as run:
        for number in range(100):  # short chunks and long ones are coded differently
            for at in range(0, len(floats), 1):
                run.log({"x": floats[at]})
                if number == 0:
                    run.flush()
    got = read("r").history("x").values
    assert got.tobytes() == np.array(floats * 100).tobytes()
    metric = read("r").metrics["x"]
    assert (metric.min, metric.max, metric.nan) == (-math.inf, math.inf, 300)
    assert metric.mean == pytest.approx(0.1 / 4)


def test_a_metric_may_change_its_kind(store: Path, read: Read) -> None:
    logged = [1, 2.5, True, "text", None, [1], 2**70, {"a": 1}, {}, 3, math.nan]
    with treering.init(id="r") as run:
        for value in logged:
            run.log({"x": value})
    got = [row.get("x", row.get("x/a")) for row in read("r").scan_history()]
    want = [{"a": 1}["a"] if value == {"a": 1} else value for value in logged]
    assert all(same(left, right) for left, right in zip(got, want, strict=True)), got


def test_nested_dicts_become_paths(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({"train": {"loss": {"a": 1, "b": 2}, "empty": {}}, "flat/key": 3, 5: 6, None: 7, (1, 2): 8, b"x": 9})
        run.log(OrderedDict(a=1))
        run.log(UserDict({"a": 2}))
        run.log(MappingProxyType({"a": 3}))
        run.log({"d": OrderedDict(e=1), "u": UserDict(v=2)})
        run.log({})
    rows = [{key: value for key, value in row.items() if key[0] != "_"} for row in read("r").scan_history()]
    assert rows[0] == {
        "train/loss/a": 1, "train/loss/b": 2, "train/empty": {}, "flat/key": 3,
        "5": 6, "None": 7, "(1, 2)": 8, "b'x'": 9,
    }  # fmt: skip
    assert rows[1:] == [{"a": 1}, {"a": 2}, {"a": 3}, {"d/e": 1, "u/v": 2}, {}]


ODD_KEYS = [
    "",
    " ",
    "a b",
    "ключ",
    "🦉",
    "\u202eabc",
    "a\nb",
    "a" * 500,
    "_step2",
    "'; DROP TABLE runs; --",
    "%s",
    "a//b",
    "/",
]


def test_keys_may_have_any_unicode(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({key: number for number, key in enumerate(ODD_KEYS)})
        run.log({"nul\0key": 1, "sur\udc80rogate": 2})
    run = read("r")
    for number, key in enumerate(ODD_KEYS):
        assert run.history(key).values.tolist() == [number]
    assert run.history("nul\u2400key").values.tolist() == [1]
    assert run.history("sur\\udc80rogate").values.tolist() == [2]
    assert run.summary[""] == 0


def test_100_000_keys(store: Path, read: Read) -> None:
    row = {f"layer/{number}": float(number) for number in range(100_000)}
    with treering.init(id="r") as run:
        run.log(row)
    got = read("r")
    assert len(got.keys()) == 100_000
    assert got.summary == row
    assert got.history("layer/99999").values.tolist() == [99_999.0]


def test_names_that_rows_have_for_themselves(store: Path, read: Read) -> None:
    """A user's metric of the name of one of our columns gets another name: nobody's values are lost."""
    with treering.init(id="r") as run:
        run.log({"x": 1, "_step": 5, "_time": "noon", "_step_": 7})
        run.log({"_runtime": 6, "_row": 7})
    got = read("r")
    assert list(got.history("x")) == [(0, 1)]
    assert list(got.history("_step__")) == [(0, 5)]
    assert list(got.history("_step_")) == [(0, 7)]
    assert list(got.history("_time_")) == [(0, "noon")]
    assert list(got.history("_runtime")) == [(1, 6)]
    assert list(got.history("_row")) == [(1, 7)]


# -- what is refused --------------------------------------------------------------------------------------------------


class Hostile:
    """Raises wherever it can."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"no {name}")


class HostileSize:
    @property
    def size(self) -> int:
        raise ZeroDivisionError


class SaysManySizes:
    shape = (2, 3)
    size = "many"


def cyclic() -> dict[str, object]:
    data: dict[str, object] = {}
    data["again"] = data
    return data


def deep(levels: int = 100_000) -> list[object]:
    data: list[object] = []
    for _ in range(levels):
        data = [data]
    return data


REFUSED: dict[str, tuple[Callable[[], object], str, str]] = {
    "complex": (lambda: 1 + 2j, "bad", r"abs\(\)"),
    "np.complex": (lambda: np.complex64(1j), "bad", r"abs\(\)"),
    "complex array": (lambda: np.array([1j, 2]), "bad", r"abs\(\)"),
    "object": (object, "bad", r"str\(x\)"),
    "function": (lambda: test_100_000_keys, "bad", r"str\(x\)"),
    "class": (lambda: Half, "bad", r"str\(x\)"),
    "range": (lambda: range(3), "bad", "Convert"),
    "large array": (lambda: np.zeros((100, 100)), "bad", r"treering.Histogram\(x\)"),
    "nested": (lambda: {"a": [1, {"b": object()}]}, r"bad/a\[1\]/b", "Convert"),
    "hostile": (Hostile, "bad", "Convert"),
    "hostile size": (HostileSize, "bad", "Convert"),
    "strange size": (SaysManySizes, "bad", "Log a statistic"),
    "cycle": (cyclic, "bad", "contains itself"),
    "deep": (deep, "bad", "deep"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_stored_is_refused_with_its_key_and_the_way_out(case: str, store: Path, read: Read) -> None:
    make, key, fix = REFUSED[case]
    with treering.init(id="r") as run:
        run.log({"x": 0})
        with pytest.raises(UnsupportedValue, match=key) as caught:
            run.log({"x": 1, "bad": make()})
        assert isinstance(caught.value, TypeError)
        assert len(str(caught.value)) < 1000
        assert re.search(fix, str(caught.value)), str(caught.value)
        with pytest.raises(UnsupportedValue, match=key):
            run.log({"x": 1, "bad": make()}, step=5)
        with pytest.raises(UnsupportedValue, match=key):
            run.log({"bad": make()}, commit=False)
        run.log({"x": 2})
    assert list(read("r").history("x")) == [(0, 0), (1, 2)]


@pytest.mark.parametrize("data", [None, 3, "loss", [("loss", 1)], {"loss"}])
def test_data_that_is_no_mapping_is_refused(data: Any, store: Path) -> None:
    run = treering.init()
    with pytest.raises(UsageError, match="mapping of names to values"):
        run.log(data)
    run.finish()


def test_a_value_that_logs_while_it_is_logged(store: Path, read: Read) -> None:
    class Logs:
        def __float__(self) -> float:
            run.log({"inner": 1})
            return 2.0

    with treering.init(id="r") as run:
        run.log({"outer": Logs()})
        run.log({"outer": 3.0})
    rows = [{key: value for key, value in row.items() if key != "_time"} for row in read("r").scan_history()]
    assert rows == [{"_step": 0, "outer": 2.0}, {"_step": 1, "inner": 1}, {"_step": 2, "outer": 3.0}]


def test_a_logged_object_may_change_afterwards(store: Path, read: Read) -> None:
    array, inner = np.array([1, 2]), {"list": [1]}
    with treering.init(id="r") as run:
        run.log({"array": array, "inner": inner})
        run.log({"array": array, "inner": inner}, commit=False)
        array += 10
        inner["list"].append(2)
        run.log({"x": 1})
    rows = list(read("r").scan_history())
    assert [row["array"] for row in rows] == [[1, 2], [1, 2]]
    assert [row["inner/list"] for row in rows] == [[1], [1]]


# -- steps ------------------------------------------------------------------------------------------------------------


def test_steps_repeat_go_back_and_are_negative(store: Path, read: Read) -> None:
    want = [5, 5, 3, -7, 0, -(2**63), 2**63 - 2, 4, 200, 7, 8, 1, 2]
    given = [5, 5, 3, -7, 0, -(2**63), 2**63 - 2, np.int64(4), np.uint8(200), 7.0, np.float64(8), True, None]
    with treering.init(id="r") as run:
        for step in given:
            run.log({"x": 1}, step=step)
        assert run.step == 3
    assert read("r").history("x").x.tolist() == want


def test_a_step_given_by_a_framework(store: Path, read: Read) -> None:
    torch = pytest.importorskip("torch")
    with treering.init(id="r") as run:
        run.log({"x": torch.tensor(2.5, requires_grad=True)}, step=torch.tensor(7))
    assert list(read("r").history("x")) == [(7, 2.5)]


@pytest.mark.parametrize("step", [1.5, math.nan, math.inf, "3", 2**63 - 1, 2**63, -(2**63) - 1, 10**30, [1], 1j])
def test_a_step_that_is_none_is_refused(step: Any, store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({"x": 0})
        with pytest.raises(UsageError, match="step"):
            run.log({"x": 1}, step=step)
        with pytest.raises(UsageError, match="step"):
            run.log({"x": 1}, step=step, commit=False)
        run.log({"x": 2})
    assert list(read("r").history("x")) == [(0, 0), (1, 2)]


def test_values_kept_back_join_the_next_row(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({"a": 1, "b": 1}, commit=False)
        run.log({"b": 2}, commit=False, step=4)
        run.log({"c": 3})
        run.log({"d": 4}, commit=True)
        run.log({"e": 5}, commit=False)  # the end commits it
    rows = [{key: value for key, value in row.items() if key != "_time"} for row in read("r").scan_history()]
    assert rows == [{"_step": 4, "a": 1, "b": 2, "c": 3}, {"_step": 5, "d": 4}, {"_step": 6, "e": 5}]


def test_time_may_be_given(store: Path, read: Read) -> None:
    with treering.init(id="r") as run:
        run.log({"x": 1}, time_s=1_700_000_000.25)
        run.log({"x": 1})
    first, second = read("r").history("x", x="_time").x
    assert first == np.datetime64("2023-11-14T22:13:20.250000")
    assert second > first
