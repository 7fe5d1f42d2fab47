"""Repacking versions: what is stored as a difference, what is whole, and that every byte comes back."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import treering
from treering import cli, recording
from treering.artifacts import pacing
from treering.artifacts.backlog import catch_up, waiting
from treering.artifacts.checking import verify_store
from treering.artifacts.coding import DIFFERENCE, PLANES, RAW
from treering.artifacts.collecting import collect
from treering.artifacts.depot import Depot
from treering.artifacts.repacking import Repacked, repack
from treering.store import Store

COUNT = 400_000


def checkpoint(step: int) -> bytes:
    """Numbers that move a little with each step, behind others that never do: those of frozen layers."""
    draw = np.random.default_rng(0)
    frozen: npt.NDArray[np.float32] = draw.standard_normal(COUNT, np.float32)
    trained = draw.standard_normal(COUNT, np.float32)
    for _ in range(step):
        trained *= 1 + 0.002 * draw.standard_normal(COUNT, np.float32)
    return frozen.tobytes() + trained.tobytes()


@pytest.fixture(scope="module")
def checkpoints() -> list[bytes]:
    return [checkpoint(step) for step in range(6)]


@pytest.fixture
def depot(store_dir: Path) -> Depot:
    return Depot(Store.open(store_dir, create=True).database, store_dir)


def put(data: bytes, name: str = "model", **options: object) -> treering.Artifact:
    artifact = treering.Artifact(name, **options)  # type: ignore[arg-type]  # aliases
    with artifact.new_file("weights.bin", "wb") as file:
        file.write(data)
    artifact.save("p")
    return artifact


def packed(depot: Depot) -> int:
    return sum(path.stat().st_size for path in depot.scratch.rglob("*.pack"))


def codecs(depot: Depot, artifact: treering.Artifact) -> set[int]:
    from treering.artifacts import index
    from treering.artifacts.reading import entries_of

    ids = {piece for entry in entries_of(depot.database, artifact.id, "it") for piece, _ in entry.pieces()}
    return {one.chunk.codec for one in index.locate(depot.database, ids).values()}


def check(depot: Depot, artifacts: list[treering.Artifact], contents: list[bytes]) -> None:
    for artifact, data in zip(artifacts, contents, strict=True):
        assert artifact.read() == data
        file = artifact.get_path("weights.bin")
        for start, length in ((0, 8), (1_599_999, 3), (2_000_000, 300_000), (len(data) - 5, 5)):
            assert file.read(start, length) == data[start : start + length]
    assert verify_store(depot).damage == []


def test_a_row_of_checkpoints(depot: Depot, checkpoints: list[bytes], tmp_path: Path) -> None:
    artifacts: list[treering.Artifact] = []
    for data in checkpoints:
        artifacts.append(put(data))
        catch_up(depot)
    assert [DIFFERENCE in codecs(depot, one) for one in artifacts] == [True, False, True, True, False, False]
    assert RAW not in codecs(depot, artifacts[-1])
    assert len(list(depot.scratch.rglob("*.pack"))) == 6  # the old ones are gone
    assert packed(depot) < 3.2 * len(checkpoints[0])
    check(depot, artifacts, checkpoints)
    artifacts[0].download(tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == checkpoints[0]
    assert repack(depot).chunks == 0  # nothing is left to do
    # What others are differences to stays when its version goes, and goes with them.
    artifacts[1].delete()
    artifacts[4].delete()
    collect(depot, grace_s=0.0)
    check(depot, artifacts[2:4], checkpoints[2:4])
    for artifact in (artifacts[0], artifacts[2], artifacts[3]):
        artifact.delete()
    collect(depot, grace_s=0.0)
    assert packed(depot) < 1.2 * len(checkpoints[0])  # packs that are half alive are left alone
    assert depot.database.query("SELECT COUNT(*) FROM chunk_bases") == [(0,)]
    check(depot, artifacts[5:], checkpoints[5:])


def test_what_callbacks_call_a_step_is_no_reason_to_be_whole(depot: Depot, checkpoints: list[bytes]) -> None:
    """Each of their checkpoints is called so; else none would ever be a difference."""
    artifacts = [put(data) for data in checkpoints[:3]]
    for step, artifact in enumerate(artifacts):
        artifact.aliases = [f"step-{step}"]
    repack(depot)
    assert any(DIFFERENCE in codecs(depot, artifact) for artifact in artifacts)
    check(depot, artifacts, checkpoints[:3])


def test_a_version_with_an_alias_is_whole(depot: Depot, checkpoints: list[bytes]) -> None:
    artifacts = [put(data) for data in checkpoints[:2]]
    kept = put(checkpoints[2], "registered")  # the same files under another name
    artifacts += [put(checkpoints[2]), put(checkpoints[3])]
    repack(depot)
    assert DIFFERENCE in codecs(depot, artifacts[0])
    assert DIFFERENCE not in codecs(depot, kept)
    artifacts[0].aliases = ["best"]
    repack(depot)
    assert codecs(depot, artifacts[0]) == {PLANES}
    check(depot, artifacts, [*checkpoints[:3], checkpoints[3]])


def test_a_training_repacks_what_it_has_saved(depot: Depot, checkpoints: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    artifacts: list[treering.Artifact] = []
    with treering.init("p", settings={"system_interval_s": 0}) as run:
        for number, data in enumerate(checkpoints[:3]):
            path.write_bytes(data)
            artifacts.append(run.log_artifact(path, name="model").wait(60))
            deadline = time.monotonic() + 60
            while codecs(depot, artifacts[-1]) != {PLANES} or (
                number and DIFFERENCE not in codecs(depot, artifacts[0])
            ):
                assert time.monotonic() < deadline
                time.sleep(0.02)
    check(depot, artifacts, checkpoints[:3])


def test_the_command(
    depot: Depot, checkpoints: list[bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts = [put(data) for data in checkpoints[:2]]
    before = packed(depot)
    monkeypatch.setattr("sys.argv", ["treering", "artifact", "repack"])
    assert cli.run_and_tell() == 0
    assert "chunks are stored anew" in capsys.readouterr().out
    assert packed(depot) < 0.85 * before
    monkeypatch.setattr("sys.argv", ["treering", "artifact", "repack", "--json"])
    assert cli.run_and_tell() == 0
    assert json.loads(capsys.readouterr().out) == [{"versions": 2, "chunks": 0, "before": 0, "after": 0}]
    check(depot, artifacts, checkpoints[:2])


def test_what_saves_nothing_stays_as_it_is(depot: Depot) -> None:
    noise = random.Random(1).randbytes(1_500_000)
    artifacts = [put(noise), put(noise[:700_000] + b"x" + noise[700_000:])]
    before = packed(depot)
    assert repack(depot) == Repacked(versions=2)
    assert packed(depot) == before
    check(depot, artifacts, [noise, noise[:700_000] + b"x" + noise[700_000:]])


def test_what_was_stopped_is_gone_on_with(depot: Depot, checkpoints: list[bytes]) -> None:
    artifacts = [put(data) for data in checkpoints[:2]]
    left = 9  # one answer before each chunk, and one at the beginning

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    assert catch_up(depot, stop=stop).chunks == 8
    assert codecs(depot, artifacts[0]) > {RAW}
    check(depot, artifacts, checkpoints[:2])
    assert [facts.title for facts in waiting(depot.database)] == ["model:v0", "model:v1"]
    chunks = depot.database.query("SELECT COUNT(*) FROM pack_chunks")[0][0]
    asked: list[int] = []
    assert catch_up(depot, progress=asked.append).chunks == chunks - 8  # and none of those that were done
    assert waiting(depot.database) == []
    assert not {RAW} & (codecs(depot, artifacts[0]) | codecs(depot, artifacts[1]))
    assert repack(depot).chunks == 0
    check(depot, artifacts, checkpoints[:2])


def test_two_do_not_do_the_same(depot: Depot, checkpoints: list[bytes], store_dir: Path) -> None:
    artifact = put(checkpoints[0])
    other = Depot(Store.open(store_dir).database, store_dir)
    found: list[int] = []
    asked = iter(range(1000))

    def stop() -> bool:
        if next(asked) == 3:  # in the middle of it
            found.append(catch_up(other).chunks)
        return False

    assert catch_up(depot, stop=stop).chunks > 0
    assert found == [0]
    assert codecs(depot, artifact) == {PLANES}
    # One that was killed in the middle is taken for dead later; who asks for it does not wait for that.
    put(checkpoints[1])
    depot.database.execute("UPDATE store_info SET value = :late WHERE key LIKE 'repack %'", {"late": str(1 << 60)})
    assert catch_up(other).chunks == 0
    assert catch_up(other, claimed=True).chunks > 0


def train(path: Path, checkpoints: list[bytes], name: str = "model") -> None:
    """A training that needs all processors, so that nothing is repacked beside it."""
    with treering.init("p", settings={"system_interval_s": 0}) as run:
        for data in checkpoints:
            path.write_bytes(data)
            run.log_artifact(path, name=name).wait(60)


def test_the_end_of_a_training_and_whoever_comes_later_catch_up(
    depot: Depot,
    checkpoints: list[bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pacing, "_SHARE_OF_TWO", 1e-9)
    monkeypatch.setattr(pacing, "_LONGEST_REST_S", 3600.0)
    monkeypatch.setattr(pacing, "_MOST_OWED_S", 3600.0)
    monkeypatch.setattr(pacing, "_idle_s", lambda: 0.0)
    path = tmp_path / "weights.bin"

    def late() -> list[str]:
        return [facts.title for facts in waiting(depot.database)]

    monkeypatch.setattr(recording, "_CATCH_UP_S", 60.0)
    train(path, checkpoints[:2])
    assert late() == []  # the end has done it
    monkeypatch.setattr(recording, "_CATCH_UP_S", 0.0)
    train(path, checkpoints[2:4])
    assert late() == ["model:v2", "model:v3"]
    monkeypatch.setattr(recording, "_CATCH_UP_S", 60.0)
    train(path, checkpoints[4:5], "other")
    assert late() == []  # the end of another one
    monkeypatch.setattr(recording, "_CATCH_UP_S", 0.0)
    train(path, checkpoints[5:])
    for words, said in ((["--plan"], "1 versions wait to be repacked: model:v4"), ([], "chunks are stored anew")):
        monkeypatch.setattr("sys.argv", ["treering", "artifact", "gc", *words])
        assert cli.run_and_tell() == 0
        assert said in capsys.readouterr().out
    assert late() == []
    assert repack(depot).chunks == 0
    assert verify_store(depot).damage == []


@pytest.mark.parametrize("codec", [PLANES, DIFFERENCE])
def test_a_flipped_byte_is_found_and_named(depot: Depot, checkpoints: list[bytes], codec: int) -> None:
    artifacts = [put(data) for data in checkpoints[:3]]
    repack(depot)
    rows = depot.database.query(
        "SELECT packs.name, start, stored FROM pack_chunks JOIN packs ON packs.number = pack WHERE codec = :codec "
        "AND pack_chunks.id NOT IN (SELECT base FROM chunk_bases) ORDER BY stored DESC",
        {"codec": codec},
    )
    name, start, stored = rows[0]
    path = depot.scratch / depot.key(name)
    data = bytearray(path.read_bytes())
    for at in (start + 20, start + stored // 2, start + stored - 1):
        data[at] ^= 4
        path.write_bytes(data)
        (damage,) = verify_store(depot).damage
        assert damage.where == depot.key(name)
        assert f"byte {start}" in damage.message
        assert damage.files
        assert {file.partition(",")[0] for file in damage.files} <= {f"model:v{number}" for number in range(3)}
        broken = min(damage.files).partition(",")[0]
        with pytest.raises(treering.TreeringError, match=name):
            artifacts[int(broken[-1])].read()
        data[at] ^= 4
    path.write_bytes(data)
    check(depot, artifacts, checkpoints[:3])


def test_a_damaged_base_is_named_with_all_that_need_it(depot: Depot, checkpoints: list[bytes]) -> None:
    for data in checkpoints[:3]:
        put(data)
    repack(depot)
    rows = depot.database.query(
        "SELECT packs.name, start, stored FROM pack_chunks JOIN packs ON packs.number = pack "
        "WHERE pack_chunks.id IN (SELECT base FROM chunk_bases)"
    )
    name, start, stored = rows[len(rows) // 2]
    path = depot.scratch / depot.key(name)
    data = bytearray(path.read_bytes())
    data[start + stored // 2] ^= 1
    path.write_bytes(data)
    named = {file.partition(",")[0] for damage in verify_store(depot).damage for file in damage.files}
    assert "model:v1" in named
    assert named & {"model:v0", "model:v2"}
