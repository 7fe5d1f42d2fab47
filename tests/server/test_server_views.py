"""Saved views over HTTP: kept, changed by several people at once, and gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_builder import StoreBuilder

HOSTILE = "<img src=x onerror=alert(1)>'; DROP TABLE views; --"


@pytest.fixture(params=["sqlite", "postgresql"])
def client(request: pytest.FixtureRequest, serve: Callable[..., Any], tmp_path: Path) -> Any:
    place: Path | str = tmp_path / "store" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    StoreBuilder(place).database.close()
    with serve(place) as served, served.client() as found:
        yield found


def test_a_view_is_kept_changed_and_gone(client: Any) -> None:
    given = {"project": HOSTILE, "name": f"  {HOSTILE} ", "search": "filter=config.lr < 0.1&group=config.seed"}
    answer = client.post("/api/v1/views", json=given)
    view = answer.json()
    assert (answer.status_code, view["name"], view["search"]) == (201, HOSTILE, given["search"])
    assert answer.headers["etag"] == '"1"'
    assert client.post("/api/v1/views", json=given).status_code == 409
    other = client.post("/api/v1/views", json={**given, "name": "Another", "is_default": True}).json()
    listed = client.get("/api/v1/views", params={"project": HOSTILE}).json()
    assert [(one["name"], one["is_default"]) for one in listed] == [(HOSTILE, False), ("Another", True)]
    assert client.get("/api/v1/views", params={"project": "p"}).json() == []
    path = f"/api/v1/views/{view['id']}"
    changed = client.patch(path, json={"is_default": True, "search": "x=epoch"}, headers={"If-Match": '"1"'})
    assert (changed.json()["search"], changed.json()["is_default"], changed.headers["etag"]) == ("x=epoch", True, '"2"')
    listed = client.get("/api/v1/views", params={"project": HOSTILE}).json()
    assert [one["is_default"] for one in listed] == [True, False]  # one at most
    taken = client.patch(f"/api/v1/views/{other['id']}", json={"name": HOSTILE}, headers={"If-Match": '"1"'})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 404
    assert client.patch(path, json={}, headers={"If-Match": '"2"'}).status_code == 404


def test_of_two_who_save_at_once_one_is_told(client: Any) -> None:
    view = client.post("/api/v1/views", json={"project": "p", "name": "night", "search": ""}).json()
    path = f"/api/v1/views/{view['id']}"
    assert client.patch(path, json={"search": "a"}).status_code == 428
    barrier = threading.Barrier(6)
    answers: list[Any] = []

    def save(number: int) -> None:
        barrier.wait()
        answers.append(client.patch(path, json={"search": str(number)}, headers={"If-Match": '"1"'}))

    threads = [threading.Thread(target=save, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
    (kept,) = client.get("/api/v1/views", params={"project": "p"}).json()
    assert (kept["search"], kept["revision"]) == (won["search"], 2)
    assert all("somebody else" in answer.json()["error"]["message"] for answer in answers if answer.status_code == 412)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "x" * 121])
def test_names_that_cannot_be_shown_are_refused(client: Any, name: str) -> None:
    assert client.post("/api/v1/views", json={"project": "p", "name": name, "search": ""}).status_code in {400, 422}
    assert client.get("/api/v1/views", params={"project": "p"}).json() == []
