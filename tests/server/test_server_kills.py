"""Kill the server, kill the client, break the network: no row is lost or doubled, and `sync` completes every run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copies import assert_copied, opened
from crash_yard import LOG, Order, Yard, open_yard, row
from lossy_proxy import FAULTS, proxy_to
from ports import free_port
from server_yard import TOKEN, ServerYard, open_server_yard

import treering
from treering.online import uploading
from treering.online.credentials import Server
from treering.online.syncing import sync_runs
from treering.store.reader import RunReader

#: Of servers and of clients, on each database.
KILLS = 50
QUIET: dict[str, Any] = {
    "quiet": True, "console": False, "capture_environment": False, "capture_git": False, "capture_source": False,
    "system_interval_s": 0, "flush_interval_s": 0.03, "api_key": TOKEN,
}  # fmt: skip


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerYard]:
    with open_server_yard(tmp_path_factory.mktemp("servers")) as found:
        yield found


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Come back at once to a server that was away: what takes minutes otherwise takes seconds."""
    monkeypatch.setattr(uploading, "_RETRY_S", 0.02)
    monkeypatch.setattr(uploading, "_MAX_RETRY_S", 0.1)


def completed(local: Path, place: Path | str, url: str, run_id: str) -> int:
    """Sync until the server has all of a run; how many rows it has."""
    (synced,) = sync_runs(local, Server(url, TOKEN), [run_id])
    assert synced == (run_id, "complete", ())
    return assert_copied(local, place, run_id)


def acknowledged(run: treering.Run) -> int:
    """Rows that the server has said it has."""
    uploader = run._recording._uploader
    assert uploader is not None
    replica = uploader._replica
    progress = replica._progress if replica is not None else None
    return progress.next_rows.get("history", 0) if progress is not None else 0


def stored(place: Path | str, run_id: str) -> int:
    database = opened(place)
    try:
        return RunReader(database, run_id).next_row("history")
    finally:
        database.close()


@pytest.mark.filterwarnings("ignore:trouble while:treering.TreeringWarning")
def test_a_server_that_is_killed_under_load(place: Path | str, servers: ServerYard, tmp_path: Path) -> None:
    chance, port, local = random.Random(1), free_port(), tmp_path / "local"
    servers.start(port, place)
    url = f"http://127.0.0.1:{port}"
    run = treering.init("p", id="r", dir=local, mode="online", settings={**QUIET, "url": url})
    number, kept = 0, 0
    for _ in range(KILLS):
        until_s = time.monotonic() + 0.15 * chance.random() ** 2
        before = acknowledged(run)
        while time.monotonic() < until_s or acknowledged(run) == before:
            run.log(row(number))
            number += 1
            time.sleep(0.002)
        servers.kill(port)
        kept = acknowledged(run)
        if isinstance(place, Path):
            assert stored(place, "r") >= kept
        servers.start(port, place)
    assert kept > 0
    run.finish()
    assert completed(local, place, url, "r") == number
    servers.kill(port)


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Yard, int]]:
    """Clients that are killed, and the port that they are told of."""
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TREERING_URL", f"http://127.0.0.1:{port}")
        patch.setenv("TREERING_API_KEY", TOKEN)
        with open_yard(tmp_path_factory.mktemp("yard")) as found:
            yield found, port


def test_a_client_that_is_killed(
    place: Path | str, servers: ServerYard, yard: tuple[Yard, int], tmp_path: Path
) -> None:
    chance, local = random.Random(2), tmp_path / "local"
    clients, port = yard
    servers.start(port, place)
    victims: dict[str, int] = {}
    for number in range(KILLS):
        # Every second one goes on with the run of the one before.
        run_id = f"run-{number // 2}"
        order = Order(str(local), run_id, LOG, 0.1 * chance.random() ** 2, mode="online", small=number % 3 == 0)
        killed = clients.kill(order)
        assert killed.killed
        victims[run_id] = max(victims.get(run_id, 0), killed.rows)
    url = f"http://127.0.0.1:{port}"
    for run_id, rows in victims.items():
        assert rows <= completed(local, place, url, run_id) <= rows + 1
    assert max(victims.values()) > 0
    servers.kill(port)


@pytest.mark.filterwarnings("ignore:trouble while:treering.TreeringWarning")
@pytest.mark.filterwarnings("ignore:run r is not on:treering.TreeringWarning")
def test_a_network_that_cuts_delays_and_doubles(place: Path | str, serve: Callable[..., Any], tmp_path: Path) -> None:
    local = tmp_path / "local"
    with serve(place) as served, proxy_to(served.port) as proxy:
        proxy.chance, proxy.faults = random.Random(3), 0.4
        run = treering.init(
            "p", id="r", dir=local, mode="online", config={"seed": 3},
            settings={**QUIET, "url": proxy.url, "finish_timeout_s": 0.5},
        )  # fmt: skip
        number, deadline_s = 0, time.monotonic() + 240
        while not set(FAULTS) <= set(proxy.seen) or number < 1500:
            assert time.monotonic() < deadline_s
            run.log(row(number))
            number += 1
            if number % 50 == 0:
                run.summary["best"] = number
                run.config.update({"step": number})
            if number % 700 == 0:
                run.rewind(number // 2)
                time.sleep(0.01)
            time.sleep(0.0005)
        run.finish()
        proxy.faults = 0.0
        assert completed(local, place, proxy.url, "r") == number
        # What was sent long ago and comes now changes nothing.
        for request in list(proxy.old):
            proxy.send(*request)
        assert assert_copied(local, place, "r") == number
