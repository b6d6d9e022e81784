# SPDX-License-Identifier: Apache-2.0
"""iperf3 moves bytes between host and enclave: TCP each way and both at once, and UDP."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import Network, Running, host

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "iperf3"
)

SECONDS = 2
READ_ONLY = ("--read-only", "--tmpfs", "/tmp")


@pytest.fixture
def network(enclaves: Enclaves) -> Network:
    return enclaves.network()


@pytest.fixture
def server(enclaves: Enclaves, debian_image: Path, network: Network) -> Running:
    running = enclaves.start(
        *(debian_image, "/usr/bin/iperf3", "-s", "--forceflush"),
        network=network,
        options=READ_ONLY,
    )
    running.until_line("Server listening")
    return running


def measure(server: Running, *options: str) -> dict[str, dict[str, float]]:
    """Run a client on the host; return the sums of the whole run."""
    command = ("iperf3", "-c", server.address, "-t", str(SECONDS), "-J", *options)
    result = json.loads(host(*command, timeout=SECONDS + 30))
    assert "error" not in result
    sums: dict[str, dict[str, float]] = result["end"]
    return sums


@pytest.mark.parametrize("options", [(), ("-R",), ("-P", "8"), ("-P", "8", "-R")], ids=" ".join)
def test_tcp_streams_flow(server: Running, options: tuple[str, ...]) -> None:
    sums = measure(server, *options)
    assert sums["sum_received"]["bytes"] > 10 << 20
    assert sums["sum_sent"]["bytes"] >= sums["sum_received"]["bytes"]


def test_tcp_flows_both_ways_at_once(server: Running) -> None:
    sums = measure(server, "--bidir")
    assert sums["sum_received"]["bytes"] > 10 << 20
    assert sums["sum_received_bidir_reverse"]["bytes"] > 10 << 20


@pytest.mark.parametrize("options", [(), ("-R",)], ids=["to-enclave", "to-host"])
def test_udp_datagrams_arrive(server: Running, options: tuple[str, ...]) -> None:
    sums = measure(server, "-u", "-b", "100M", *options)
    assert sums["sum"]["bytes"] > 10 << 20
    assert sums["sum"]["lost_percent"] < 25  # on a busy machine queues run over


def test_client_inside_reaches_a_server_of_the_host(
    enclaves: Enclaves, debian_image: Path, network: Network
) -> None:
    script = f"iperf3 -c {network.host} -t {SECONDS} -J --connect-timeout 9000"
    # The server waits for the tap's address to appear: it listens on every address.
    port = str(20000 + network.number)
    with subprocess.Popen(
        ["iperf3", "-s", "-1", "-p", port, "--forceflush"], stdout=subprocess.PIPE, text=True
    ) as listener:
        try:
            assert listener.stdout is not None
            while "listening" not in listener.stdout.readline():
                assert listener.poll() is None
            running = enclaves.start(
                *(debian_image, "/bin/sh", "-c", f"{script} -p {port}"),
                network=network,
                options=READ_ONLY,
            )
            assert running.wait(30) == 0
        finally:
            listener.kill()
    result = json.loads(running.output())
    assert result["end"]["sum_received"]["bytes"] > 10 << 20
