# SPDX-License-Identifier: Apache-2.0
"""The baselines run ordinary programs, and a world switch costs what was asked for."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.redis_client import PORT, Redis
from tests.functional.running import CHECKOUT, host

SOURCE = Path(__file__).parent / "baselines" / "load.c"
ON_HOST_KERNEL = ("sync", "switchless")
ALL = (*ON_HOST_KERNEL, "libos-host")
CYCLES = 20000
SECONDS = 60
REDIS = """
redis-server --port 0 --unixsocket /run/redis --save '' --dir /tmp --daemonize yes >/dev/null
ask() { redis-cli -s /run/redis "$@"; }
until ask ping >/dev/null 2>&1; do sleep 0.02; done
ask set key value; ask get key; ask bgsave >/dev/null
until ask info persistence | grep -q rdb_bgsave_in_progress:0; do sleep 0.02; done
ask info persistence | grep rdb_last_bgsave_status
ask shutdown nosave
"""

pytestmark = pytest.mark.needs("root", "enclave", "dispatch", "fsgsbase", "gcc", "busybox")


class Baseline:
    """Runs a program of one image as a baseline."""

    def __init__(self, image: Path, enclave: Path, cache: Path) -> None:
        self.image = image
        self.env = {**os.environ, "RKT_IO_ENCLAVE": str(enclave), "XDG_CACHE_HOME": str(cache)}

    def run(self, io: str, *words: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        """Return status, stdout and stderr without the notice."""
        net = ("--net", "none") if io == "libos-host" else ()
        command = [CHECKOUT / "bin" / "rkt-io-run", "--io", io, *net, *options, self.image, *words]
        done = subprocess.run(
            command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        notice, _, errors = done.stderr.partition("\n")
        assert "baseline for measurements, not shielded" in notice, done.stderr
        return done.returncode, done.stdout, errors

    def counted(self, io: str, calls: int) -> tuple[int, dict[str, int]]:
        """Make system calls; return their cycles by the TSC, and what --stats counted."""
        options = ("--stats", "--world-switch-cycles", str(CYCLES))
        status, output, errors = self.run(io, "/load", "calls", str(calls), options=options)
        assert status == 0, errors
        counts = re.findall(r"(\d+) ([a-z][a-z ]*[a-z])", errors.rpartition("baseline ")[2])
        return int(output), {name: int(number) for number, name in counts}


@pytest.fixture(scope="module")
def small(enclave_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Baseline]:
    """Give an image with busybox and our program, linked to the host's libc."""
    folder = tmp_path_factory.mktemp("baseline")
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    for name in ("dev", "proc", "sys", "tmp", "run"):
        (root / name).mkdir()
    host("cp", "-L", host("sh", "-c", "command -v busybox").strip(), root / "bin" / "busybox")
    for name in ("sh", "cat", "tr", "kill"):
        (root / "bin" / name).symlink_to("busybox")
    host("gcc", "-O2", "-pthread", "-o", root / "load", SOURCE)
    for library in re.findall(r"(/\S+) \(0x", host("ldd", str(root / "load"))):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        host("cp", "-L", library, target)
    image = folder / "small.img"
    host(CHECKOUT / "bin/rkt-io-disk", "create", "--directory", root, "--size", "64M", image)
    yield Baseline(image, enclave_program, folder / "cache")


@pytest.mark.parametrize("io", ALL)
def test_a_shell_with_pipes_ends_with_its_status(small: Baseline, io: str) -> None:
    script = "echo one two | tr a-z A-Z | cat; (exit 3); exit $((4 + $?))"

    assert small.run(io, "/bin/sh", "-c", script)[:2] == (7, "ONE TWO\n")


@pytest.mark.parametrize("io", ALL)
def test_threads_share_memory_and_pipes(small: Baseline, io: str) -> None:
    assert small.run(io, "/load", "threads")[:2] == (0, "16000\n")


@pytest.mark.parametrize("io", ALL)
def test_a_signal_interrupts_a_call_that_waits(small: Baseline, io: str) -> None:
    told = f"Interrupted system call {int(signal.SIGUSR1)}\n"

    assert small.run(io, "/load", "interrupted")[:2] == (0, told)


@pytest.mark.parametrize("io", ALL)
def test_spawned_programs_end_and_absent_ones_are_told(small: Baseline, io: str) -> None:
    assert small.run(io, "/load", "spawn")[:2] == (0, "42 2\n")


@pytest.mark.parametrize("io", ON_HOST_KERNEL)
def test_a_signal_ends_the_program_and_shows(small: Baseline, io: str) -> None:
    assert small.run(io, "/bin/sh", "-c", "kill -TERM $$")[0] == -signal.SIGTERM


def test_each_call_of_sync_is_a_world_switch_and_costs_its_cycles(small: Baseline) -> None:
    few_cycles, few = small.counted("sync", 100)
    many_cycles, many = small.counted("sync", 1100)

    assert few_cycles >= 100 * CYCLES
    assert many_cycles >= 1100 * CYCLES
    assert many["system calls"] - few["system calls"] == 1000
    assert many["world switches of"] - few["world switches of"] == 1000
    assert many["traps of"] == few["traps of"]  # the call's site was rewritten


def test_a_world_switch_may_cost_nothing(small: Baseline) -> None:
    options = ("--world-switch-cycles", "0")

    assert small.run("sync", "/load", "threads", options=options)[:2] == (0, "16000\n")


@pytest.mark.needs("two-cpus")
def test_switchless_hands_calls_over_without_world_switches(small: Baseline) -> None:
    _, found = small.counted("switchless", 20000)

    assert found["handed over"] > 0
    assert (
        found["handed over"] + found["world switches of"] - found["sleeps"] <= found["system calls"]
    )


@pytest.fixture(scope="module")
def debian(
    debian_image: Path, enclave_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Baseline]:
    cache = tmp_path_factory.mktemp("trees")
    yield Baseline(debian_image, enclave_program, cache)
    shutil.rmtree(cache)


@pytest.mark.needs("mmdebstrap")
@pytest.mark.parametrize("io", ALL)
def test_redis_serves_and_saves(debian: Baseline, io: str) -> None:
    options = ("--read-only", "--tmpfs", "/tmp") if io == "libos-host" else ()

    status, output, errors = debian.run(io, "/bin/bash", "-c", REDIS, options=options)

    assert (status, output.split()) == (0, ["OK", "value", "rdb_last_bgsave_status:ok"]), errors


@pytest.mark.needs("tun", "mmdebstrap")
def test_libos_host_serves_by_its_tap(debian_image: Path, enclaves: Enclaves) -> None:
    options = ("--io", "libos-host", "--read-only", "--tmpfs", "/tmp", "--stats")
    serve = ("--port", str(PORT), "--protected-mode", "no", "--save", "")
    running = enclaves.start(
        debian_image, "redis-server", *serve, network=enclaves.network(), options=options
    )
    running.until_port(PORT)
    threads = [
        task.read_text().strip() for task in Path("/proc", str(running.pid), "task").glob("*/comm")
    ]
    assert {"tap-receiver", "tap-sender", "disk"} <= set(threads)
    large = b"x" * 200_000  # more than a frame, both ways

    with Redis(running.address) as redis:
        assert redis("SET", "key", large) == b"OK"
        assert redis("GET", "key") == large

    assert running.stop() == 0
    assert int(running.until_line(r"libos-host: (\d+) world switches of 8200 cycles")[1]) > 0
