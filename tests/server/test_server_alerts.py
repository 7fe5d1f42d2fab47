"""Alerts over HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from store_builder import StoreBuilder

import treering
from treering.errors import UsageError
from treering.server.app import create_api
from treering.server.options import ServerOptions

TARGETS = """
[targets.team]
webhook = "https://user:s3cret@hooks.example.com/s3cret?key=s3cret"
[targets.near]
webhook = "http://127.0.0.1:1/s3cret"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    StoreBuilder(folder).run("old", state="failed").database.close()
    (folder / "alerts.toml").write_text(TARGETS)
    return folder


def test_rules(folder: Path, serve: Callable[..., Any]) -> None:
    with serve(folder) as served, served.client() as client:
        answer = client.post("/api/v1/alert-rules", json={"condition": "loss  >  5", "project": "p"})
        rule = answer.json()
        assert (answer.status_code, rule["condition"], rule["project"]) == (201, "loss > 5", "p")
        client.post("/api/v1/alert-rules", json={"condition": "state is lost", "targets": ["team"]})
        assert [
            (one["condition"], one["project"], one["targets"]) for one in client.get("/api/v1/alert-rules").json()
        ] == [
            ("loss > 5", "p", []),
            ("state is lost", None, ["team"]),
        ]
        assert client.delete(f"/api/v1/alert-rules/{rule['id']}").status_code == 204
        assert client.delete(f"/api/v1/alert-rules/{rule['id']}").status_code == 404
        assert len(client.get("/api/v1/alert-rules").json()) == 1
        refused = client.post("/api/v1/alert-rules", json={"condition": "loss"})
        assert (refused.status_code, "cannot be read" in refused.text) == (400, True)
        unknown = client.post("/api/v1/alert-rules", json={"condition": "loss > 1", "targets": ["nobody"]})
        assert (unknown.status_code, "names team, near" in unknown.text) == (404, True)


def test_what_is_raised_is_listed(folder: Path, serve: Callable[..., Any]) -> None:
    with serve(folder) as served, served.client() as client:
        with treering.init(dir=folder, project="robots", name="night", id="r") as run:
            run.alert("<b>hot</b>", "92 degrees", level="error")
        deadline_s = time.monotonic() + 60
        while not (found := client.get("/api/v1/alerts", params={"project": "robots"}).json()["alerts"]):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        (alert,) = found
        assert (alert["title"], alert["text"], alert["level"], alert["rule_id"], alert["run_id"]) == (
            "night: <b>hot</b>", "92 degrees", "error", None, "r",
        )  # fmt: skip
        assert client.get("/api/v1/alerts", params={"project": "other"}).json() == {"alerts": [], "next": None}
        assert client.get("/api/v1/alerts", params={"before": alert["id"]}).json()["alerts"] == []


def test_targets_are_shown_without_their_secrets(folder: Path, serve: Callable[..., Any]) -> None:
    with serve(folder) as served, served.client() as client:
        answer = client.get("/api/v1/alert-targets")
        assert [one["shown"] for one in answer.json()] == ["hooks.example.com (json)", "127.0.0.1 (json)"]
        tried = client.post("/api/v1/alert-targets/near/test")
        assert "inside the server's own network" in tried.json()["trouble"]
        assert client.post("/api/v1/alert-targets/nobody/test").status_code == 404
        assert "s3cret" not in answer.text + tried.text


def test_a_file_with_a_mistake_is_told_at_the_start(folder: Path) -> None:
    (folder / "alerts.toml").write_text("[targets.a]")
    with pytest.raises(UsageError, match="takes one of webhook"):
        create_api(ServerOptions(folder, "t" * 40))
    with pytest.raises(UsageError, match="there is no file"):
        create_api(ServerOptions(folder, "t" * 40, alerts=folder / "none.toml"))
