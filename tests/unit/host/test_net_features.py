# SPDX-License-Identifier: Apache-2.0
"""The words of --net that switch offloads off, and their way into the launch record."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host.config import options_of_file
from rktio.host.net_features import QUEUES_MAX, NetFeature
from rktio.host.options import NetMode, NetOptions, RunOptions
from rktio.host.record import LaunchRecord, OpenDisk, OpenNet

CHECKOUT = Path(__file__).resolve().parents[3]
MAC = "02:00:00:00:00:01"


def test_words_follow_the_kind() -> None:
    net = NetOptions(mode="tap,tso=off,csum=off,gro=on,zerocopy=off,mq=2")  # type: ignore[arg-type]
    assert net.mode is NetMode.TAP
    assert net.without == ("tso", "csum", "zerocopy")
    assert net.queues == 2


def test_words_follow_a_socket_in_any_order() -> None:
    net = NetOptions(mode="vhost:/s,lro=off,server")  # type: ignore[arg-type]
    assert (net.socket, net.server, net.without) == (Path("/s"), True, (NetFeature.LRO,))


@pytest.mark.parametrize(
    "mode",
    [
        "tap,tso",
        "tap,tso=no",
        "tap,rss=off",
        "tap,mq=0",
        "tap,mq=9",
        "tap,server",
        "none,tso=off",
        "vhost:/s,mq=2",
    ],
)
def test_another_word_is_refused(mode: str) -> None:
    with pytest.raises(RktioError, match="net"):
        NetOptions(mode=mode)  # type: ignore[arg-type]


def test_a_file_may_name_them(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text(
        'image = "a"\nprogram = "b"\n[net]\nmode = "tap,gso=off"\nwithout = ["lro"]\nqueues = 3\n'
    )
    net = options_of_file(file).net
    assert (net.without, net.queues) == (("lro", "gso"), 3)


def test_a_file_with_another_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "app.toml"
    file.write_text('image = "a"\nprogram = "b"\n[net]\nwithout = ["checksums"]\n')
    with pytest.raises(RktioError, match="checksums"):
        options_of_file(file)


def pairs(net: OpenNet) -> list[tuple[str, str]]:
    options = RunOptions(Path("a.img"), "/bin/true")
    record = LaunchRecord(options, (OpenDisk(5, read_only=False, direct=True),), net)
    return [pair for pair in record.pairs() if pair[0].startswith("net")]


def test_the_enclave_is_told() -> None:
    tap = OpenNet(7, MAC, 1500, (), (), (), more_fds=(8,), without=("tso", "gro"))
    assert pairs(tap)[1:] == [
        ("net_queue", "8"),
        ("net_without", "tso"),
        ("net_without", "gro"),
    ]


def test_the_bound_is_the_launch_records() -> None:
    header = (CHECKOUT / "abi/launch.h").read_text()
    found = re.search(r"LAUNCH_NET_QUEUES_MAX\s+(\d+)", header)
    assert found is not None
    assert int(found[1]) == QUEUES_MAX
