# SPDX-License-Identifier: Apache-2.0
"""Redis serves clients of the host and of the enclave without an error, and rests when idle."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.redis_client import Redis, until_ready
from tests.functional.running import Running, host

pytestmark = pytest.mark.needs("root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap")

IDLE_SECONDS = 5.0
IDLE_SHARE_MAX = 0.02
LARGE_BYTES = 32 << 20

INSIDE = """
redis-server --save '' --logfile /tmp/log & server=$!
until redis-cli ping 2>/dev/null | grep -q PONG; do sleep 0.02; done
redis-cli set greeting 'from inside'
redis-cli get greeting
redis-cli --latency-history -i 1 >/dev/null & spectator=$!
redis-cli -r 200 incr counter | tail -n 1
kill $spectator
redis-cli shutdown nosave
wait $server
echo "server: $?"
"""


@pytest.fixture
def server(enclaves: Enclaves, debian_image: Path) -> Running:
    network = enclaves.network()
    running = enclaves.start(
        debian_image,
        "/usr/bin/redis-server",
        *("--bind", network.address, "--protected-mode", "no", "--save", "", "--dir", "/tmp"),
        network=network,
        options=("--read-only", "--tmpfs", "/tmp"),
    )
    until_ready(running)
    return running


@pytest.mark.needs("redis-benchmark")
@pytest.mark.parametrize("pipeline", [1, 16])
def test_benchmark_from_the_host_completes(server: Running, pipeline: int) -> None:
    """redis-benchmark ends with status 1 at the first error that a server answers."""
    tests = "ping,set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset"
    options = ("-h", server.address, "-t", tests, "-n", "5000", "-P", pipeline, "--csv")
    rows = list(csv.DictReader(host("redis-benchmark", *map(str, options)).splitlines()))
    assert len(rows) == 13
    assert all(float(row["rps"]) > 0 for row in rows)
    with Redis(server.address) as redis:
        assert redis.info("stats")["total_error_replies"] == "0"
        assert redis("LLEN", "mylist") is not None
    assert server.stop() == 0


@pytest.mark.needs("redis-benchmark")
def test_hundreds_of_clients_are_served(server: Running) -> None:
    options = (
        "-h",
        server.address,
        "-t",
        "set,get",
        "-n",
        "20000",
        "-c",
        "400",
        "-d",
        "1024",
        "-q",
    )
    host("redis-benchmark", *options)
    # Connections that live for one request.
    host("redis-benchmark", "-h", server.address, "-t", "get", "-n", "3000", "-k", "0", "-q")
    with Redis(server.address) as redis:
        assert redis.info("stats")["rejected_connections"] == "0"


def test_large_values_come_back_unchanged(server: Running) -> None:
    value = bytes(range(256)) * (LARGE_BYTES // 256)
    with Redis(server.address) as redis:
        for name in ("first", "second"):
            assert redis("SET", name, value) == b"OK"
        assert redis("GET", "first") == value
        assert redis("GET", "second") == value


@pytest.mark.needs("redis-cli")
def test_cli_of_the_host_reaches_the_server(server: Running) -> None:
    client = ("redis-cli", "-h", server.address)
    assert host(*client, "set", "k", "v") == "OK\n"
    assert host(*client, "get", "k") == "v\n"
    host(*client, "shutdown", "nosave")
    assert server.wait(20) == 0


def test_cli_inside_the_enclave_reaches_the_server(enclaves: Enclaves, image: Path) -> None:
    output = enclaves.shell(image, INSIDE)
    assert output.splitlines()[-4:] == ["OK", "from inside", "200", "server: 0"]


def test_idle_server_uses_two_percent_of_a_core_at_most(server: Running) -> None:
    before = server.cpu_seconds()
    time.sleep(IDLE_SECONDS)  # the measurement itself: nothing happens that could be waited for
    used = server.cpu_seconds() - before
    assert used <= IDLE_SHARE_MAX * IDLE_SECONDS
    assert Redis(server.address)("PING") == b"PONG"


def test_idle_server_answers_at_once(server: Running) -> None:
    """A sleeping enclave is woken by a packet, not by its next tick."""
    with Redis(server.address) as redis:
        taken = []
        for _ in range(10):
            time.sleep(0.1)  # long enough to fall asleep
            start = time.monotonic()
            redis("PING")
            taken.append(time.monotonic() - start)
    assert sorted(taken)[len(taken) // 2] < 0.004
