"""Reports over HTTP: versions, two people at once, comments, blocks, and the file to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from store_builder import StoreBuilder

from treering.server.tokens import Tokens

HOSTILE = '"><script>alert(1)</script>\u202e\ud7ff'


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("reports") / "store"
    builder = StoreBuilder(folder)
    for number in range(3):
        run = builder.run(
            f"run{number}",
            project="p",
            name=f"n{number}",
            config={"lr": number / 10, "same": 1},
            summary={"loss": number},
        )
        run.log([(step, {"loss": step / (number + 1), "val/loss": float(step)}) for step in range(20)])
    builder.database.close()
    with serve(folder) as served, served.client() as found:
        found.timeout = 60
        yield found


def new(client: httpx.Client, **more: str) -> dict[str, Any]:
    given = {"project": "p", "title": "T", "text": "# one", "author": "Ann", **more}
    answer = client.post("/api/v1/reports", json=given)
    assert answer.status_code == 201
    return dict(answer.json())


def test_what_is_saved_comes_back_with_all_its_versions(client: httpx.Client) -> None:
    report = new(client, title=f" {HOSTILE}  two ", text=f"# {HOSTILE}\n")
    place = f"/api/v1/reports/{report['id']}"
    assert (report["version"], report["title"], report["text"]) == (1, f"{HOSTILE} two", f"# {HOSTILE}\n")
    saved = client.put(place, json={"title": "T2", "text": "two", "author": "Bob"}, headers={"If-Match": '"1"'})
    assert (saved.status_code, saved.json()["version"], saved.json()["author"]) == (200, 2, "Bob")
    old = client.get(place, params={"version": 1}).json()
    assert (old["text"], old["shown"], old["version"]) == (f"# {HOSTILE}\n", 1, 2)
    back = {"title": old["title"], "text": old["text"], "restored": 1}
    assert client.put(place, json=back, headers={"If-Match": "2"}).json()["version"] == 3
    listed = client.get(f"{place}/versions").json()
    assert [(one["number"], one["author"], one["restored"]) for one in listed] == [
        (3, "", 1),
        (2, "Bob", None),
        (1, "Ann", None),
    ]
    assert client.get(place).json()["text"] == f"# {HOSTILE}\n"
    assert report["id"] in [one["id"] for one in client.get("/api/v1/reports", params={"project": "p"}).json()]
    assert client.get("/api/v1/reports", params={"project": "q"}).json() == []
    assert client.get(place, params={"version": 9}).status_code == 404
    assert client.delete(place).status_code == 204
    assert [client.get(path).status_code for path in (place, f"{place}/versions", f"{place}/comments")] == [404] * 3


def test_the_second_of_two_who_save_at_once_is_told(client: httpx.Client) -> None:
    place = f"/api/v1/reports/{new(client)['id']}"
    mine, theirs = ({"title": "T", "text": text, "author": who} for text, who in (("mine", "Ann"), ("theirs", "Bob")))
    assert client.put(place, json=theirs, headers={"If-Match": '"1"'}).status_code == 200
    late = client.put(place, json=mine, headers={"If-Match": '"1"'})
    assert late.status_code == 412
    assert "Bob has saved version 2" in late.json()["error"]["message"]
    assert client.get(place).json()["text"] == "theirs"
    assert client.put(place, json=mine).status_code == 428
    assert client.put(place, json=mine, headers={"If-Match": "*"}).status_code == 412
    assert client.put(f"{place}0", json=mine, headers={"If-Match": '"1"'}).status_code == 404


def test_comments_are_answered_settled_and_taken_back(client: httpx.Client) -> None:
    place = f"/api/v1/reports/{new(client)['id']}/comments"
    first = client.post(place, json={"text": HOSTILE, "author": HOSTILE[:50]}).json()
    answer = client.post(place, json={"text": "yes", "author": "Bob", "reply_to": first["id"]}).json()
    again = client.post(place, json={"text": "no", "reply_to": answer["id"]}).json()
    assert (first["text"], answer["reply_to"], again["reply_to"]) == (HOSTILE, first["id"], first["id"])
    settled = client.patch(f"{place}/{first['id']}", json={"resolved": True, "author": "Cy"}).json()
    assert settled["resolved_us"] >= first["time_us"]
    assert settled["resolved_by"] == "Cy"
    opened = client.patch(f"{place}/{first['id']}", json={"resolved": False}).json()
    assert (opened["resolved_us"], opened["resolved_by"]) == (None, "")
    assert client.delete(f"{place}/{first['id']}").status_code == 204
    assert client.get(place).json() == []
    assert client.post(place, json={"text": " "}).status_code == 400
    assert client.post(place, json={"text": "x", "reply_to": "nobody"}).status_code == 404
    other = new(client)["id"]
    kept = client.post(place, json={"text": "here"}).json()["id"]
    assert client.delete(f"/api/v1/reports/{other}/comments/{kept}").status_code == 404


def block(client: httpx.Client, kind: str, text: str) -> dict[str, Any]:
    answer = client.post("/api/v1/report-blocks", json={"project": "p", "kind": kind, "text": text})
    assert answer.status_code == 200
    return dict(answer.json())


def test_blocks_find_runs_and_metrics(client: httpx.Client) -> None:
    chart = block(
        client, "chart", "keys: ['*loss', gone]\nfilter: config.lr < 0.15\norder: config.lr\nsmoothing: ema 30"
    )
    assert [one["id"] for one in chart["runs"]] == ["run0", "run1"]
    assert chart["keys"] == [{"key": "loss", "x": "_step"}, {"key": "val/loss", "x": "_step"}]
    assert (chart["missing"], chart["smoothing"], chart["more"]) == (["gone"], ["ema", 30.0], False)
    exact = block(client, "chart", '{"keys": "loss", "runs": ["run2", "run0", "none"], "limit": 1}')
    assert ([one["id"] for one in exact["runs"]], exact["more"]) == (["run2"], True)
    table = block(client, "runs", "")
    assert table["columns"] == ["name", "state", "config.lr", "summary.loss"]
    assert table["runs"][0]["values"] == {"config.lr": 0.2, "summary.loss": 2}
    for kind, text in (("chart", "keys: x\nfilter: '('"), ("runs", "columns: [lr]"), ("chart", "[" * 5000)):
        assert block(client, kind, text)["error"]


def test_the_file_to_keep_is_never_a_page_of_ours(client: httpx.Client) -> None:
    report = new(client, title="../<b>A b</b>", text="```chart\nkeys: loss\n```")
    answer = client.get(f"/api/v1/reports/{report['id']}/page")
    assert answer.headers["content-disposition"] == 'attachment; filename="b-a-b-b.html"'
    assert "sandbox" in answer.headers["content-security-policy"]
    assert 'class="chart"' in answer.text
    assert "<b>A b</b>" not in answer.text


def test_a_ticket_opens_the_door_for_a_while_and_leads_to_pages_only(served: Any) -> None:
    tokens = Tokens("secret-token-of-these-tests-0123456789abcdef")
    with served.stranger() as stranger:
        stranger.timeout = 60
        good = stranger.get("/login", params={"token": tokens.ticket(), "to": "/p/runs/run1"})
        assert (good.status_code, 'url=/p/runs/run1"' in good.text) == (200, True)
        assert tokens.cookie_value in good.headers["set-cookie"]
        late = tokens.ticket(-1)
        until, proof = tokens.ticket().removeprefix("ticket-").split(".")
        for bad in (
            late,
            f"ticket-{int(until) + 1}.{proof}",
            f"ticket-{until}.",
            "ticket-x.y",
            Tokens("x" * 40).ticket(),
        ):
            assert stranger.get("/login", params={"token": bad}).status_code == 403
        for foreign in (
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/ /evil",
            "/;url=//evil",
            "javascript:1",
        ):
            answer = stranger.get("/login", params={"token": tokens.ticket(), "to": foreign})
            assert 'url=/"' in answer.text
        assert (
            stranger.get("/api/v1/projects", headers={"Authorization": f"Bearer {tokens.ticket()}"}).status_code == 401
        )


def test_a_store_that_is_read_only_says_so(tmp_path: Path) -> None:
    from treering.api._sources import Source
    from treering.errors import StoreError
    from treering.reports import open_reports
    from treering.store.database import open_database

    folder = tmp_path / "store"
    StoreBuilder(folder).database.close()
    database = open_database(folder / "treering.db", read_only=True)
    source = Source(database, folder)
    source.writable = lambda: database  # type: ignore[method-assign]  # as on a medium that nobody may write to
    with pytest.raises(StoreError, match="read-only"), open_reports(source) as reports:
        reports.create("p", "T", "")
    database.close()
