"""Two servers over one PostgreSQL and one S3: a run may write to either, and one may die."""

from __future__ import annotations

import random
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from copies import assert_copied
from crash_yard import row
from lossy_proxy import proxy_to
from ports import free_port, free_ports
from s3_server import s3  # noqa: F401  # a fixture
from server_yard import TOKEN, open_server_yard

import treering
from treering.artifacts.depot import URL_KEY
from treering.online import uploading
from treering.store.database import Postgres


@pytest.fixture
def place(s3: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:  # noqa: F811  # that fixture
    """A PostgreSQL store whose large bytes are in a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setattr(uploading, "_RETRY_S", 0.02)
    url = f"s3://bucket/two?endpoint={s3}&region=us-east-1"
    database = Postgres(postgres_url, create=True)
    database.execute("INSERT INTO store_info (key, value) VALUES (:k, :v)", {"k": URL_KEY, "v": url})
    database.close()
    return postgres_url


@pytest.mark.filterwarnings("ignore:trouble while:treering.TreeringWarning")
def test_a_run_writes_to_either_and_one_dies(place: str, tmp_path: Path) -> None:
    ports = free_ports(2)
    pixels = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    weights = random.Random(1).randbytes(2_000_000)
    (tmp_path / "weights.bin").write_bytes(weights)
    with open_server_yard(tmp_path) as servers, proxy_to(*ports) as proxy:
        for port in ports:
            servers.start(port, place)
        run = treering.init(
            "p", id="r", dir=tmp_path / "here", mode="online",
            settings={"url": proxy.url, "api_key": TOKEN, "quiet": True, "system_interval_s": 0, "capture_git": False,
                      "flush_interval_s": 0.02},
        )  # fmt: skip
        number = 0
        for part in range(3):
            started = proxy.turn
            while proxy.turn < started + 8:
                run.log(row(number))
                number += 1
                time.sleep(0.001)
            run.log({"image": treering.Image(pixels[part:])})
            number += 1
            run.log_artifact(tmp_path / "weights.bin", name=f"w{part}")
            if part == 0:
                servers.kill(ports[0])
            if part == 1:
                servers.start(ports[0], place)
                servers.kill(ports[1])
        run.finish()
        assert assert_copied(tmp_path / "here", place, "r") == number
        with treering.Api(place) as api:
            found = api.run("r")
            assert found.state == "finished"
            images = found.history("image")
            assert [image.pixels.shape for image in images.values] == [(48 - part, 48, 3) for part in range(3)]
            assert api.version("w2").read() == weights
        with httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}", headers={"Authorization": f"Bearer {TOKEN}"}) as web:
            media = web.get("/api/v1/runs/r/media", params={"key": "image"}).json()["rows"]
            blob = web.get(f"/api/v1/runs/r/blobs/{media[0]['value']['value']['blob']}")
            assert (blob.status_code, blob.headers["content-type"]) == (200, "image/png")
            assert blob.content.startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore:trouble while:treering.TreeringWarning")
def test_without_an_object_store_rows_come_and_media_are_named(postgres_url: str, tmp_path: Path) -> None:
    port = free_port()
    with open_server_yard(tmp_path) as servers:
        servers.start(port, postgres_url)
        settings = {"url": f"http://127.0.0.1:{port}", "api_key": TOKEN, "quiet": True, "system_interval_s": 0}
        with treering.init("p", id="r", dir=tmp_path / "here", mode="online", settings=settings) as run:
            run.log({"loss": 1.0, "image": treering.Image(np.zeros((64, 64, 3), dtype=np.uint8) + 7)})
        with treering.Api(postgres_url) as api:
            assert list(api.run("r").history("loss").values) == [1.0]
