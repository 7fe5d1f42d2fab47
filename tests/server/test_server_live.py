"""The event stream: what a page is told while a run goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from store_builder import StoreBuilder

import treering
from treering import records
from treering.server.live import Feed
from treering.server.shelf import Shelf


class Events:
    """Reads an event stream."""

    def __init__(self, answer: Any) -> None:
        self._lines = answer.iter_lines()
        self.cursor = ""

    def next(self, *names: str) -> dict[str, Any]:
        """The data of the next event of one of these names."""
        name = ""
        deadline_s = time.monotonic() + 90
        for line in self._lines:  # a sign of life comes now and then, even when nothing else does
            assert time.monotonic() < deadline_s, f"none of {names} came"
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "id":
                self.cursor = value
            elif field == "data" and name in names:
                return {"event": name, **json.loads(value)}
        raise AssertionError("the stream ended")


@contextmanager
def listening(client: Any, headers: dict[str, str] | None = None, **asked: Any) -> Iterator[Events]:
    with client.stream("GET", "/api/v1/live", params=asked, headers=headers, timeout=90) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Events(answer)


def test_rows_come_once_and_in_order(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live", id="r", settings={"console": False}) as run:
        run.log({"loss": 0.0})
        run.flush()
        with serve(store_dir) as one, one.client() as client:
            with listening(client, project="live", run="r", key="loss") as events:
                assert events.next("hello")["next_rows"] == {"r": 1}
                for step in range(1, 4):
                    run.log({"loss": float(step), "other": 1})
                    run.flush()
                    told = events.next("rows")
                    assert told["series"] == [{"key": "loss", "rows": [step], "x": [step], "values": [float(step)]}]
                cursor = events.cursor
            run.log({"loss": 4.0})
            run.flush()
            # A browser that comes back says how far it was.
            with listening(client, {"Last-Event-ID": cursor}, project="live", run="r", key="loss") as events:
                rows = events.next("rows")["series"][0]["rows"]
                assert rows[-1] == 4
                assert rows == sorted(set(rows))
            with listening(client, project="live", run=["r", "later"], key="loss") as events:
                events.next("hello")
                with treering.init(project="live", id="later", reinit=True) as other:
                    other.log({"loss": 9.0})
                told = [events.next("rows") for _ in range(1)]
                assert told[0]["run"] == "later"


def test_states_come_for_every_run_of_the_project(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live", id="first"):
        pass
    with serve(store_dir) as one, one.client() as client, listening(client, project="live") as events:
        events.next("hello")
        with treering.init(project="elsewhere", id="unseen"):
            pass
        with treering.init(project="live", id="second") as run:
            run.log({"loss": 1.0})
        seen = []
        while not seen or seen[-1]["state"] != "finished":
            seen.append(events.next("run"))
        assert {one["id"] for one in seen} == {"second"}
        assert seen[-1]["summary"]["loss"] == 1.0


def test_too_many_pages(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live"):
        pass
    with serve(store_dir, max_streams=1) as one, one.client() as client:
        with listening(client) as events:
            events.next("hello")
            refused = client.get("/api/v1/live")
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
        # The place is free again as soon as the server has seen that the page is gone.
        deadline_s = time.monotonic() + 60
        while True:
            with client.stream("GET", "/api/v1/live") as answer:
                if answer.status_code == 200:
                    break
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


def test_a_cursor_that_is_none(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live"):
        pass
    with serve(store_dir) as one, one.client() as client:
        assert client.get("/api/v1/live", params={"cursor": "nonsense"}).status_code == 400


def test_lines_of_the_console_come(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live", id="r", settings={"console": False}) as run:
        run.log({"loss": 0.0})
        run.flush()
        with serve(store_dir) as one, one.client() as client, listening(client, run="r", console="1") as events:
            events.next("hello")
            run.log_stream(records.CONSOLE, {"text": "hello", "line": 0, "source": "stdout"})
            run.flush()
            (line,) = events.next("console")["lines"]
            assert (line["row"], line["text"]) == (0, "hello")


def test_rows_of_the_machine_and_events_come(store_dir: Any, serve: Callable[..., Any]) -> None:
    with treering.init(project="live", id="r", settings={"console": False, "system_interval_s": 0}) as run:
        run.log({"loss": 0.0})
        run.log_stream(records.SYSTEM, {"cpu": 1.0})
        run.flush()
        with (
            serve(store_dir) as one,
            one.client() as client,
            listening(client, run="r", system="1", events="1") as events,
        ):
            assert events.next("hello")["next_rows"] == {"r": 1}
            run.log_stream(records.SYSTEM, {"cpu": 50.0, "ram": 3})
            run.flush()
            (row,) = events.next("system")["rows"]
            assert (row["row"], row["cpu"], row["ram"]) == (1, 50.0, 3)
            run.log_event("milestone", "half way", epoch=3)
            run.flush()
            (row,) = events.next("events")["rows"]
            assert (row["message"], row["epoch"]) == ("half way", 3)


def test_who_looks_is_shown_rows_soon(store_dir: Any, serve: Callable[..., Any]) -> None:
    """The rows are never flushed by hand: the writer does it, once it knows that somebody looks."""
    with treering.init(project="live", id="r", settings={"console": False, "flush_interval_s": 2.0}) as run:
        run.log({"loss": 0.0})
        run.flush()
        pace = run._recording.background._pace
        assert pace.interval_s() == 2.0
        with serve(store_dir) as one, one.client() as client:
            with listening(client, run="r", key="loss") as events:
                events.next("hello")
                wait_until(lambda: pace.interval_s() == 0.1)
                run.log({"loss": 1.0})
                assert events.next("rows")["series"][0]["values"] == [1.0]
            wait_until(lambda: pace.interval_s() == 2.0)
    assert list((store_dir / "watched").iterdir()) == []


def test_an_online_run_goes_over_quickly_while_somebody_watches_there(
    place: Any, tmp_path: Path, serve: Callable[..., Any]
) -> None:
    """The server says so with what it answers; with nobody there, the run keeps its pace and its store no file."""
    with serve(place) as one, one.client() as client:
        settings = {"console": False, "system_interval_s": 0, "flush_interval_s": 2.0, "capture_git": False}
        settings |= {"url": one.url, "api_key": one.authorization.removeprefix("Bearer ")}
        with treering.init("live", id="r", dir=tmp_path / "here", mode="online", settings=settings) as run:
            uploader, pace = run._recording._uploader, run._recording.background._pace
            assert uploader is not None
            run.log({"loss": 0.0})
            wait_until(lambda: client.get("/api/v1/runs/r").status_code == 200)
            with listening(client, run="another", key="loss") as events:
                events.next("hello")
                told = client.post("/api/v1/runs/r/beat").json()
                assert told["watched"] is False
            assert (uploader._pause_s(), pace.interval_s()) == (2.0, 2.0)
            with listening(client, run="r", key="loss") as events:
                events.next("hello")
                run.log({"loss": 1.0})
                wait_until(lambda: (uploader._pause_s(), pace.interval_s()) == (0.05, 0.1))
                for value in (2.0, 3.0):
                    run.log({"loss": value})
                    while events.next("rows")["series"][0]["values"][-1] != value:
                        pass
            # Nothing is logged any more: it is asked whether anybody is still there.
            wait_until(lambda: uploader._pause_s() == 2.0)
        assert list((tmp_path / "here" / "watched").iterdir()) == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_an_idle_page_costs_nothing(store_dir: Any, monkeypatch: Any) -> None:
    """While nothing is committed the store is not asked what is new; somebody else's commit is noticed."""
    builder = StoreBuilder(store_dir)
    run = builder.run("r", project="live", state="running", ended_us=None)
    run.log([(0, {"loss": 0.0})])
    feed = Feed(Shelf(store_dir), "live", ["r"], ["loss"])
    feed.start(None)
    assert feed.poll() == []
    asked: list[Any] = []
    changed = feed._changed
    monkeypatch.setattr(feed, "_changed", lambda: asked.append(1) or changed())
    assert [feed.poll() for _ in range(5)] == [[]] * 5
    assert asked == []
    run.log([(1, {"loss": 1.0})])
    news = feed.poll()
    assert [(name, data["series"][0]["values"]) for name, data in news] == [("rows", [1.0])]
    feed.close()
    builder.database.close()
