# SPDX-License-Identifier: Apache-2.0
"""One sleeping CPU watches the network for all: a frame wakes one thread, not every one."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.counting import counted
from tests.functional.running import Network, Running

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "strace", "two-cpus"
)

FRAMES = 60
PORT = 7
# A program that never calls, on one CPU or the other.
SPIN = "echo go; exec /usr/bin/python3 -c 'while True: pass'"


def refuses(network: Network) -> bool:
    """Whether the enclave answers at all: that nobody listens."""
    try:
        network.connect(PORT, timeout=1.0).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    raise AssertionError("somebody listens")


def start(enclaves: Enclaves, image: Path, network: Network, script: str) -> Running:
    running = enclaves.start(
        *(image, "/bin/sh", "-c", script),
        network=network,
        options=("--cpus", "2", "--read-only", "--memory", "256M"),
    )
    running.until_line("^go")
    running.until(lambda: refuses(network), "answer")
    return running


def test_a_frame_wakes_one_cpu(enclaves: Enclaves, debian_image: Path, tmp_path: Path) -> None:
    network = enclaves.network()
    running = start(enclaves, debian_image, network, "echo go; exec sleep 120")
    with counted(running, tmp_path, "-e", "trace=ppoll") as found:
        for _ in range(FRAMES):
            assert refuses(network)
            time.sleep(0.01)  # so that all CPUs sleep again
    waits = Counter(re.findall(r"^(\d+)\s+ppoll\(", found.summary.read_text(), re.MULTILINE))
    first, *others = sorted(waits.values(), reverse=True)
    assert first >= FRAMES / 2, waits
    assert sum(others) <= first / 2, waits


def test_another_cpu_watches_while_the_first_computes(
    enclaves: Enclaves, debian_image: Path
) -> None:
    network = enclaves.network()
    start(enclaves, debian_image, network, SPIN)
    slow = 0
    for _ in range(FRAMES):
        begin = time.monotonic()
        assert refuses(network)
        slow += time.monotonic() - begin > 0.1
        time.sleep(0.005)
    assert slow < FRAMES / 4
