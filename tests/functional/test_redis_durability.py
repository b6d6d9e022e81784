# SPDX-License-Identifier: Apache-2.0
"""What Redis acknowledged is there after SIGKILL and restart; a snapshot is of one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.redis_client import Redis, RedisError, until_ready
from tests.functional.running import Network, Running, host

pytestmark = pytest.mark.needs("root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap")

WRITERS = 4
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
NO_AOF = ("--appendonly", "no", "--save", "")
PAIRS = 2000

Start = Callable[..., Running]


@pytest.fixture
def network(enclaves: Enclaves) -> Network:
    return enclaves.network()


@pytest.fixture
def start(enclaves: Enclaves, checked_image: Path, network: Network) -> Start:
    """Start a server on the test's image and network, and return when it answers."""

    def started(*words: str, cpus: int = 1) -> Running:
        running = enclaves.start(
            checked_image,
            "/usr/bin/redis-server",
            *("--bind", network.address, "--protected-mode", "no", "--dir", "/var/lib/redis"),
            *words,
            network=network,
            options=("--cpus", str(cpus)),
        )
        until_ready(running)
        return running

    return started


class Writer(threading.Thread):
    """Writes numbered keys one after the other and remembers the last acknowledged one."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.redis = Redis(address)
        self.acknowledged = 0

    def run(self) -> None:
        try:
            while True:
                number = self.acknowledged + 1
                assert self.redis("SET", f"{self.name}:{number}", value_of(number)) == b"OK"
                self.acknowledged = number
        except OSError:
            self.redis.close()


def value_of(number: int) -> bytes:
    return b"%d-" % number * (1 + number % 50)


def kill_while_writing(running: Running, writes: int) -> dict[str, int]:
    """Kill the enclave after some writes; return each writer's last acknowledged number."""
    writers = [Writer(running.address, f"w{number}") for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    running.until(lambda: sum(each.acknowledged for each in writers) >= writes, "writes", 60)
    running.kill()
    for writer in writers:
        writer.redis.hang_up()
        writer.join(30)
        assert not writer.is_alive()
    return {writer.name: writer.acknowledged for writer in writers}


@pytest.mark.parametrize("writes", [20, 1000, 4000])
def test_every_acknowledged_write_survives_sigkill(start: Start, writes: int) -> None:
    first = start(*ALWAYS)
    acknowledged = kill_while_writing(first, writes)
    assert first.network is not None
    assert not first.network.is_there()

    with Redis(start(*ALWAYS).address) as redis:
        lost = [
            f"{name}:{number}"
            for name, last in acknowledged.items()
            for number in range(1, last + 1)
            if redis("GET", f"{name}:{number}") != value_of(number)
        ]
    assert not lost


def test_append_only_file_survives_restarts(start: Start) -> None:
    for expected in range(3):
        server = start(*ALWAYS)
        with Redis(server.address) as redis:
            assert redis("INCR", "starts") == expected + 1
            assert redis("DBSIZE") == (1 + 500 * expected)
            redis.pipeline([("SET", f"{expected}:{key}", key) for key in range(500)])
        assert server.stop() == 0


def test_rewrite_of_the_append_only_file_keeps_data(start: Start) -> None:
    server = start(*ALWAYS)
    with Redis(server.address) as redis:
        redis.pipeline([("INCR", f"counter:{number % 100}") for number in range(5000)])
        redis("BGREWRITEAOF")
        redis.pipeline([("INCR", f"counter:{number % 100}") for number in range(5000)])
        server.until(lambda: redis.info("persistence")["aof_rewrite_in_progress"] == "0", "rewrite")
        assert redis.info("persistence")["aof_last_bgrewrite_status"] == "ok"
    server.kill()

    with Redis(start(*ALWAYS).address) as redis:
        assert [redis("GET", f"counter:{number}") for number in range(100)] == [b"100"] * 100


class PairUpdater(threading.Thread):
    """Sets both keys of a pair to one value, again and again."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.redis = Redis(address)
        self.rounds = 0

    def run(self) -> None:
        try:
            while True:
                self.rounds += 1
                value = f"{self.rounds}" * 20
                self.redis.pipeline(
                    [("MSET", f"a{pair}", value, f"b{pair}", value) for pair in range(PAIRS)]
                )
        except (OSError, RedisError):
            self.redis.close()


@pytest.mark.parametrize(
    "cpus", [1, pytest.param(2, marks=pytest.mark.needs("two-cpus"))], ids="{}cpu".format
)
def test_snapshot_by_fork_under_load_is_of_one_moment(start: Start, cpus: int) -> None:
    server = start(*NO_AOF, cpus=cpus)
    updater = PairUpdater(server.address)
    with Redis(server.address) as redis:
        updater.start()
        server.until(lambda: updater.rounds > 2, "load")
        assert redis("BGSAVE") == b"Background saving started"
        server.until(lambda: redis.info("persistence")["rdb_bgsave_in_progress"] == "0", "snapshot")
        assert redis.info("persistence")["rdb_last_bgsave_status"] == "ok"
        rounds = updater.rounds
    server.kill()
    updater.redis.hang_up()
    updater.join(30)
    assert rounds > 2

    with Redis(start(*NO_AOF).address) as redis:
        assert redis("DBSIZE") == 2 * PAIRS
        torn = [n for n in range(PAIRS) if redis("GET", f"a{n}") != redis("GET", f"b{n}")]
    assert not torn


@pytest.mark.needs("redis-benchmark")
def test_snapshot_under_benchmark_keeps_all_keys(start: Start, network: Network) -> None:
    server = start(*NO_AOF, "--enable-debug-command", "yes")
    load = ("redis-benchmark", "-h", network.address, "-t", "set", "-d", "100", "-q")
    host(*load, "-n", "100000", "-r", "50000")
    with Redis(server.address) as redis:
        size, digest = redis("DBSIZE"), redis("DEBUG", "DIGEST")
        redis("BGSAVE")
        server.until(lambda: redis.info("persistence")["rdb_bgsave_in_progress"] == "0", "snapshot")
    server.kill()

    with Redis(start(*NO_AOF, "--enable-debug-command", "yes").address) as redis:
        assert (redis("DBSIZE"), redis("DEBUG", "DIGEST")) == (size, digest)


def test_sigterm_saves_and_ends_with_status_0(start: Start) -> None:
    server = start("--appendonly", "no")  # with Redis's own points of saving
    with Redis(server.address) as redis:
        redis("SET", "kept", "yes")
    assert server.stop() == 0
    assert "Redis is now ready to exit, bye bye" in server.output()

    with Redis(start("--appendonly", "no").address) as redis:
        assert redis("GET", "kept") == b"yes"
