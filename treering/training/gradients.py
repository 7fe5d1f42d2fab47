"""What gradients say, whichever framework they come from: rows, histograms, and layers that are in trouble."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from treering.media import Histogram

__all__ = ["CODES", "ExponentCounts", "Finding", "Judge", "Measured", "to_row"]

#: Codes of 32-bit floats: a bit for the sign and eight for the exponent.
CODES = 512
_NEGATIVE, _SPECIAL, _BIAS = 256, 255, 127
# Magnitudes further below the largest one, in powers of two, count as zero: 1e-12 of it is nothing to look at.
_OCTAVES = 40


class ExponentCounts(NamedTuple):
    """How many of a tensor's values have which sign and power of two; counts of two tensors may be added.

    Attributes:
        counts: by the nine leading bits of the value as a 32-bit float; 512 of them.
        nan: how many of those without a finite value are NaN.
        inf: how many are +infinity.
    """

    counts: npt.NDArray[np.int64]
    nan: int = 0
    inf: int = 0

    def to_histogram(self) -> Histogram:
        """As a histogram whose edges are powers of two, so that any two of them merge exactly."""
        from treering.media import Histogram

        counts: list[int] = self.counts.tolist()
        positive, negative = counts[:_SPECIAL], counts[_NEGATIVE : _NEGATIVE + _SPECIAL]
        special = counts[_SPECIAL] + counts[_NEGATIVE + _SPECIAL]
        seen = [code for code in range(1, _SPECIAL) if positive[code] or negative[code]]
        if not seen and not positive[0] and not negative[0]:
            histogram = Histogram([])
        else:
            top = seen[-1] + 1 if seen else 1
            low = max(seen[0] if seen else 1, top - _OCTAVES)
            middle = sum(positive[:low]) + sum(negative[:low])
            edges = [math.ldexp(1.0, code - _BIAS) for code in range(low, top + 1)]
            histogram = Histogram(
                np_histogram=(
                    [*negative[low:top][::-1], middle, *positive[low:top]],
                    [*(-edge for edge in reversed(edges)), *edges],
                )
            )
        histogram.nan, histogram.inf, histogram.minus_inf = self.nan, self.inf, special - self.nan - self.inf
        return histogram


@dataclass
class Measured:
    """One look at the gradients of one optimizer, on the host.

    Attributes:
        step: of the row.
        time_ns: when, since 1970.
        update: updates that the optimizer has done with this one.
        names: of the parameters that have a gradient, in the model's order.
        norms: of their gradients, as the optimizer takes them: no loss scale, clipped.
        total: norm of all gradients together.
        changes, weights: norms of what the update changed and of the parameters before it, where that was looked at.
        shown: which of `names` get series of their own.
        broken: parameters that are not finite themselves.
        skipped: the loss scaler left this update out, so that the gradients say nothing.
        extra: further series under their full names.
        histograms: by the series' name.
    """

    step: int
    time_ns: int
    update: int
    names: Sequence[str]
    norms: Sequence[float]
    total: float
    changes: Sequence[float] = ()
    weights: Sequence[float] = ()
    shown: Sequence[bool] = ()
    broken: Sequence[str] = ()
    skipped: bool = False
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    histograms: Mapping[str, ExponentCounts] = field(default_factory=dict[str, ExponentCounts])


def to_row(measured: Measured, label: str = "") -> dict[str, Any]:
    """The row of one look.

    Args:
        measured: what was seen.
        label: tells the optimizer from others, `"generator"`; goes behind the section of each name.
    """
    within = f"{label}/" if label else ""
    row: dict[str, Any] = {"update": measured.update, **measured.extra}
    if measured.skipped:
        return row
    row[f"grad/{within}norm"] = measured.total
    shown = [at for at, is_shown in enumerate(measured.shown) if is_shown]
    for at in shown:
        row[f"grad/{within}layer/{measured.names[at]}"] = measured.norms[at]
    if measured.changes:
        row[f"update/{within}ratio"] = _ratio(_norm(measured.changes), _norm(measured.weights))
        for at in shown:
            row[f"update/{within}layer/{measured.names[at]}"] = _ratio(measured.changes[at], measured.weights[at])
    for name, counts in measured.histograms.items():
        row[name] = counts.to_histogram()
    return row


def _norm(norms: Sequence[float]) -> float:
    return math.sqrt(sum(norm * norm for norm in norms))


def _ratio(change: float, weight: float) -> float:
    if weight:
        return change / weight
    return 0.0 if change == 0 else math.inf  # a layer that began at zero


class Finding(NamedTuple):
    """An event to be recorded."""

    kind: str
    message: str
    level: str
    fields: dict[str, object]


class Judge:
    """Finds layers that are in trouble in one optimizer's looks, and says so once for each time it begins."""

    #: So many looks in a row without any gradient make a layer dead.
    dead_after = 3
    #: A layer explodes when its gradient is so many times as large as it usually was ...
    exploding = 100.0
    #: ... and so many times as large as all gradients together usually were.
    standing_out = 10.0
    #: Looks before anything is usual.
    used_to = 5

    def __init__(self) -> None:
        self._zeros: Counter[str] = Counter()
        self._usual: dict[str, float] = {}
        self._seen: Counter[str] = Counter()
        self._told: dict[str, set[str]] = {"dead": set(), "exploding": set(), "non_finite": set()}

    def judge(self, measured: Measured) -> Iterator[Finding]:
        """Yield what is new about the layers in this look."""
        if measured.skipped:
            return
        yield from self._non_finite(measured)
        dead: list[str] = []
        exploding: list[str] = []
        usual_total = self._usual.get("", 0.0) if self._seen[""] >= self.used_to else math.inf
        for name, norm in zip(measured.names, measured.norms, strict=True):
            self._zeros[name] = self._zeros[name] + 1 if norm == 0 else 0
            if self._zeros[name] >= self.dead_after:
                dead.append(name)
            usual = self._usual.get(name, math.inf) if self._seen[name] >= self.used_to else math.inf
            if math.isfinite(norm) and norm > self.exploding * usual and norm > self.standing_out * usual_total:
                exploding.append(name)
            else:
                self._remember(name, norm)
        if not exploding:
            self._remember("", measured.total)
        message = "no gradient has reached {layers} for " + f"{self.dead_after} looks"
        yield from self._tell("dead", dead, measured.step, message)
        message = f"the gradient of {{layers}} is over {self.exploding:g} times as large as usual"
        yield from self._tell("exploding", exploding, measured.step, message)

    def _remember(self, name: str, norm: float) -> None:
        """Bring the geometric mean of what was usual, in which old looks fade, up to this one."""
        if not (norm > 0 and math.isfinite(norm)):
            return
        seen = self._seen[name] = self._seen[name] + 1
        share = max(1 / seen, 0.1)
        before = self._usual.get(name, norm)
        self._usual[name] = math.exp((1 - share) * math.log(before) + share * math.log(norm))

    def _tell(self, kind: str, layers: list[str], step: int, message: str) -> Iterator[Finding]:
        new = [name for name in layers if name not in self._told[kind]]
        self._told[kind] = set(layers)
        if new:
            text = f"{message.format(layers=_listed(new))} at step {step}"
            yield Finding(f"{kind}_layer", text, "warn", {"step": step, "layers": new})

    def _non_finite(self, measured: Measured) -> Iterator[Finding]:
        bad = [name for name, norm in zip(measured.names, measured.norms, strict=True) if not math.isfinite(norm)]
        news = not self._told["non_finite"]
        self._told["non_finite"] = {*bad, *measured.broken}
        if not news or not (bad or measured.broken):
            return
        # A broken weight spoils the gradients of all layers; it is the weight that has to be looked at.
        what, first = ("parameter", measured.broken[0]) if measured.broken else ("gradient", bad[0])
        norms = dict(zip(measured.names, measured.norms, strict=True))
        fields: dict[str, object] = {
            "step": measured.step,
            "parameter": first,
            "what": what,
            "value": str(norms.get(first, math.nan)),
            "layers": len(measured.broken or bad),
        }
        of = "itself" if what == "parameter" else "its gradient"
        message = f"{first} is the first parameter with NaN or Inf ({of}) at step {measured.step}"
        yield Finding("non_finite", message, "error", fields)


def _listed(names: list[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
