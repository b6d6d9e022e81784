# SPDX-License-Identifier: Apache-2.0
"""The options of baselines: what belongs to which, and one clear line for the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from rktio.common.errors import RktioError
from rktio.host import baseline
from rktio.host.baseline import Io
from rktio.host.options import Disk, NetOptions, RunOptions

LAUNCH_H = Path(__file__).resolve().parents[3] / "abi" / "launch.h"


def options(**settings: Any) -> RunOptions:
    return RunOptions(Path("a.img"), "true", **settings)


def test_defaults_follow_the_mode() -> None:
    assert options(io=Io.SYNC).io_settings == (8200, 1)
    assert options(io=Io.SWITCHLESS).io_settings == (8200, 2)
    assert options(io="libos-host", world_switch_cycles=0, io_threads=3).io_settings == (0, 3)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"io": "fast"}, "io 'fast' is unknown"),
        ({"world_switch_cycles": 1}, "--io direct has neither"),
        ({"io_threads": 2}, "--io direct has neither"),
        ({"io": "sync", "io_threads": 2}, "sync has no I/O threads"),
        ({"io": "sync", "world_switch_cycles": -1}, "-1 world-switch cycles"),
        ({"io": "switchless", "io_threads": 65}, "65 I/O threads"),
        ({"io": "sync", "memory_bytes": 64 << 20}, "memory is the library OS's"),
        ({"io": "sync", "cpus": 2}, "a number of CPUs is the library OS's"),
        ({"io": "sync", "net": NetOptions.none()}, "a network is the library OS's"),
        ({"io": "switchless", "disks": (Disk(Path("b")),)}, "a disk is the library OS's"),
        ({"io": "switchless", "sysctl": {"a.b": "1"}}, "a sysctl is the library OS's"),
        (
            {"io": "libos-host", "disks": (Disk.parse("vhost-user:/s"),)},
            "libos-host takes disks of files",
        ),
        ({"io": "libos-host", "net": NetOptions("vhost:/s")}, "libos-host takes a tap"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_belong_together_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(RktioError, match=re.escape(told)):
        options(**settings)


def test_bounds_are_those_of_the_abi() -> None:
    text = LAUNCH_H.read_text()

    assert f"LAUNCH_WORLD_SWITCH_CYCLES_MAX\t{baseline.WORLD_SWITCH_CYCLES_MAX}\n" in text
    assert f"LAUNCH_IO_THREADS_MAX\t{baseline.IO_THREADS_MAX}\n" in text


def test_the_notice_names_the_price_and_where_it_is_from() -> None:
    assert "not shielded" in baseline.notice(Io.SYNC, 8200)
    assert "8200 cycles (Weisse et al., HotCalls" in baseline.notice(Io.SYNC, 8200)
    assert "100 cycles (as asked for)" in baseline.notice(Io.SYNC, 100)
