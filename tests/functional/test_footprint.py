# SPDX-License-Identifier: Apache-2.0
"""What an enclave costs beside its program: the time to start, and memory.

The product's bounds, so a slow or busy machine can fail here: each figure is the best of several.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.redis_client import Redis, until_ready

pytestmark = pytest.mark.needs("root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap")

RUNS = 5
START_SECONDS_MAX = 0.6
MEMORY_BYTES_MAX = 64 << 20
READ_ONLY = ("--read-only", "--tmpfs", "/tmp")


@pytest.mark.parametrize("net", ["tap", "none"])
def test_start_takes_six_tenths_of_a_second_at_most(
    enclaves: Enclaves, debian_image: Path, net: str
) -> None:
    """The time to the end of /bin/true is an upper bound for that to its first instruction."""
    taken = []
    for _ in range(RUNS):
        network = enclaves.network() if net == "tap" else None
        start = time.monotonic()
        running = enclaves.start(debian_image, "/bin/true", network=network, options=READ_ONLY)
        assert running.wait(20) == 0
        taken.append(time.monotonic() - start)
    print(f"start and end, {net}: {', '.join(f'{each:.3f}' for each in sorted(taken))} s")
    assert min(taken) <= START_SECONDS_MAX


def test_memory_beyond_the_program_is_64_mib_at_most(
    enclaves: Enclaves, debian_image: Path
) -> None:
    """Pss of the process in the host, less Redis's own Pss as the library OS counts it.

    Pss shares a page among those who map it; the enclave's memory is mapped by nobody else, so
    what is left is the library kernel with its page cache and tables, the runtime and DPDK.
    """
    network = enclaves.network()
    script = f"""
        redis-server --bind {network.address} --protected-mode no --save '' --dir /tmp &
        until redis-cli -h {network.address} ping 2>/dev/null | grep -q PONG; do sleep 0.02; done
        grep ^Pss: /proc/$!/smaps_rollup
        wait"""
    running = enclaves.start(
        debian_image, "/bin/sh", "-c", script, network=network, options=READ_ONLY
    )
    until_ready(running)
    inside = int(running.until_line(r"^Pss:\s+(\d+) kB")[1]) << 10
    outside = running.pss_bytes()
    print(f"memory: {outside >> 20} MiB, of which the program {inside >> 20} MiB")
    assert outside - inside <= MEMORY_BYTES_MAX
    assert running.stop() is not None


def test_freed_memory_is_used_again(enclaves: Enclaves, debian_image: Path) -> None:
    """A program may use far more memory over time than the library OS has at once."""
    network = enclaves.network()
    running = enclaves.start(
        debian_image,
        "/usr/bin/redis-server",
        *("--bind", network.address, "--protected-mode", "no", "--save", "", "--dir", "/tmp"),
        network=network,
        options=(*READ_ONLY, "--memory", "256M"),
    )
    until_ready(running)
    value = bytes(16 << 20)
    with Redis(network.address) as redis:
        for _ in range(40):
            assert redis("SET", "key", value) == b"OK"
        assert redis("STRLEN", "key") == len(value)
    assert re.search("oom|out of memory", running.output(), re.IGNORECASE) is None
    assert running.stop() == 0
