"""Runs in groups over HTTP: what they have in common, and how far their values are apart."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from store_builder import StoreBuilder

HOSTILE = 'it\'s "a" \\ key; DROP TABLE runs --'


def fill(builder: StoreBuilder) -> None:
    for number in range(24):
        config: dict[str, Any] = {
            "lr": [0.1, 0.01, 1e-05][number % 3],
            "net": {"name": ["it's\\big", "small"][number % 2]},
            "fast": number % 4 == 0,
            HOSTILE: HOSTILE,
        }
        if number % 6 == 5:
            del config["lr"]
        # Far from zero and close together: a sum of squares would lose all of it.
        summary = {"loss": 1e9 + 1e-3 * number, "acc": float("nan") if number == 0 else float(number)}
        builder.run(
            f"r{number:02d}", config=config, summary=summary, state="failed" if number == 3 else "finished",
            group_name="ab"[number % 2],
        )  # fmt: skip
    builder.run("elsewhere", project="other", config={"lr": 7})


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def client(request: pytest.FixtureRequest, serve_all: Callable[..., Any], tmp_path_factory: Any) -> Iterator[Any]:
    place: Path | str = tmp_path_factory.mktemp("grouped") / "store"
    server = request.getfixturevalue("postgres_server") if request.param == "postgres" else None
    if server is not None:
        name = server.create_database()
        place = server.url(name)
    builder = StoreBuilder(place)
    fill(builder)
    builder.database.close()
    with serve_all(place) as served, served.client() as found:
        yield found
    if server is not None:
        server.drop_database(name)


def groups(client: Any, **given: Any) -> Any:
    answer = client.get("/api/v1/groups", params={"project": "p", **given})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_spread_is_that_of_the_values(client: Any) -> None:
    page = groups(client, by="config.net.name", column=["summary.loss", "summary.acc", "config.lr", "duration"])
    assert (page["total"], page["runs"]) == (2, 24)
    first, second = page["groups"]
    assert first["keys"][0]["value"] == "it's\\big"
    assert (first["runs"], second["runs"], second["states"]) == (12, 12, {"failed": 1, "finished": 11})
    losses = [1e9 + 1e-3 * number for number in range(0, 24, 2)]
    spread = first["values"]["summary.loss"]
    assert spread["mean"] == pytest.approx(statistics.mean(losses), rel=1e-12)
    assert spread["std"] == pytest.approx(statistics.stdev(losses), rel=1e-4)
    assert (spread["min"], spread["max"], spread["count"]) == (losses[0], losses[-1], 12)
    accuracy = first["values"]["summary.acc"]
    assert (accuracy["count"], accuracy["numbers"], accuracy["first"], accuracy["min"]) == (12, 11, "nan", 2)
    assert (second["values"]["config.lr"]["count"], second["values"]["duration"]["mean"]) == (8, 30)


def test_what_all_have_in_common_is_a_filter_for_them(client: Any) -> None:
    by = ["config.lr", "config.net.name", "config.fast", f"config.{HOSTILE}", "state", "group"]
    page = groups(client, by=by)
    assert sum(group["runs"] for group in page["groups"]) == 24
    for group in page["groups"]:
        condition = " and ".join(key["condition"] for key in group["keys"])
        found = client.get("/api/v1/runs", params={"project": "p", "filter": condition, "count": True}).json()
        assert found["total"] == group["runs"], condition
    values = {tuple(str(key["value"]) for key in group["keys"]) for group in page["groups"]}
    assert any(value[0] == "1e-05" for value in values)
    assert {value[2] for value in values} == {"True", "False"}
    assert {value[0] for value in values} >= {"None", "0.1"}


def test_groups_are_sorted_by_a_statistic_and_come_in_pages(client: Any) -> None:
    def rates(**given: Any) -> list[Any]:
        return [group["keys"][0]["value"] for group in groups(client, by="config.lr", **given)["groups"]]

    assert rates() == [1e-05, 0.01, 0.1, None]
    assert rates(order="-config.lr") == [0.1, 0.01, 1e-05, None]
    assert rates(order="-runs,config.lr") == [0.01, 0.1, 1e-05, None]
    assert rates(order="-summary.acc", statistic="max") == [None, 0.01, 0.1, 1e-05]  # of runs 23, 22, 21, 20
    assert rates(limit=2, offset=1) == [0.01, 0.1]


def test_members_come_evenly_from_all_groups(client: Any) -> None:
    page = groups(client, by="config.lr", members=9)
    assert [len(group["members"]) for group in page["groups"]] == [2, 2, 2, 2]
    for group in page["groups"]:
        made = [run["created_us"] for run in group["members"]]
        assert made == sorted(made, reverse=True)
        assert made[0] == group["newest_us"]


def test_a_search_takes_any_case_and_all_words(client: Any) -> None:
    assert groups(client, by="state", search="NAME 03")["groups"][0]["states"] == {"failed": 1}
    found = client.get("/api/v1/runs", params={"project": "p", "search": "R0 name-"}).json()["runs"]
    assert len(found) == 10
    assert client.get("/api/v1/runs", params={"project": "p", "search": "%"}).json()["runs"] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"by": "created"}, "cannot be grouped by created"),
        ({"by": ["state", "state"]}, "different fields"),
        ({"by": "tag"}, "cannot be grouped by tag"),
        ({"by": "lr"}, "did you mean config.lr"),
        ({"by": "state", "column": "name"}, "has no mean"),
        ({"by": "state", "order": "tag"}, "cannot be sorted"),
    ],
)
def test_what_makes_no_groups_is_explained(client: Any, given: dict[str, Any], told: str) -> None:
    answer = client.get("/api/v1/groups", params=given)
    assert answer.status_code == 400
    assert told in answer.json()["error"]["message"]


def test_people_choose_colours_and_groups(client: Any) -> None:
    changed = client.patch("/api/v1/runs/elsewhere", json={"colour": "#A1b2C3", "group": "night"}).json()
    assert (changed["colour"], changed["group"]) == ("#a1b2c3", "night")
    (listed,) = client.get("/api/v1/runs", params={"project": "other"}).json()["runs"]
    assert (listed["colour"], listed["group"]) == ("#a1b2c3", "night")
    assert client.get("/api/v1/runs/elsewhere").json()["colour"] == "#a1b2c3"
    for colour in ("red", "#12345", "#12345g", "url(x)"):
        assert client.patch("/api/v1/runs/elsewhere", json={"colour": colour}).status_code == 400
    changed = client.patch("/api/v1/runs/elsewhere", json={"colour": "", "group": ""}).json()
    assert (changed["colour"], changed["group"], changed["name"]) == (None, None, "name-elsewhere")
