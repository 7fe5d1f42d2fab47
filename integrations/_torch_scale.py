"""Loss scales: that of the gradients at hand, and how many updates were left out because of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ScaleCounter"]


class ScaleCounter:
    """Follows the loss scale of one optimizer.

    A fused optimizer is called for each update, with the scale and whether it is to be left out; of others nothing is
    seen of an update that is left out, but the scaler then lowers its scale, and begins to count anew.

    Args:
        scaler: a `torch.amp.GradScaler`, or None where nobody said which one.
    """

    def __init__(self, scaler: object) -> None:
        given: Any = scaler
        self._scaler: Any = given if hasattr(given, "get_backoff_factor") else None
        self._found: torch.Tensor | None = None
        self._skipped = 0
        self._told: int | None = None
        self._updates = 0
        self._before: tuple[float, float] | None = None
        if self._scaler is not None and getattr(self._scaler, "_scale", None) is None:  # it has not scaled anything yet
            self._before = float(self._scaler._init_scale), 0.0

    def note(self, found_inf: torch.Tensor) -> None:
        """Count an update that a fused optimizer is about to leave out, or not."""
        with torch.no_grad():
            self._found = found_inf.clone() if self._found is None else self._found.add_(found_inf)

    def take(self, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
        """What is known on the device, to be fetched."""
        numbers: dict[str, torch.Tensor] = {}
        for name, attribute in (("scale", "grad_scale"), ("found inf", "found_inf")):
            value = getattr(optimizer, attribute, None)
            if isinstance(value, torch.Tensor):
                numbers[name] = value.clone()
        if self._found is not None:
            numbers["skipped"] = self._found.clone()
        elif self._scaler is not None and isinstance(getattr(self._scaler, "_scale", None), torch.Tensor):
            numbers["scaler"] = torch.stack([self._scaler._scale, self._scaler._growth_tracker.to(torch.float32)])
        return numbers

    def series(self, numbers: Mapping[str, list[float]], update: int) -> dict[str, object]:
        """The series of one row, from what was fetched; called in the order of updates."""
        if "skipped" in numbers:
            self._told = round(numbers["skipped"][0])
            of_this = numbers.get("scale")
            return {"amp/skipped": self._told, **({"amp/scale": of_this[0]} if of_this else {})}
        if "scaler" not in numbers:
            return {}
        scale, tracker = numbers["scaler"]
        if self._before is not None:
            self._skipped += self._count(scale, tracker, update - 1 - self._updates)
        self._before, self._updates = (scale, tracker), update - 1
        self._told = self._skipped
        return {"amp/scale": scale, "amp/skipped": self._skipped}

    def _count(self, scale: float, tracker: float, done: int) -> int:
        """How many updates were left out while the scale came from what it was to `scale` and `done` were done."""
        old_scale, old_tracker = self._before or (scale, tracker)
        growth, backoff = self._scaler.get_growth_factor(), self._scaler.get_backoff_factor()
        interval = self._scaler.get_growth_interval()
        if not (scale > 0 and old_scale > 0 and growth > 1 and 0 < backoff < 1):
            return 0
        for grown in range(int(old_tracker + done) // interval + 1):
            skips = (math.log(old_scale / scale) + grown * math.log(growth)) / -math.log(backoff)
            whole = round(skips)
            # The scaler counts from 0 again after an update that it left out, else it has counted on.
            if abs(skips - whole) < 1e-3 and (whole > 0 or tracker == old_tracker + done - grown * interval):  # noqa: PLR2004  # rounding
                return max(whole, 0)
        return 0

    def rest(self, updates: int) -> dict[str, object]:
        """What has not been in any row, at the end, when waiting for a device does no harm."""
        told = self._told or 0
        if self._found is not None:
            skipped = round(self._found.item())
            return {"amp/skipped": skipped} if skipped != told else {}
        if self._scaler is None or getattr(self._scaler, "_scale", None) is None:
            return {}
        now = [float(self._scaler.get_scale()), float(self._scaler._growth_tracker.item())]
        found = self.series({"scaler": now}, updates + 1)
        return found if found["amp/skipped"] != told else {}
