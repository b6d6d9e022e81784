# SPDX-License-Identifier: Apache-2.0
"""Queues for each CPU, frames of any size, and every offload switched off."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import Running, host

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "iperf3"
)

ETHERNET_BYTES = 14
NOTHING = "tso=off,gso=off,lro=off,gro=off,zerocopy=off"


def moved(enclaves: Enclaves, image: Path, words: str, *options: str, streams: int = 1) -> Running:
    """Move data both ways for a second each, and return the enclave at its end."""
    network = enclaves.network()
    running = enclaves.start(
        *(image, "/usr/bin/iperf3", "-s", "--forceflush"),
        network=network,
        options=(f"--net=tap,{words}", "--read-only", "--tmpfs", "/tmp", "--stats", *options),
    )
    running.until_line("Server listening")
    for direction in ((), ("-R",)):
        command = ("iperf3", "-c", network.address, "-t", "1", "-J", *direction)
        sums = json.loads(host(*command))["end"]
        assert sums["sum_received"]["bytes"] > 10 << 20
    running.stop(signal.SIGTERM)
    return running


def largest_mean(running: Running) -> float:
    """Return the mean size of a frame of the direction that had the larger ones."""
    found = re.search(r"packets sent (\d+) \((\d+) .* received (\d+) \((\d+) ", running.output())
    assert found is not None, running.last_words()
    sent, sent_bytes, received, received_bytes = map(int, found.groups())
    return max(sent_bytes / sent, received_bytes / received)


@pytest.mark.parametrize("mtu", [1500, 9000])
def test_without_offloads_no_frame_is_larger_than_the_mtu(
    enclaves: Enclaves, debian_image: Path, mtu: int
) -> None:
    running = moved(enclaves, debian_image, NOTHING, "--mtu", str(mtu))
    assert mtu / 3 < largest_mean(running) <= mtu + ETHERNET_BYTES


def test_with_offloads_frames_are_larger(enclaves: Enclaves, debian_image: Path) -> None:
    running = moved(enclaves, debian_image, "csum=on")
    assert largest_mean(running) > 10_000


def test_checksums_may_be_linuxs_own(enclaves: Enclaves, debian_image: Path) -> None:
    running = moved(enclaves, debian_image, "csum=off")
    assert largest_mean(running) <= 1500 + ETHERNET_BYTES


@pytest.mark.needs("two-cpus")
def test_each_cpu_has_a_queue_that_carries_frames(enclaves: Enclaves, debian_image: Path) -> None:
    network = enclaves.network()
    servers = (
        "taskset 1 iperf3 -s -p 5201 --forceflush & exec taskset 2 iperf3 -s -p 5202 --forceflush"
    )
    running = enclaves.start(
        *(debian_image, "/bin/sh", "-c", servers),
        network=network,
        options=("--cpus", "2", "--read-only", "--tmpfs", "/tmp", "--stats"),
    )
    for port in (5201, 5202):
        running.until_line(rf"Server listening on {port}")
        host("iperf3", "-c", network.address, "-p", str(port), "-t", "1", "-R")
    running.stop(signal.SIGTERM)
    queues = re.findall(r"queue (\d): packets sent (\d+), received (\d+)", running.output())
    assert [number for number, _, _ in queues] == ["0", "1"], running.last_words()
    # What a CPU sends goes out on its queue, and the answers come back there.
    assert all(int(sent) > 500 and int(received) > 50 for _, sent, received in queues), queues
