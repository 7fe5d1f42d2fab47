"""Reading `parameters`: each of W&B's distributions with its keys, its default rule and its traps."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from treering._readers import did_you_mean
from treering.sweeps.distributions import Categorical, Constant, Continuous, Distribution, IntUniform
from treering.sweeps.findings import spelled
from treering.sweeps.space import SEPARATOR, Parameter, Space

if TYPE_CHECKING:
    from collections.abc import Mapping

    from treering.sweeps.findings import Findings, Place

__all__ = ["DISTRIBUTIONS", "read_parameters"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\Z")
_DOCS = "see the table of distributions in docs/sweeps.md"
# exp(x) of more than this is no float.
_MAX_EXPONENT = 709.0
_DEEPEST = 32
_TOLERANCE = 1e-3
# Beyond it a float no longer has every whole number.
_LARGEST = 2**53
# Ends that lie so far apart, or beyond that, are meant as values and not as exponents of e.
_SUSPICIOUS = 10


class _Form(NamedTuple):
    """What a distribution takes.

    Attributes:
        needs: keys that must be given.
        defaults: keys that may be given.
        whole: its numbers must be whole.
    """

    needs: tuple[str, ...]
    defaults: dict[str, float]
    whole: bool = False


_RANGE = ("min", "max")
#: Every distribution of W&B's schema.
DISTRIBUTIONS: dict[str, _Form] = {
    "constant": _Form(("value",), {}),
    "categorical": _Form(("values",), {}),
    "categorical_w_probabilities": _Form(("values", "probabilities"), {}),
    "int_uniform": _Form(_RANGE, {}, whole=True),
    "uniform": _Form(_RANGE, {}),
    "q_uniform": _Form(_RANGE, {"q": 1}),
    "log_uniform": _Form(_RANGE, {}),
    "log_uniform_values": _Form(_RANGE, {}),
    "q_log_uniform": _Form(_RANGE, {"q": 1}),
    "q_log_uniform_values": _Form(_RANGE, {"q": 1}),
    "inv_log_uniform": _Form(_RANGE, {}),
    "inv_log_uniform_values": _Form(_RANGE, {}),
    "normal": _Form((), {"mu": 0, "sigma": 1}),
    "q_normal": _Form((), {"mu": 0, "sigma": 1, "q": 1}),
    "log_normal": _Form((), {"mu": 0, "sigma": 1}),
    "q_log_normal": _Form((), {"mu": 0, "sigma": 1, "q": 1}),
    "beta": _Form((), {"a": 1, "b": 1}),
    "q_beta": _Form((), {"a": 1, "b": 1, "q": 1}),
}
_KEYS = ("value", "values", "probabilities", "min", "max", "q", "mu", "sigma", "a", "b")
_ALL_KEYS = (*_KEYS, "distribution", "parameters", "when")
_EXPONENTS = {"log_uniform", "q_log_uniform", "inv_log_uniform"}


def read_parameters(given: object, place: Place, findings: Findings) -> Space:
    """Return the search space that `parameters` describes; what is wrong goes to `findings`."""
    reader = _Reader(findings)
    reader.group(given, place, "", 0)
    reader.check_conditions()
    return Space(reader.found) if not findings.errors else Space(())


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.found: list[Parameter] = []
        self._places: dict[str, Place] = {}

    def group(self, given: object, place: Place, prefix: str, depth: int) -> None:
        """Read a mapping of names to parameters."""
        if not isinstance(given, dict) or not given or depth > _DEEPEST:
            what = spelled(cast("object", given)) if depth <= _DEEPEST else "nested too deeply"
            self._findings.error(place, f"got {what}; it takes at least one `name: {{values: [...]}}`")
            return
        for name, one in cast("dict[str, Any]", given).items():
            here = (*place, name)
            if not _NAME.match(name):
                self._findings.error(
                    here, f"{name!r} is no name of a parameter; use letters, digits, '_', '.' and '-', a letter first"
                )
            elif not isinstance(one, dict):
                self._findings.error(here, f"got {spelled(one)}; write `value: {spelled(one)}` below it, indented")
            else:
                self._parameter(cast("dict[str, Any]", one), here, f"{prefix}{name}", depth)

    def _parameter(self, given: dict[str, Any], place: Place, name: str, depth: int) -> None:
        if "parameters" in given:
            if len(given) > 1:
                other = next(key for key in given if key != "parameters")
                self._findings.error((*place, other), "a nested group has no keys beside `parameters`; move it inside")
            self.group(given["parameters"], (*place, "parameters"), name + SEPARATOR, depth + 1)
            return
        before = len(self._findings.errors)
        kind = self._kind(given, place)
        if kind is None or not self._has_keys(given, kind, place):
            return
        distribution = _Maker(self._findings, given, place, kind).make()
        when = self._condition(given.get("when"), (*place, "when"))
        if distribution is not None and len(self._findings.errors) == before:
            self.found.append(Parameter(name, distribution, when))
            self._places[name] = place

    def _kind(self, given: Mapping[str, Any], place: Place) -> str | None:
        """Return the distribution that is named, or the one that W&B's rules make of the keys."""
        if "distribution" in given:
            kind = given["distribution"]
            if kind in DISTRIBUTIONS:
                return cast("str", kind)
            advice = did_you_mean(str(kind), list(DISTRIBUTIONS)) or f"it is one of {', '.join(DISTRIBUTIONS)}."
            self._findings.error((*place, "distribution"), f"{spelled(kind)} is no distribution; {advice}")
            return None
        if "value" in given:
            return "constant"
        if "values" in given:
            return "categorical_w_probabilities" if "probabilities" in given else "categorical"
        if "min" in given and "max" in given:
            whole = all(type(given[key]) is int for key in _RANGE)
            return "int_uniform" if whole else "uniform"
        for key in given:
            if key not in _ALL_KEYS:
                advice = did_you_mean(key, list(_ALL_KEYS)) or f"it takes {', '.join(_ALL_KEYS)}."
                self._findings.error((*place, key), f"is no key of a parameter; {advice}")
                return None
        keys = ", ".join(given) or "nothing"
        self._findings.error(
            place, f"has {keys}, which says no distribution; give `value`, `values`, `min` and `max`, or `distribution`"
        )
        return None

    def _has_keys(self, given: Mapping[str, Any], kind: str, place: Place) -> bool:
        form = DISTRIBUTIONS[kind]
        taken = (*form.needs, *form.defaults, "distribution", "when")
        fine = True
        for key in given:
            if key not in taken:
                fine = False
                hint = (
                    did_you_mean(key, list(taken))
                    or f"{kind} takes {', '.join(taken[:-2]) or 'nothing'}; {_hint(kind, key)}"
                )
                self._findings.error((*place, key), f"is no key of `{kind}`; {hint}")
        for key in form.needs:
            if key not in given:
                fine = False
                self._findings.error(place, f"`{kind}` needs `{key}`; add it")
        return fine

    def _condition(self, given: object, place: Place) -> dict[str, list[Any]]:
        if given is None:
            return {}
        if not isinstance(given, dict) or not given:
            self._findings.error(place, f"got {spelled(cast('object', given))}; write `when: {{optimizer: [sgd]}}`")
            return {}
        found: dict[str, list[Any]] = {}
        for name, values in cast("dict[str, Any]", given).items():
            flat = name.replace(".", SEPARATOR) if SEPARATOR not in name else name
            found[flat] = cast("list[Any]", values) if isinstance(values, list) else [values]
        return found

    def check_conditions(self) -> None:
        """See that conditions name parameters, and none itself through others."""
        known = {one.name: one for one in self.found}
        renamed: list[Parameter] = []
        for one in self.found:
            # A name may have dots of its own, or stand for a nested one.
            when = {self._resolved(name, known): values for name, values in one.when.items()}
            for name, values in when.items():
                if name not in known:
                    place = (*self._places[one.name], "when")
                    self._findings.error(place, f"there is no parameter {name!r}; it takes {', '.join(known)}")
                elif isinstance(dist := known[name].distribution, Categorical):
                    for value in values:
                        if value not in dist.values:
                            place = (*self._places[one.name], "when", name)
                            self._findings.error(place, f"{name} never is {spelled(value)}; take one of its values")
            renamed.append(one._replace(when=when))
        self.found = renamed
        self._check_circles({one.name: set(one.when) for one in renamed})

    @staticmethod
    def _resolved(name: str, known: Mapping[str, Parameter]) -> str:
        return next((one for one in known if one.replace(SEPARATOR, ".") == name.replace(SEPARATOR, ".")), name)

    def _check_circles(self, needs: dict[str, set[str]]) -> None:
        left = dict(needs)
        while left:
            ready = [name for name, others in left.items() if not others & set(left)]
            if not ready:
                name = next(iter(left))
                self._findings.error((*self._places[name], "when"), "depends on itself through others; undo one `when`")
                return
            for name in ready:
                del left[name]


def _hint(kind: str, key: str) -> str:
    if key == "q":
        return f"`distribution: q_{kind}` rounds to multiples of q" if f"q_{kind}" in DISTRIBUTIONS else "leave it out"
    if key in _RANGE and kind in {"normal", "log_normal"}:
        return "a normal distribution has no ends; give mu and sigma"
    return _DOCS


class _Maker:
    """Makes one distribution of keys that are there."""

    def __init__(self, findings: Findings, given: Mapping[str, Any], place: Place, kind: str) -> None:
        self._findings = findings
        self._given = given
        self._place = place
        self._kind = kind
        self._errors = len(findings.errors)

    def make(self) -> Distribution | None:
        kind = self._kind
        if kind == "constant":
            return Constant(self._given["value"])
        if kind.startswith("categorical"):
            return self._categorical()
        numbers = {key: self._number(key) for key in (*DISTRIBUTIONS[kind].needs, *DISTRIBUTIONS[kind].defaults)}
        if self._failed:
            return None
        return self._of_numbers(kind, numbers)

    @property
    def _failed(self) -> bool:
        return len(self._findings.errors) > self._errors

    def _error(self, key: str, text: str) -> None:
        self._findings.error((*self._place, key), text)

    def _number(self, key: str) -> float:
        value = self._given.get(key, DISTRIBUTIONS[self._kind].defaults.get(key))
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
            self._error(key, f"got {spelled(value)}; whole numbers go to 2^53. Write it with a dot, or as an exponent")
            return math.nan
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            text = f"got {spelled(value)}; it takes a number"
            self._error(key, f"{text}, without quotes" if isinstance(value, str) else text)
            return math.nan
        if DISTRIBUTIONS[self._kind].whole and not isinstance(value, int):
            if not value.is_integer():
                self._error(key, f"got {value}; int_uniform takes whole numbers. Use `distribution: uniform`")
                return math.nan
            return int(value)
        return value

    def _categorical(self) -> Categorical | None:
        values = self._given["values"]
        if not isinstance(values, list) or not values:
            self._error("values", f"got {spelled(cast('object', values))}; it takes a list of at least one, `[1, 2]`")
            return None
        values = cast("list[Any]", values)
        weights = self._weights(len(values)) if "probabilities" in self._given else None
        if self._failed:
            return None
        return Categorical(tuple(values), weights)

    def _weights(self, count: int) -> tuple[float, ...] | None:
        given = self._given["probabilities"]
        numbers = cast("list[Any]", given) if isinstance(given, list) else []
        if len(numbers) != count:
            self._error("probabilities", f"got {len(numbers)} for {count} values; give one for each")
            return None
        if not all(isinstance(one, (int, float)) and not isinstance(one, bool) and one >= 0 for one in numbers):
            self._error("probabilities", f"got {spelled(cast('object', given))}; each is a number, 0 or more")
            return None
        total = float(sum(numbers))
        if abs(total - 1.0) > _TOLERANCE:
            self._error("probabilities", f"add up to {total:g}; they must add up to 1")
            return None
        return tuple(float(one) / total for one in numbers)

    def _of_numbers(self, kind: str, numbers: dict[str, float]) -> Distribution | None:
        q = numbers.get("q")
        if q is not None and q <= 0:
            self._error("q", f"got {q:g}; values are rounded to multiples of q, which is more than 0")
            return None
        if "min" in numbers:
            return self._countable(self._between(kind, numbers["min"], numbers["max"], q))
        first, second = ("a", "b") if "a" in numbers else ("mu", "sigma")
        for key in ("a", "b") if "a" in numbers else ("sigma",):
            if numbers[key] <= 0:
                self._error(key if key in self._given else first, f"got {numbers[key]:g}; it is more than 0")
                return None
        word: Any = kind.removeprefix("q_")
        return Continuous(word, float(numbers[first]), float(numbers[second]), q)

    def _countable(self, made: Distribution | None) -> Distribution | None:
        """Refuse what no computer can count through."""
        if not isinstance(made, Continuous):
            return made
        if not math.isfinite(made.b - made.a):
            self._error("max", "min and max are too far apart; bring them nearer, or search a logarithm")
            return None
        if made.q is not None and max(abs(made.a), abs(made.b)) / made.q > _LARGEST:
            self._error("q" if "q" in self._given else "max", "there are too many multiples of q up to max; raise q")
            return None
        return made

    def _between(self, kind: str, low: float, high: float, q: float | None) -> Distribution | None:
        if low >= high and not (low == high and kind == "int_uniform"):
            what = "the same as" if low == high else "more than"
            self._error("min", f"{low:g} is {what} max, {high:g}; swap them, or give one `value`")
            return None
        if kind == "int_uniform":
            return IntUniform(int(low), int(high))
        if "uniform" in kind and "log" not in kind:
            return Continuous("uniform", low, high, q)
        if kind in _EXPONENTS:
            return self._of_exponents(kind, low, high, q)
        if low <= 0:
            self._error("min", f"got {low:g}; a logarithm needs more than 0. Use a small number, or `uniform`")
            return None
        return Continuous("log", float(low), float(high), q)

    def _of_exponents(self, kind: str, low: float, high: float, q: float | None) -> Distribution | None:
        """`log_uniform` takes exponents of e; the classic trap is to give it values."""
        values = f"{kind}_values"
        inverse = kind.startswith("inv")
        if max(abs(low), abs(high)) > _MAX_EXPONENT:
            self._error(
                "max", f"min and max are exponents of e, and e^{high:g} is no number; use `distribution: {values}`"
            )
            return None
        ends = (math.exp(-high), math.exp(-low)) if inverse else (math.exp(low), math.exp(high))
        if low > 0 and (high < 1 or high / low >= _SUSPICIOUS or high > _SUSPICIOUS):
            self._findings.warn(
                (*self._place, "min"),
                f"min and max of `{kind}` are exponents of e: this draws from {ends[0]:.4g} to {ends[1]:.4g}. For "
                f"values from {low:g} to {high:g} write `distribution: {values}`",
            )
        return Continuous("log", ends[0], ends[1], q)
