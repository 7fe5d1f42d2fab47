"""Episodes of reinforcement learning: each return is a point, and what is told of it stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from treering.errors import NotFound
from treering.server.routes_runs import Open, RunId
from treering.server.wire import clean, plain
from treering.store.reduce import thin
from treering.store.values import NUMERIC

if TYPE_CHECKING:
    import numpy.typing as npt

    from treering.api import ApiRun
    from treering.store.reader import Points

    Numbers = npt.NDArray[np.float64]

__all__ = ["router"]

router = APIRouter(tags=["runs"])

_MOST_ENVIRONMENTS = 16
_MOST_VIDEOS = 200


class Rolling(BaseModel):
    """A rolling mean over episodes; `env` is None for those of all environments."""

    env: int | None
    episodes: int
    x: list[float]
    values: list[Any]


class EpisodeVideo(BaseModel):
    """A video, and the episode that it shows where that is known."""

    key: str
    row: int
    x: Any
    value: Any
    episode: int | None = Field(description="its number in its environment")
    env: int | None
    total: Any = Field(description="its return")
    length: int | None


class Episodes(BaseModel):
    """The episodes of a run. The columns of `points` belong together; None where a row does not say."""

    total: int
    window: int
    x: list[float]
    points: dict[str, list[Any]] = Field(description="return, length, env, success; thinned, with all extremes")
    returns: list[Rolling]
    lengths: Rolling
    success: Rolling | None
    videos: list[EpisodeVideo]


@router.get("/runs/{run_id}/episodes")
def episodes(
    library: Open,
    run_id: RunId,
    key: Annotated[str, Query(max_length=4096)] = "episode/return",
    x: Annotated[str, Query(max_length=4096)] = "_step",
    window: Annotated[int, Query(ge=1, le=100_000)] = 100,
    most: Annotated[int, Query(ge=10, le=20_000)] = 3000,
) -> Episodes:
    """Return the returns under `key` with what else their rows say; means are taken over all of them."""
    run = library.by_id(run_id)
    points = run.reader.points("history", key, x)
    if points.kind not in NUMERIC or points.x.dtype == object:
        raise NotFound(f"{key!r} over {x!r} holds no numbers")
    base = key[: key.rindex("episode/") + len("episode/")] if "episode/" in key else ""
    beside = {name: _beside(run, base + word, points.rows) for name, word in _BESIDE.items()}
    values, places = points.values.astype(np.float64), points.x.astype(np.float64)
    kept = thin(values, most, places) if len(values) > most else np.arange(len(values))
    shown = {"return": values, **beside}
    return Episodes(
        total=points.total,
        window=window,
        x=places[kept].tolist(),
        points={name: _whole(column[kept]) for name, column in shown.items() if np.isfinite(column).any()},
        returns=_returns(places, values, beside["env"], window),
        lengths=_rolling(places, beside["length"], window),
        success=_rolling(places, beside["success"], window) if np.isfinite(beside["success"]).any() else None,
        videos=_videos(run, base, x, points, beside),
    )


_BESIDE = {"length": "length", "env": "env", "success": "is_success", "id": "id"}


def _beside(run: ApiRun, key: str, rows: npt.NDArray[Any]) -> Numbers:
    """Return what a column says in these rows; NaN where it says nothing."""
    found = np.full(len(rows), np.nan)
    try:
        column = run.reader.points("history", key)
    except NotFound:
        return found
    if column.kind in NUMERIC and len(column.rows):
        at = np.minimum(np.searchsorted(column.rows, rows), len(column.rows) - 1)
        same = column.rows[at] == rows
        found[same] = column.values[at[same]].astype(np.float64)
    return found


def _whole(values: Numbers) -> list[Any]:
    return [None if np.isnan(value) else plain(int(value) if value.is_integer() else value) for value in values]


def _returns(places: Numbers, values: Numbers, env: Numbers, window: int) -> list[Rolling]:
    found = [_rolling(places, values, window)]
    known = np.unique(env[np.isfinite(env)])
    if 1 < len(known) <= _MOST_ENVIRONMENTS:
        found += [_rolling(places[env == one], values[env == one], window, int(one)) for one in known]
    return found


def _rolling(places: Numbers, values: Numbers, window: int, env: int | None = None, most: int = 600) -> Rolling:
    """Return the mean of the last `window` values at each place."""
    known = np.isfinite(values)
    places, values = places[known], values[known]
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    means = (sums[ends] - sums[starts]) / np.maximum(ends - starts, 1)
    kept = thin(means, most, places) if len(means) > most else np.arange(len(means))
    return Rolling(env=env, episodes=len(values), x=places[kept].tolist(), values=plain(means[kept].tolist()))


def _videos(run: ApiRun, base: str, x: str, points: Points, beside: dict[str, Numbers]) -> list[EpisodeVideo]:
    """Return the newest videos, each with the episode of its row or of the id that its row tells."""
    found: list[EpisodeVideo] = []
    for key in (f"{base}video", "rollout/video"):
        try:
            videos = run.reader.points("history", key, x)
        except NotFound:
            continue
        ids = _beside(run, f"{base}id", videos.rows)
        rows = zip(videos.rows.tolist(), videos.x.tolist(), videos.values.tolist(), ids.tolist(), strict=True)
        for row, place, value, number in list(rows)[-_MOST_VIDEOS:]:
            at = _episode_at(points, beside["id"], row, number)
            found.append(
                EpisodeVideo(
                    key=clean(key),
                    row=row,
                    x=plain(place),
                    value=plain(value),
                    episode=None if np.isnan(number) else int(number),
                    total=None if at is None else plain(float(points.values[at])),
                    **{name: _integer(beside[name], at) for name in ("env", "length")},
                )
            )
    return found


def _episode_at(points: Points, ids: Numbers, row: int, number: float) -> int | None:
    at = int(np.searchsorted(points.rows, row))
    if at < len(points.rows) and points.rows[at] == row:
        return at
    same = np.flatnonzero(ids == number)  # a video is written when the next episode begins: it is in a row of its own
    return int(same[np.argmin(np.abs(points.rows[same] - row))]) if len(same) else None


def _integer(values: Numbers, at: int | None) -> int | None:
    return None if at is None or np.isnan(values[at]) else int(values[at])
