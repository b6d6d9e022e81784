# SPDX-License-Identifier: Apache-2.0
"""nginx serves files byte for byte under load, as one process and as master with workers."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Disks, Enclaves
from tests.functional.running import Running, host

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "wrk", "curl"
)

CONFIG = """
daemon off;
{mode}
error_log stderr notice;
pid /run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
	access_log /var/log/nginx/access.log;
	sendfile {sendfile};
	keepalive_requests 1000000;
	server {{ listen 80 backlog=1024; root /data/site; }}
}}
"""
ONE_PROCESS = "master_process off;"
TWO_WORKERS = "worker_processes 2;"
SMALL_BYTES = 1 << 10
LARGE_BYTES = 3 << 20
WRK_SECONDS = 3

Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def site() -> dict[str, bytes]:
    return {"1k": os.urandom(SMALL_BYTES), "3m": os.urandom(LARGE_BYTES)}


@pytest.fixture
def serve(enclaves: Enclaves, image: Path, make_disk: Disks, site: dict[str, bytes]) -> Serve:
    """Start nginx with the site on a disk of its own, and return when it answers."""

    def started(mode: str, sendfile: str = "on") -> Running:
        files = {f"site/{name}": content for name, content in site.items()}
        config = CONFIG.format(mode=mode, sendfile=sendfile).encode()
        data = make_disk(files | {"nginx.conf": config})
        running = enclaves.start(
            *(image, "/usr/sbin/nginx", "-c", "/data/nginx.conf"),
            network=enclaves.network(),
            options=("--disk", f"{data},ro,mount=/data"),
        )
        running.until_port(80)
        return running

    return started


def load(address: str, name: str) -> int:
    """Load the server with wrk; return the number of good answers. Any bad one fails."""
    url = f"http://{address}/{name}"
    told = host("wrk", "-t2", "-c32", f"-d{WRK_SECONDS}s", url, timeout=WRK_SECONDS + 30)
    assert "Socket errors" not in told
    assert "Non-2xx" not in told
    found = re.search(r"(\d+) requests in", told)
    assert found is not None, told
    return int(found[1])


def assert_served_unchanged(address: str, site: dict[str, bytes], folder: Path) -> None:
    for name, content in site.items():
        copy = folder / name
        host("curl", "-sSf", "--max-time", "20", "-o", copy, f"http://{address}/{name}")
        assert hashlib.sha256(copy.read_bytes()).digest() == hashlib.sha256(content).digest()


@pytest.mark.parametrize("mode", [ONE_PROCESS, TWO_WORKERS], ids=["one-process", "two-workers"])
def test_load_is_served_without_an_error(
    serve: Serve, site: dict[str, bytes], tmp_path: Path, mode: str
) -> None:
    server = serve(mode)
    assert_served_unchanged(server.address, site, tmp_path)
    assert load(server.address, "1k") > 100
    assert load(server.address, "3m") > 10
    assert_served_unchanged(server.address, site, tmp_path)
    assert server.stop(signal.SIGQUIT) == 0


def test_files_are_served_without_sendfile(
    serve: Serve, site: dict[str, bytes], tmp_path: Path
) -> None:
    server = serve(ONE_PROCESS, sendfile="off")
    assert_served_unchanged(server.address, site, tmp_path)
    assert server.stop() == 0


def test_new_workers_take_over_on_sighup(
    serve: Serve, site: dict[str, bytes], tmp_path: Path
) -> None:
    server = serve(TWO_WORKERS)
    server.process.send_signal(signal.SIGHUP)
    server.until_line("reconfiguring")
    server.until_line(r"worker process \d+ exited with code 0")
    assert_served_unchanged(server.address, site, tmp_path)
    assert server.stop() == 0
