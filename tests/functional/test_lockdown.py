# SPDX-License-Identifier: Apache-2.0
"""A running enclave makes only the host calls that `rkt-io surface` lists, on every thread."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from rktio.host.surface import host_calls
from tests.functional.conftest import Enclaves
from tests.functional.counting import counted
from tests.functional.redis_client import Redis, until_ready
from tests.functional.running import CHECKOUT, Running, host

pytestmark = pytest.mark.needs("root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap")

LISTED = {call.name for call in host_calls()}
LOAD = ("-t", "set,get,lrange_100", "-n", "3000", "-P", "4", "-q")

# Files, processes, memory, pipes and signals, so that all kinds of calls have their occasion.
WORK = """
echo go
while [ ! -e /tmp/end ]; do
    dd if=/dev/urandom of=/root/file bs=64k count=16 conv=fsync 2>/dev/null
    sha256sum /root/file | cut -c 1-8
    python3 -c 'import mmap; m = mmap.mmap(-1, 1 << 24); m[:] = bytes(1 << 24)'
    sleep 0.01
done
"""


def redis_server(enclaves: Enclaves, image: Path, *options: str) -> Running:
    network = enclaves.network()
    running = enclaves.start(
        image,
        "/usr/bin/redis-server",
        *("--bind", network.address, "--protected-mode", "no", "--dir", "/root"),
        *("--appendonly", "yes"),
        network=network,
        options=options,
    )
    until_ready(running)
    return running


def put_load(server: Running) -> None:
    host("redis-benchmark", "-h", server.address, *LOAD)
    with Redis(server.address) as redis:
        redis("bgsave")


@pytest.mark.needs("strace", "redis-benchmark")
def test_redis_under_load_makes_listed_calls_only(
    enclaves: Enclaves, image: Path, tmp_path: Path
) -> None:
    server = redis_server(enclaves, image)
    with counted(server, tmp_path) as found:
        put_load(server)
    calls = found.calls()
    assert {"preadv2", "pwritev2", "io_uring_enter"} <= set(calls) <= LISTED, calls


@pytest.mark.needs("strace")
def test_processes_and_files_make_listed_calls_only(
    enclaves: Enclaves, image: Path, tmp_path: Path
) -> None:
    running = enclaves.start(image, "/bin/bash", "-c", WORK)
    running.until_line("^go")
    with counted(running, tmp_path) as found:
        running.until_line(r"(?:^\w{8}\n){3}")
    calls = found.calls()
    assert {"mmap", "munmap", "io_uring_enter"} <= set(calls) <= LISTED, calls


@pytest.mark.needs("strace")
def test_a_host_without_io_uring_is_written_to_and_flushed(enclaves: Enclaves, image: Path) -> None:
    script = "dd if=/dev/zero of=/root/file bs=1M count=4 conv=fsync && sha256sum /root/file"
    denied = ("-e", "trace=io_uring_setup", "-e", "inject=io_uring_setup:error=EPERM")
    enclave = (str(CHECKOUT / "bin" / "rkt-io-run"), "--net", "none", "--stats", str(image))
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", *denied, *enclave, "/bin/sh", "-c", script],
        env={**os.environ, "RKT_IO_ENCLAVE": str(enclaves.program)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"
    )
    assert re.search(r"not direct: \d+ calls of preadv2, pwritev2 and fdatasync", done.stderr)


@pytest.mark.needs("two-cpus")
@pytest.mark.parametrize("cpus", ["1", "2"])
def test_every_thread_is_locked_down(enclaves: Enclaves, image: Path, cpus: str) -> None:
    server = redis_server(enclaves, image, "--cpus", cpus)
    states = [path.read_text() for path in Path(f"/proc/{server.pid}/task").glob("*/status")]
    names = [re.findall(r"^Name:\s+(\S+)", state, re.MULTILINE)[0] for state in states]
    assert len(states) >= int(cpus) + 1, names  # one per CPU, and DPDK's
    for state in states:
        assert re.search(r"^Seccomp:\s+2$", state, re.MULTILINE), state
        assert re.search(r"^NoNewPrivs:\s+1$", state, re.MULTILINE), state


@pytest.mark.needs("strace")
@pytest.mark.parametrize("role", ["virtio-user", "vhost"])
def test_a_shared_network_is_locked_down_and_its_peer_may_return(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path, role: str
) -> None:
    path = tmp_path / "s"
    words = ("/bin/sh", "-c", "echo go; exec sleep 60")
    options = (f"--net={role}:{path},server", "--address=10.9.6.1/24", "--read-only")
    server = enclaves.start(debian_image, *words, options=options)
    server.until_line("^go")
    other = "vhost" if role == "virtio-user" else "virtio-user"
    ping = ("--net", f"{other}:{path}", "--address", "10.9.6.2/24", "--read-only", "--stats")
    with counted(server, tmp_path) as found:
        for _ in range(2):
            script = "for i in 1 2 3; do (: > /dev/tcp/10.9.6.1/7) 2>&1 | grep refused; done"
            peer = enclaves.start(debian_image, "/bin/bash", "-c", script, options=ping)
            assert peer.wait() == 0
            assert peer.output().count("connect: Connection refused") == 3, peer.last_words()
            assert "no lock-down" not in peer.output()
    assert {"io_uring_enter", "ppoll"} <= set(found.calls()) <= LISTED, found.calls()
    for state in Path(f"/proc/{server.pid}/task").glob("*/status"):
        assert re.search(r"^Seccomp:\s+2$", state.read_text(), re.MULTILINE), state


def trapped(enclaves: Enclaves, image: Path, *options: str) -> int:
    """Start an enclave whose record asks for a forbidden call; return its status."""
    script = (
        "import os, sys\n"
        "from rktio.cli import run\n"
        "from rktio.host import record\n"
        "pairs = record.LaunchRecord.pairs\n"
        "more = ('insecure_trap', 'hostcall')\n"
        "record.LaunchRecord.pairs = lambda self: [*pairs(self), more]\n"
        "sys.exit(run.main(sys.argv[1:]))\n"
    )
    command = ["python3", "-c", script, "--net", "none", *options, str(image), "/bin/true"]
    environment = {
        "PYTHONPATH": str(CHECKOUT),
        "PATH": "/usr/bin:/bin",
        "RKT_IO_ENCLAVE": str(enclaves.program),
    }
    return subprocess.run(command, env=environment, check=False, timeout=30).returncode


def test_an_unlisted_call_kills(enclaves: Enclaves, image: Path) -> None:
    assert trapped(enclaves, image) == -signal.SIGSYS


def test_without_the_lock_down_it_does_not_and_a_line_says_so(
    enclaves: Enclaves, image: Path
) -> None:
    assert trapped(enclaves, image, "--insecure-no-lockdown") == 0
    running = enclaves.start(image, "/bin/true", options=("--insecure-no-lockdown",))
    assert running.wait() == 0
    assert "rkt-io: insecure: no lock-down" in running.output()


@pytest.mark.needs("redis-benchmark")
def test_stats_say_that_tap_and_file_are_not_direct(enclaves: Enclaves, image: Path) -> None:
    server = redis_server(enclaves, image, "--stats")
    put_load(server)
    assert server.stop() == 0
    assert re.search(r"not direct: \d+ writes, \d+ reads .* of the tap", server.output())
    assert re.search(r"not direct: \d+ calls of io_uring", server.output())
