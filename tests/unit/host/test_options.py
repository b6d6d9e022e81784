# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rktio.common.errors import RktioError
from rktio.host import options
from rktio.host.options import Disk, NetMode, NetOptions, Poll, RunOptions, parse_size

CHECKOUT = Path(__file__).resolve().parents[3]


def run_options(**settings: Any) -> RunOptions:
    return RunOptions(**({"image": "a.img", "program": "/bin/true"} | settings))


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("512M", 512 << 20),
        ("1g", 1 << 30),
        ("1.5GiB", 3 << 29),
        ("64MB", 64 << 20),
        ("2T", 2 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "1X", "-1G", "1.2.3M", "lots"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(RktioError, match="is not a number of bytes"):
        parse_size(text)


def test_memory_is_rounded_up_to_two_mebibytes() -> None:
    assert run_options(memory_bytes=(64 << 20) + 1).memory_bytes == 66 << 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"memory_bytes": 1 << 20}, "too small"),
        ({"cpus": 0}, "cpus 0"),
        ({"cpus": 65}, "cpus 65"),
        ({"poll": "fast"}, "poll 'fast' is unknown"),
        ({"log_level": 9}, "log level 9"),
        ({"cwd": "tmp"}, "'tmp'"),
        ({"tmpfs": ("/a:b",)}, "'/a:b'"),
        ({"program": ""}, "no program"),
        ({"hostname": "x" * 65}, "hostname"),
        ({"env": {"A=B": "c"}}, "'A=B'"),
        ({"disks": (Disk(Path("b")),) * 16}, "16 disks"),
    ],
)
def test_what_can_not_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RktioError, match=re.escape(message)):
        run_options(**settings)


def test_words_become_choices() -> None:
    assert run_options(poll="busy").poll is Poll.BUSY
    assert NetOptions(mode="tap").mode is NetMode.TAP  # type: ignore[arg-type]


def test_a_disk_is_read_from_its_flag() -> None:
    disk = Disk.parse("data.img,ro,mount=/data,buffered")
    assert disk == Disk(Path("data.img"), read_only=True, mount="/data", buffered=True)


def test_a_disk_may_be_a_back_end_s() -> None:
    disk = Disk.parse("vhost-user:/run/d.sock,ro,mount=/data")
    assert disk == Disk(Path("/run/d.sock"), read_only=True, mount="/data", vhost_user=True)


@pytest.mark.parametrize(
    "text",
    ["a.img,rw", "a.img,mount=data", ",ro", "a.img,", "vhost-user:", "vhost-user:/s,buffered"],
)
def test_a_disk_flag_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(RktioError):
        Disk.parse(text)


@pytest.mark.parametrize("name", ["", "a" * 16, "a b", "a/b", "rkt%d", ".."])
def test_a_tap_name_that_the_kernel_refuses_is_refused(name: str) -> None:
    with pytest.raises(RktioError, match="network interface"):
        NetOptions(tap_name=name)


def test_an_mtu_out_of_range_is_refused() -> None:
    for mtu in (67, 65522):
        with pytest.raises(RktioError, match="mtu"):
            NetOptions(mtu=mtu)


def test_bounds_are_those_of_the_abi() -> None:
    header = (CHECKOUT / "abi" / "launch.h").read_text()

    def bound(name: str) -> int:
        found = re.search(rf"#define {name}\s+\(?(\d+)(?: << (\d+))?", header)
        assert found is not None, name
        return int(found[1]) << int(found[2] or 0)

    assert bound("LAUNCH_MEMORY_UNIT") == options.MEMORY_UNIT_BYTES
    assert bound("LAUNCH_MEMORY_MIN") == options.MEMORY_MIN_BYTES
    assert bound("LAUNCH_CPUS_MAX") == options.CPUS_MAX
    assert bound("LAUNCH_DISKS_MAX") == options.DISKS_MAX
    assert bound("LAUNCH_HOSTNAME_MAX") == options.HOSTNAME_MAX
    assert bound("LAUNCH_MTU_MIN") == options.MTU_MIN
    assert bound("LAUNCH_MTU_MAX") >= options.MTU_MAX
