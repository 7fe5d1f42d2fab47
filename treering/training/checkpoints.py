"""The part of a training that records its checkpoints: which are kept, under which names, and which is the best."""

from __future__ import annotations

import math
import os
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from treering.training.options import default_rule, rule_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from treering._run import Run
    from treering.training.options import Options, Score

__all__ = ["Checkpoints"]


@dataclass
class _Announced:
    """A checkpoint as it was told of, and what its files looked like when they were last looked for."""

    paths: list[Path]
    step: int
    score: Score | None
    metadata: Mapping[str, object]
    is_last: bool
    linkable: bool
    number: int
    seen: list[object] = field(default_factory=list[object])

    def is_there(self) -> bool:
        """Whether all files are there and have not grown since the last call."""
        before, self.seen = self.seen, [_signature(path) for path in self.paths]
        return self.seen == before and all(self.seen)


class Checkpoints(ABC):
    """What `Training` has of checkpoints."""

    def __init__(self, framework: str, options: Options) -> None:
        self.framework = framework
        self.options = options
        self.step = 0
        """The last step that was logged or begun at."""
        self._run: Run | None = None
        self._prefix = (options.get("prefix") or "").strip("/")
        self._best: dict[str, float] = {}
        self._waiting: list[_Announced] = []
        self._told = self._last_told = 0
        self._is_cut = False

    @property
    @abstractmethod
    def run(self) -> Run | None:
        """The run, opened now if nothing was recorded before."""

    @abstractmethod
    def warn(self, message: str) -> None:
        """Warn the user, in the name of the adapter."""

    def checkpoint(
        self,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        step: int,
        score: Score | None = None,
        is_last: bool = True,
        linkable: bool = False,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Record a checkpoint that the framework has written.

        When this returns, the framework may overwrite or delete the files. Files that do not exist yet are taken at
        a later call that finds them as the one before it did, or at the end of the training.

        Args:
            path: a file or a folder, or several that belong together.
            step: the step that it holds; becomes the alias `step-N`.
            score: what it was judged by. Gives the aliases `best:<monitor>` and, for the first monitor seen, `best`.
            is_last: whether it is the newest state of the training; False for a copy of an earlier best.
            linkable: its writer makes a new file each time (no rewriting in place), so a hard link is a safe copy.
            metadata: anything more to keep with the version.
        """
        mode = self.options.get("checkpoints", "best+last")
        if mode is False or self.run is None:
            return
        if score is not None and self._prefix:
            score = replace(score, monitor=f"{self._prefix}/{score.monitor}")
        paths = [Path(one) for one in ([path] if isinstance(path, (str, os.PathLike)) else path)]
        for one in [one for one in self._waiting if one.is_there()]:
            self._waiting.remove(one)
            self._take(one)
        self._told += 1
        told = _Announced(paths, step, score, metadata or {}, is_last, linkable, self._told)
        if all(one.exists() for one in paths):
            self._take(told)
        else:
            self._waiting.append(told)

    def _take(self, one: _Announced) -> None:
        """Give what is there its names, and keep it."""
        mode = self.options.get("checkpoints", "best+last")
        score = one.score
        facts: dict[str, object] = {"step": one.step, "framework": self.framework, **one.metadata}
        best = score is not None and self._is_best(score)
        if score is not None:
            facts |= {"monitor": score.monitor, "score": score.value, "mode": score.mode}
        is_last = one.is_last and one.number > self._last_told  # a slow writer's may come behind a newer one
        self._last_told = one.number if is_last else self._last_told
        aliases = [f"step-{one.step}"] + ["last"] * is_last
        if best and score is not None and mode != "last":
            aliases += ["best"] * (score.monitor == next(iter(self._best))) + [f"best:{score.monitor}"]
        if mode != "all" and len(aliases) == 1:
            return
        self._secure(one.paths, aliases, facts, linkable=one.linkable)

    def _secure(self, paths: list[Path], aliases: list[str], facts: dict[str, object], *, linkable: bool) -> None:
        run = self._run
        if run is None:
            return
        facts["path"] = os.path.relpath(paths[0])
        start = time.perf_counter()
        wanted = None if self._is_cut else rule_of(self.options)
        run.log_checkpoint(
            paths[0] if len(paths) == 1 else paths,
            aliases=aliases,
            metadata=facts,
            linkable=linkable,
            upload=self.options.get("upload", False),
            keep=wanted or default_rule(self.options),
            keep_first=wanted is None,
        )
        self._is_cut = True
        took_ms = (time.perf_counter() - start) * 1e3
        run.log({"treering/checkpoint_ms": took_ms}, step=max(self.step, cast("int", facts["step"])))

    def _secure_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if all(path.exists() for path in one.paths):
                self._take(one)
            else:
                self.warn(f"checkpoint {one.paths[0]} was announced at step {one.step} and never written")

    def _is_best(self, score: Score) -> bool:
        value = math.nan if score.value is None else score.value
        before = self._best.get(score.monitor, math.nan)
        if score.best is None:  # NaN is never best, and anything is better than NaN
            better = value < before if score.mode == "min" else value > before
            best = not math.isnan(value) and (math.isnan(before) or better)
        else:
            best = score.best
        if best:
            self._best[score.monitor] = value
        return best


def _signature(path: Path) -> object:
    """What changes while a file or a folder is written; None where there is none."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    try:
        stats = [file.stat() for file in files]
    except OSError:
        return None
    return [(stat.st_size, stat.st_mtime_ns, stat.st_ino) for stat in stats]
