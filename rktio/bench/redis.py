# SPDX-License-Identifier: Apache-2.0
"""`rkt-io bench redis`: one redis-server, on the library OS and native, for a host's client.

Library OS: over its tap. Native: over veth, in a network namespace. Both sides alternate, with
the same binary, core, system settings and client.
"""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path

from rktio.bench import closure, placement
from rktio.bench.comparison import Metric, Result
from rktio.bench.veth import server_behind_veth
from rktio.common.errors import RktioError
from rktio.common.progress import Progress
from rktio.common.run import popen, require, run

PORT = 6379
DIRECT_ADDRESS = IPv4Interface("10.0.1.1/24")
NATIVE_ADDRESS = IPv4Interface("10.0.2.1/24")
INSTALLED = "/usr/bin/redis-server"
IMAGE_BYTES = 256 << 20
MEMORY_BYTES = 512 << 20
READY_SECONDS = 20.0
RETRY_SECONDS = 0.02

# Nothing is written to disk: the network path is what is compared.
SERVER_WORDS = f"--port {PORT} --bind * --protected-mode no --appendonly no --save"
SERVER_ARGUMENTS = (*SERVER_WORDS.split(), "")
# Without these the host's own choices (BBR, say) would be compared, not the systems. Reno is
# the one congestion control that every kernel has and permits in a new namespace.
SYSCTL = {"net.core.somaxconn": "1024", "net.ipv4.tcp_congestion_control": "reno"}


@dataclass(frozen=True)
class Load:
    """One call of redis-benchmark; `test` is its own name for the operation."""

    metric: Metric
    test: str
    requests: int
    pipeline: int = 1

    def command(self, client: Path, host: str) -> list[str | Path]:
        """Return the command that puts this load on the server at `host`."""
        words = ["-h", host, "-p", str(PORT), "-t", self.test, "-n", str(self.requests)]
        return [client, *words, "-P", str(self.pipeline), "--csv"]


def _metric(name: str) -> Metric:
    return Metric(name, "requests/s", 1.0, more_is_better=True)


LOADS = (
    Load(_metric("redis_set"), "set", 100_000),
    Load(_metric("redis_get"), "get", 100_000),
    Load(_metric("redis_set_p16"), "set", 500_000, pipeline=16),
    Load(_metric("redis_get_p16"), "get", 500_000, pipeline=16),
)

Server = Callable[[], AbstractContextManager[str]]


def parse_csv(output: str, test: str) -> float:
    """Return the requests per second of `test` (redis-benchmark --csv, versions 6 and 7)."""
    for row in csv.reader(output.splitlines()):
        if len(row) >= 2 and row[0].lower() == test:
            try:
                return float(row[1])
            except ValueError:
                break
    raise RktioError(f"redis-benchmark gave no figure for {test}: {output.strip()!r}")


def put_load(load: Load, host: str, cores: Sequence[int]) -> float:
    """Run the client against the server at `host`; requests per second."""
    client = require("redis-benchmark", "redis-tools")
    done = run(placement.placed(load.command(client, host), cores))
    if done.stderr:
        raise RktioError(f"redis-benchmark: {done.stderr.decode(errors='replace').strip()}")
    return parse_csv(done.stdout.decode(), load.test)


def await_ready(host: str) -> None:
    """Wait until a redis-server answers PING at `host`."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((host, PORT), timeout=1.0) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(7) == b"+PONG\r\n":
                    return
        except OSError:
            time.sleep(RETRY_SECONDS)
    raise RktioError(f"no redis-server answers at {host}:{PORT} after {READY_SECONDS:.0f} s")


def alternate(
    loads: Sequence[Load],
    direct: Server,
    native: Server,
    runs: int,
    put: Callable[[Load, str], float],
    advance: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Start each server in turn, `runs` times, and put every load on it."""
    samples: list[tuple[list[float], list[float]]] = [([], []) for _ in loads]
    for _ in range(runs):
        for side, server in enumerate((direct, native)):
            with server() as host:
                for load, sides in zip(loads, samples, strict=True):
                    sides[side].append(put(load, host))
            advance()
    return [
        Result(load.metric, tuple(sides[0]), tuple(sides[1]))
        for load, sides in zip(loads, samples, strict=True)
    ]


@contextmanager
def native_server(cores: Sequence[int]) -> Iterator[str]:
    """Run redis-server on the host's kernel, behind veth; give its address."""
    argv: list[str | Path] = [require("redis-server", "redis-server"), *SERVER_ARGUMENTS]
    with server_behind_veth(argv, cores, NATIVE_ADDRESS, SYSCTL):
        await_ready(str(NATIVE_ADDRESS.ip))
        yield str(NATIVE_ADDRESS.ip)


@contextmanager
def direct_server(image: Path, cores: Sequence[int]) -> Iterator[str]:
    """Run redis-server in the library OS, behind its tap; give its address."""
    from rktio.host.launch import prepared
    from rktio.host.options import NetOptions, RunOptions

    options = RunOptions(
        image=image,
        program=INSTALLED,
        args=SERVER_ARGUMENTS,
        memory_bytes=MEMORY_BYTES,
        cpus=len(cores),
        net=NetOptions(addresses=(str(DIRECT_ADDRESS),)),
        sysctl=SYSCTL,
    )
    with prepared(options) as launch:
        process = popen(
            placement.placed(launch.argv, cores),
            pass_fds=launch.fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={},
        )
    try:
        await_ready(str(DIRECT_ADDRESS.ip))
        yield str(DIRECT_ADDRESS.ip)
    finally:
        placement.stop(process)


def measure(runs: int, cpus: int) -> list[Result]:
    """Measure every load on both sides. Needs root, for the tap and the namespace."""
    if os.geteuid() != 0:
        raise RktioError(
            "a tap and a network namespace need root", hint="sudo bin/rkt-io bench redis"
        )
    server = placement.server_cores(cpus)
    client = placement.client_cores(server)
    program = require("redis-server", "redis-server")
    image = closure.image_with(program, INSTALLED, IMAGE_BYTES)
    with closure.scratch_directory() as folder, Progress("measuring", 2 * runs, "runs") as bar:
        copy = closure.scratch_copy(image, folder)
        return alternate(
            LOADS,
            lambda: direct_server(copy, server),
            lambda: native_server(server),
            runs,
            lambda load, host: put_load(load, host, client),
            lambda: bar.advance(1),
        )


def setting(runs: int, cpus: int) -> str:
    """Return one line that says how both sides ran."""
    server = placement.server_cores(cpus)
    client = placement.client_cores(server)
    return (
        f"medians of {runs} alternating runs; servers on core {placement.listed(server)}, "
        f"redis-benchmark on {placement.listed(client)}; direct over a tap, native over veth"
    )
