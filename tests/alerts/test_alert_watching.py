"""From a run to somebody who is told: real runs, a real watcher, a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from store_builder import StoreBuilder

import treering
from treering.alerts import Ledger, Rule, Targets, Watcher, load_targets, open_ledger
from treering.api import Api
from treering.api._sources import open_sources
from treering.errors import NotFound, UsageError


@contextmanager
def opened(place: Path | str) -> Iterator[Ledger]:
    sources = open_sources(place)
    with open_ledger(sources[0]) as ledger:
        yield ledger
    for source in sources:
        source.database.close()


class Yard:
    """A store, whom it tells, and a watcher that looks when it is asked to."""

    def __init__(self, folder: Path, hook: Any) -> None:
        self.folder = folder
        self.hook = hook
        folder.mkdir(exist_ok=True)
        self.write(f'internal = ["127.0.0.1"]\n[targets.team]\nwebhook = "{hook.url}"\n')
        self.watcher = Watcher(lambda: Api(folder), self.targets)

    def write(self, text: str) -> None:
        (self.folder / "alerts.toml").write_text(text)

    def targets(self) -> Targets:
        return load_targets(self.folder / "alerts.toml")

    def rule(self, condition: str, **options: Any) -> Rule:
        with opened(self.folder) as ledger:
            return ledger.add_rule(condition, **options)

    def look(self) -> list[str]:
        """Look once, and return the titles that were told."""
        before = len(self.hook.bodies)
        self.watcher.look()
        return sorted(body["title"] for body in self.hook.bodies[before:])

    def due_now(self) -> None:
        """Let what waits for its next try be tried at once."""
        with opened(self.folder) as ledger:
            ledger._database.execute("UPDATE alerts SET due_us = 0")


@pytest.fixture
def yard(tmp_path: Path, hook: Any) -> Yard:
    return Yard(tmp_path / "store", hook)


def test_from_the_training_to_the_team(yard: Yard) -> None:
    with treering.init(dir=yard.folder, project="p", name="night", id="r") as run:
        run.alert("hot", "92 degrees", level="warn")
        run.alert("hot", "93 degrees", wait_duration=60)
        run.alert("hot", "94 degrees", wait_duration=60)
        run.flush()
        assert yard.look() == ["night: hot", "night: hot"]
        assert yard.look() == []
        run.alert("cold")
    assert yard.look() == ["night: cold"]
    assert [body["text"] for body in yard.hook.bodies] == ["92 degrees", "93 degrees", "cold"]
    assert [body["level"] for body in yard.hook.bodies] == ["warn", "info", "info"]


def test_a_rule_is_told_once_a_run(yard: Yard) -> None:
    with treering.init(dir=yard.folder, name="a") as run:
        run.log({"loss": 1.0})
        run.flush()
        yard.rule("loss > 5")
        assert yard.look() == []
        run.log({"loss": 50.0})
        run.log({"loss": 1.0})
        run.flush()
        assert yard.look() == ["a: loss reached 50 (loss > 5)"]
        run.log({"loss": 60.0})
        run.flush()
        assert yard.look() == []
    other = Yard(yard.folder, yard.hook)
    assert other.look() == [], "nor by another server that begins later"
    with treering.init(dir=yard.folder, name="b") as run:
        run.log({"loss": float("inf")})
    assert yard.look() == ["b: loss reached inf (loss > 5)"]


def test_rules_of_one_project_and_for_some_targets(yard: Yard) -> None:
    url = yard.hook.url
    yard.write(
        f'internal = ["127.0.0.1"]\n[targets.team]\nwebhook = "{url}"\n[targets.night]\nwebhook = "{url}"\n'
        f'level = "error"\ncode = false\n'
    )
    with treering.init(dir=yard.folder, project="robots", name="a") as run:
        run.alert("by code", level="error")
    yard.rule("state is finished", project="cars")
    yard.rule("state is finished", project="robots", targets=["team"])
    yard.rule("state is finished or failed", targets=["night"])
    assert yard.look() == ["a: by code", "a: it finished"], "night hears errors only, and nothing from code"


def test_a_run_that_failed_and_one_that_was_killed(yard: Yard) -> None:
    def fail() -> None:
        with treering.init(dir=yard.folder, name="bad") as run:
            run.log({"loss": 1.0})
            yard.rule("state is failed or lost")
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert yard.look() == ["bad: it failed at step 0: ValueError: boom"]
    program = "import os, treering\nrun = treering.init(name='dead')\nrun.log({'a': 1})\nos.kill(os.getpid(), 9)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TREERING_DIR": str(yard.folder)}, check=False, timeout=100
    )
    assert done.returncode == -signal.SIGKILL
    assert yard.look() == ["dead: it was lost at step 0: the process was killed (SIGKILL, out of memory, or a crash)"]


def test_runs_that_ended_before_a_rule_do_not_concern_it(yard: Yard) -> None:
    StoreBuilder(yard.folder).run("old", state="failed").database.close()
    yard.rule("state is failed")
    assert yard.look() == []


def test_no_progress_is_told_once_a_standstill(yard: Yard) -> None:
    with treering.init(dir=yard.folder, name="slow") as run:
        run.log({"a": 1})
        run.flush()
        yard.rule("no progress for 0.01s")
        time.sleep(0.02)
        assert yard.look() == ["slow: nothing was logged for 0 minutes, after row 1"]
        assert yard.look() == []
        run.log({"a": 1})
        run.flush()
        time.sleep(0.02)
        assert yard.look() == ["slow: nothing was logged for 0 minutes, after row 2"]


# -- trouble ----------------------------------------------------------------------------------------------------------


def test_what_does_not_arrive_is_sent_again(yard: Yard) -> None:
    yard.hook.answers = [500, 500, 200]
    with treering.init(dir=yard.folder, name="a") as run:
        run.alert("hot")
    assert len(yard.look()) == 1
    assert yard.look() == [], "not before its time"
    with opened(yard.folder) as ledger:
        (alert,) = ledger.alerts()
        assert (alert.waiting, alert.tries, alert.trouble) == (("team",), 1, "team: answered 500 no, thanks")
    yard.due_now()
    assert len(yard.look()) == 1
    yard.due_now()
    assert len(yard.look()) == 1
    with opened(yard.folder) as ledger:
        (alert,) = ledger.alerts()
        assert (alert.waiting, alert.tries, alert.trouble) == (None, 3, None)


def test_one_target_that_fails_does_not_keep_it_from_others(yard: Yard) -> None:
    yard.write(
        'internal = ["127.0.0.1"]\n[targets.gone]\nwebhook = "http://127.0.0.1:1"\n'
        f'[targets.team]\nwebhook = "{yard.hook.url}"\n'
    )
    with treering.init(dir=yard.folder, name="a") as run:
        run.alert("hot")
    assert yard.look() == ["a: hot"]
    yard.due_now()
    assert yard.look() == [], "team has got it"
    with opened(yard.folder) as ledger:
        assert ledger.alerts()[0].waiting == ("gone",)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_many_servers_send_each_alert_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = tmp_path / "store" if kind == "sqlite" else request.getfixturevalue("postgres_url")
    builder = StoreBuilder(place)
    builder.run("r", state="failed")
    builder.database.close()
    with opened(place) as ledger:
        rule = ledger.add_rule("state is failed")
    raised: list[bool] = []
    claimed: list[int] = []

    def serve() -> None:
        from treering.alerts import Alert

        with opened(place) as ledger:
            for number in range(20):
                alert = Alert(0, 1, "p", "r", rule.id, f"o{number}", "info", "t", "t", ("team",), 0, None)
                raised.append(ledger.raise_alert(alert))
            while (found := ledger.claim()) is not None:
                claimed.append(found.id)
                ledger.settle(found, (), None)

    servers = [threading.Thread(target=serve) for _ in range(4)]
    for server in servers:
        server.start()
    for server in servers:
        server.join()
    assert sum(raised) == 20
    assert len(claimed) == len(set(claimed)) == 20


def test_given_up_at_last(yard: Yard) -> None:
    yard.hook.answers = [500]
    with treering.init(dir=yard.folder, name="a") as run:
        run.alert("hot")
    yard.look()
    waits_us: list[int] = []
    with opened(yard.folder) as ledger:
        for _ in range(29):
            yard.due_now()
            alert = ledger.claim()
            assert alert is not None
            ledger.settle(alert, ["team"], "no")
            ((due_us,),) = ledger._database.query("SELECT due_us FROM alerts")
            waits_us.append(due_us - time.time_ns() // 1000)
        yard.due_now()
        assert ledger.claim() is None
        (alert,) = ledger.alerts()
        assert (alert.waiting, alert.tries, alert.trouble) == (None, 30, "no")
    assert waits_us[1] > 100e6, "it waits longer each time"
    assert sum(waits_us) > 20 * 3600e6, "for about a day"


def test_rules_are_checked(yard: Yard) -> None:
    StoreBuilder(yard.folder).database.close()
    with pytest.raises(UsageError, match="cannot be read"):
        yard.rule("loss")
    with pytest.raises(NotFound, match="no rule 'none'"), opened(yard.folder) as ledger:
        ledger.remove_rule("none")


def test_pages(yard: Yard) -> None:
    with treering.init(dir=yard.folder, name="a") as run:
        for number in range(5):
            run.alert(f"n{number}")
    yard.look()
    with opened(yard.folder) as ledger:
        first = ledger.alerts(limit=2)
        second = ledger.alerts(limit=10, before=first[-1].id)
        assert [one.title for one in (*first, *second)] == [f"a: n{number}" for number in (4, 3, 2, 1, 0)]
        assert ledger.alerts("other") == []


def test_the_thread_goes_on_after_trouble(yard: Yard, caplog: pytest.LogCaptureFixture) -> None:
    watcher = Watcher(lambda: Api(yard.folder), yard.targets, interval_s=0.01)
    watcher.start()
    try:
        yard.write("[targets")
        with treering.init(dir=yard.folder, name="a") as run:
            run.alert("hot")
        deadline_s = time.monotonic() + 30
        while "alerts.toml" not in caplog.text:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        assert caplog.text.count("looking for alerts") == 1, "the same trouble is told once"
        yard.write(f'internal = ["127.0.0.1"]\n[targets.team]\nwebhook = "{yard.hook.url}"\n')
        while not yard.hook.bodies:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
    finally:
        watcher.stop()
