"""The registry: stages move on purpose only, one version in each, and whatever happens is written down."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

import treering
from treering.artifacts.collecting import collect
from treering.artifacts.depot import Depot
from treering.artifacts.registry import actor
from treering.errors import NotFound, UsageError
from treering.store import Store
from treering.store.bundle import merge

SETTINGS = {"system_interval_s": 0, "console": False, "capture_git": False, "flush_interval_s": 0.01}


def put(text: str, name: str = "model", **options: object) -> treering.Artifact:
    artifact = treering.Artifact(name, "model")
    artifact.add(text, "weights")
    for key, value in options.items():
        setattr(artifact, key, value)
    return artifact


@pytest.fixture
def registry(store_dir: Path) -> treering.api.Registry:
    """One with shop:v0 and shop:v1, the first in production."""
    with treering.init("p", id="trains", settings=SETTINGS) as run:
        run.link_model(run.log_artifact(put("1")), "shop", stage="production").wait(30)
        run.link_model(run.log_artifact(put("2")), "shop", aliases=["candidate"]).wait(30)
    return treering.Api(store_dir).registry()


def test_stages(registry: treering.api.Registry) -> None:
    assert registry.stages == ("staging", "production")
    first, second = registry.versions("shop")
    assert (first.stage, second.stage, first.project) == ("production", None, "model-registry")
    assert registry.version("shop:production").id == first.id
    assert registry.stage("shop:v1", "staging", note="scores 0.9").stage == "staging"
    assert registry.stage("shop:staging", "production").id == second.id
    (found,) = registry.collections()
    assert (found.name, found.type, found.versions, found.latest.id) == ("shop", "model", 2, second.id)
    assert {stage: one.id for stage, one in found.stages.items()} == {"production": second.id}  # one stage at a time
    assert registry.version("shop:v0").aliases == ()
    assert registry.version("shop").aliases == ("candidate", "latest", "production")
    assert registry.unstage("shop:production").stage is None
    assert registry.version("shop").aliases == ("candidate", "latest")
    with pytest.raises(UsageError, match="there is no stage 'best'; the stages are staging, production"):
        registry.stage("shop:v0", "best")
    with pytest.raises(NotFound, match="no version shop:staging in project 'model-registry'"):
        registry.unstage("shop:staging")
    with pytest.raises(UsageError, match="its name ends in '-registry'"):
        treering.Api().registry("p")
    with pytest.raises(UsageError, match="'p' is no registry"):
        registry.stage(treering.Api().version("p/model"), "staging")


def test_nothing_moves_a_stage_in_passing(registry: treering.api.Registry, store_dir: Path) -> None:
    first, second = registry.versions("shop")
    for change in (
        lambda: setattr(second, "aliases", ["production"]),
        lambda: put("3", "shop", aliases=["production"]).save("model-registry"),
        lambda: second.delete(with_aliases=True) or first.delete(with_aliases=True),
    ):
        registry.stage("shop:v0", "production")
        with pytest.raises(UsageError, match="stage"):
            change()
        assert registry.version("shop:production").id == first.id
    first.aliases = ["old"]
    assert first.aliases == ("latest", "old", "production")  # a stage stays, as "latest" does
    with (
        treering.init("p", id="again", settings=SETTINGS) as run,
        pytest.raises(UsageError, match=r"say link_model\(stage='production'\)"),
    ):
        run.link_model(run.log_artifact(put("4")), "shop", aliases=["production"])
    with pytest.raises(UsageError, match="is in the stage 'production'"):
        treering.Api(store_dir).delete("trains", versions=True)
    first.ttl = timedelta(microseconds=1)
    first.aliases = []
    with Store.open(store_dir) as store:
        collect(Depot(store.database, store_dir), grace_s=0.0, now_us=time.time_ns() // 1000 + 10**12)
    assert registry.version("shop:production").read() == b"1"


def test_what_happened_is_written_down(registry: treering.api.Registry, store_dir: Path) -> None:
    first, _ = registry.versions("shop")
    registry.stage("shop:v1", "staging")
    registry.stage("shop:v1", "production", note="good")
    first.tags = ["eu"]
    first.description = "the first"
    first.delete()
    registry.set_stages("staging", "production", "archived")
    registry.stage("shop:v1", "archived")
    events = registry.events()
    assert [str(event) for event in events] == [
        "shop:v0 linked from p/model:v0",
        "shop:v0 put into production",
        "shop:v1 linked from p/model:v1",
        "shop:v1 put into staging",
        "shop:v1 put into production from staging instead of v0: good",
        "shop:v0 tagged eu",
        "shop:v0 changed: description",
        "shop:v0 deleted",
        "stages set to staging, production, archived",
        "shop:v1 put into archived from production",
    ]
    assert {event.who for event in events} == {actor()}
    assert [event.run_id for event in events[:4]] == ["trains", "trains", "trains", ""]
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert registry.events("shop", last=2)[0].kind == "deleted"
    assert registry.events("other") == []
    with pytest.raises(UsageError, match="'archived' cannot go: model-registry/shop has a version in it"):
        registry.set_stages("staging")
    with pytest.raises(UsageError, match="none is 'latest'"):
        registry.set_stages("latest")
    # What happens elsewhere is nobody's business.
    put("x", "own").save("p")
    assert len(registry.events()) == 10


def test_linking_without_a_run(registry: treering.api.Registry, store_dir: Path) -> None:
    version = treering.Api(store_dir).version("p/model:v0")
    linked = registry.link(version, "other", stage="staging")
    assert (linked.project, linked.name, linked.version, linked.stored, linked.stage) == (
        "model-registry", "other", 0, 0, "staging",
    )  # fmt: skip
    assert linked.read() == b"1"
    with pytest.raises(UsageError, match="there is no stage 'x'"):
        registry.link(version, "other", stage="x")
    own = treering.Api(store_dir).registry("team-registry")
    own.link(version)
    assert [one.name for one in own.collections()] == ["model"]
    assert len(own.events()) == 1


def test_an_offline_run_brings_what_it_linked(store_dir: Path, tmp_path: Path) -> None:
    with treering.init("p", id="off", mode="offline", settings=SETTINGS) as run:
        run.link_model(run.log_artifact(put("1")), "shop", stage="staging").wait(30)
    with Store.open(tmp_path / "team", create=True) as team:
        for _ in range(2):
            merge(team, store_dir / "bundles" / "off.db")
    registry = treering.Api(tmp_path / "team").registry()
    assert registry.version("shop:staging").read() == b"1"
    assert [event.kind for event in registry.events()] == ["linked", "staged"]
