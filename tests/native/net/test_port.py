# SPDX-License-Identifier: Apache-2.0
"""The runtime's DPDK port over a real tap, against the host's own network stack.

Each check runs in a process and a network namespace of its own: programs/checks.c.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RUNTIME = HERE.parents[2] / "enclave/runtime"
SOURCES = (
    "dma.c",
    "eal.c",
    "ethdev.c",
    "net.c",
    "net_burst.c",
    "tap.c",
    "tap_port.c",
    "vhost_msg.c",
    "virtio_back.c",
    "virtio_back_queue.c",
    "virtio_front.c",
    "virtio_front_queue.c",
    "virtio_link.c",
    "virtio_port.c",
    "vnet_hdr.c",
)
FLAGS = (
    "-O2",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-march=corei7",
    "-I/usr/include/dpdk",
    "-I/usr/include/x86_64-linux-gnu/dpdk",
    "-include",
    "rte_config.h",
    "-DALLOW_INTERNAL_API",
    "-DALLOW_EXPERIMENTAL_API",
)
WRAPPED = ("get_tsc_freq", "eal_log_init", "eal_cpu_detected", "eal_cpu_socket_id")
WHOLE = ("mempool_ring", "mempool_stack")
PARTS = (
    "ethdev",
    "bus_vdev",
    "net",
    "meter",
    "mbuf",
    "mempool",
    "stack",
    "ring",
    "eal",
    "telemetry",
    "kvargs",
)
LINK = (
    "-static",
    "-Wl,--no-warnings",
    *(f"-Wl,--wrap={name}" for name in WRAPPED),
    "-Wl,--whole-archive",
    *(f"-l:librte_{name}.a" for name in WHOLE),
    "-Wl,--no-whole-archive",
    "-Wl,--start-group",
    *(f"-l:librte_{name}.a" for name in PARTS),
    "-Wl,--end-group",
    "-lnuma",
    "-lbsd",
    "-lmd",
    "-lm",
)

pytestmark = pytest.mark.needs("gcc", "ip", "root", "tun", "x86_64")


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program with the checks, linked with DPDK as the enclave is."""
    if (
        not Path("/usr/include/dpdk/rte_config.h").exists()
        and not Path("/usr/include/x86_64-linux-gnu/dpdk/rte_config.h").exists()
    ):
        pytest.skip("DPDK is not installed (sudo apt-get install libdpdk-dev)")
    output = tmp_path_factory.mktemp("net") / "checks"
    sources = [*(RUNTIME / name for name in SOURCES), *sorted(HERE.glob("programs/*.c"))]
    subprocess.run(["gcc", *FLAGS, *sources, "-o", output, *LINK], check=True)
    return output


def run(checks: Path, name: str) -> str:
    done = subprocess.run([checks, name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_port_says_what_it_offers(checks: Path) -> None:
    run(checks, "info")


@pytest.mark.parametrize("name", ["arp", "ping", "udp4", "udp6"])
def test_host_answers(checks: Path, name: str) -> None:
    run(checks, name)


def test_host_refuses_a_wrong_checksum(checks: Path) -> None:
    run(checks, "wrong_sum")


@pytest.mark.parametrize("name", ["tcp4_send", "tcp4_send_scattered", "tcp6_send"])
def test_super_frames_reach_the_host_intact(checks: Path, name: str) -> None:
    run(checks, name)


@pytest.mark.parametrize("name", ["tcp4_receive", "tcp6_receive"])
def test_super_frames_of_the_host_arrive_intact(checks: Path, name: str) -> None:
    run(checks, name)


def test_burst_takes_one_crossing(checks: Path) -> None:
    run(checks, "burst")


def test_frames_wait_while_the_host_has_no_room(checks: Path) -> None:
    run(checks, "full")


def test_malformed_frames_are_refused_and_counted(checks: Path) -> None:
    run(checks, "lies")


def test_checksum_beyond_mbuf_flags_is_finished(checks: Path) -> None:
    run(checks, "odd_checksum")


def test_buffers_go_round(checks: Path) -> None:
    run(checks, "no_leak")


def test_tap_that_is_down_loses_frames_only(checks: Path) -> None:
    run(checks, "tap_down")


def test_start_is_cheap(checks: Path) -> None:
    print(run(checks, "cost"))


def test_every_check_is_run(checks: Path) -> None:
    names = subprocess.run([checks], capture_output=True, text=True, check=True).stdout.split()
    source = Path(__file__).read_text()
    assert [name for name in names if f'"{name}"' not in source] == []
