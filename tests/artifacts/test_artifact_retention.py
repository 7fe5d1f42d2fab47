"""Rules for collections: what they keep, what goes because of them, and what holds a version in spite of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import treering
from treering.artifacts.collecting import collect, plan
from treering.artifacts.depot import Depot
from treering.artifacts.retention import Keep, score_of
from treering.errors import NotFound, UsageError
from treering.store import Store

SETTINGS = {"system_interval_s": 0, "console": False, "capture_git": False, "flush_interval_s": 0.01}
DAY_US = 86_400_000_000


def put(number: int, name: str = "m", aliases: tuple[str, ...] = (), **metadata: Any) -> treering.Artifact:
    artifact = treering.Artifact(name, "model", metadata=metadata)
    artifact.aliases = aliases
    artifact.add(f"{name} {number}", "x")
    return artifact.save("p")


def leaving(days: float = 0.0) -> list[int]:
    """The numbers of the versions that would go in so many days."""
    with Store.open(treering.Api().folder) as store:
        now_us = time.time_ns() // 1000 + int(days * DAY_US)
        planned = plan(Depot(store.database, store.folder), now_us=now_us).expiring
    return [int(one.version.partition(":v")[2]) for one in planned]


@pytest.fixture
def losses(store_dir: Path) -> list[float]:
    """Six versions with these losses, called as a callback calls them."""
    values = [0.5, 0.2, 0.4, 0.2, 0.9, 0.6]
    for number, loss in enumerate(values):
        put(number, aliases=(f"step-{number}",), monitor="val/loss", score=loss, mode="min", reward=-loss)
    return values


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ({"last": 2}, [0, 1, 2, 3]),
        ({"best": 2}, [0, 2, 4]),  # the newest stays, too
        ({"best": 1}, [0, 1, 2, 4]),  # of two equal ones the newer
        ({"best": 2, "metric": "val_loss"}, [0, 2, 4]),
        ({"best": 1, "metric": "reward", "mode": "max"}, [0, 1, 2, 4]),
        ({"best": 1, "metric": "val/loss", "mode": "max"}, [0, 1, 2, 3]),
        ({"last": 3, "best": 1}, [0, 1, 2]),
        ({"best": 2, "metric": "acc"}, []),  # that no version has: a mistake, for which nothing goes
        ({"last": 1, "days": 3}, []),
    ],
)
def test_what_a_rule_keeps(losses: list[float], rule: dict[str, Any], gone: list[int]) -> None:
    set_ = treering.Api().keep("m", **rule)
    assert set_.leaving == gone
    assert leaving() == gone


def test_days(losses: list[float]) -> None:
    treering.Api().keep("m", days=3)
    assert leaving(2.9) == []
    assert leaving(3.1) == [0, 1, 2, 3, 4]


def test_what_holds_a_version(losses: list[float], store_dir: Path) -> None:
    api = treering.Api()
    versions = api.versions("m")
    versions[0].aliases = ["release-1"]
    versions[1].aliases = ["draft"]
    api.keep("m", last=1)
    assert leaving() == [2, 3, 4]
    api.keep("m", last=1, aliases=["release-*"])
    assert leaving() == [1, 2, 3, 4]
    with treering.init("p", id="evaluates", settings=SETTINGS) as run:
        run.use_artifact("m:v3")
        run.flush()
        assert leaving() == [1, 2, 4]  # it may be reading it
    assert leaving() == [1, 2, 3, 4]
    registry = api.registry()
    for version in versions[:2]:
        registry.link(version, "shop")
    api.keep("model-registry/shop", last=1)
    registry.stage("shop:v0", "production")
    assert leaving() == [1, 2, 3, 4]


def test_the_rest_goes_and_the_plan_said_so(losses: list[float], store_dir: Path) -> None:
    api = treering.Api()
    derived = api.version("m:v2").new_draft("derived")
    derived.add("more", "more")
    derived.save("p")
    with treering.init("p", id="used", settings=SETTINGS) as run:
        run.use_artifact("m:v4")
    api.keep("p/m", last=1, best=1, metric="val/loss", mode="min")
    with Store.open(store_dir) as store:
        depot = Depot(store.database, store_dir)
        planned = plan(depot)
        assert [(one.version, one.used_by, one.base_of) for one in planned.expiring] == [
            ("m:v0", [], []), ("m:v1", [], []), ("m:v2", [], ["derived:v0"]), ("m:v4", ["used"], []),
        ]  # fmt: skip
        assert {one.why for one in planned.expiring} == {
            "m keeps the last 1, the best 1 by val/loss (min) and what has an alias"
        }
        assert collect(depot).expiring == planned.expiring
        assert collect(depot).expiring == []
    assert [version.version for version in treering.Api().versions("m")] == [3, 5]
    assert treering.Api().version("derived").read("x.txt") == b"m 2"
    assert put(9).version == 6
    assert [(rule.project, rule.name, rule.leaving) for rule in api.rules()] == [("p", "m", [5])]
    api.keep_all("m")
    assert api.rules() == []
    assert leaving() == []


def test_rules_that_are_none(losses: list[float]) -> None:
    api = treering.Api()
    for options, said in (
        ({}, "nothing that stays"),
        ({"last": 0}, "1 or more"),
        ({"best": True}, "1 or more"),
        ({"days": -1}, "above 0"),
        ({"last": 1, "metric": "loss"}, "say best=3"),
        ({"best": 1, "mode": "down"}, "'min'"),
    ):
        with pytest.raises(UsageError, match=said):
            api.keep("m", **options)
    with pytest.raises(NotFound, match="no artifact 'nothing' in project 'q'"):
        api.keep("q/nothing", last=1)
    other = treering.Artifact("m")
    other.add("x", "x")
    other.save("q")
    with pytest.raises(UsageError, match="several projects have a 'm': p, q"):
        api.keep("m", last=1)
    assert api.rules() == []


def test_scores() -> None:
    judged = {"monitor": "val/loss", "score": 0.5, "acc": 1, "flag": True, "odd": float("nan")}
    assert score_of(judged, None) == score_of(judged, "val_loss") == 0.5
    assert score_of(judged, "acc") == 1.0
    assert [score_of(judged, name) for name in ("flag", "odd", "none")] == [None, None, None]
    assert str(Keep(days=30, aliases=("release-*",))) == ("what is younger than 30 days and what is called release-*")
