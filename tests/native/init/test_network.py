# SPDX-License-Identifier: Apache-2.0
"""PID 1 configures lo, eth0 and the default routes."""

from __future__ import annotations

import pytest

from tests.native.init.conftest import Guest
from tests.native.init.test_pid1 import PROBE, failure, output, without_namespaces

pytestmark = pytest.mark.needs("gcc", "ip")

# The peer is up, so that eth0 has a carrier.
ETH0 = "ip link add eth0 type veth peer name peer && ip link set peer up && "
NET = "net=tap:3:02:00:00:00:00:01:1400"
CAT = (PROBE, "arg=cat")


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    why = without_namespaces()
    if why:
        pytest.skip(why)


def test_lo_is_up_without_a_device(guest: Guest) -> None:
    told = output(guest, *CAT, "arg=/proc/net/fib_trie", "arg=/proc/net/if_inet6")
    assert "127.0.0.1" in told
    assert told.splitlines()[-1].endswith(" lo")


def test_eth0_gets_mtu_addresses_and_routes(guest: Guest) -> None:
    told = output(
        guest,
        NET,
        "addr=10.0.1.1/24",
        "addr=192.168.7.9/30",
        "addr=fd00:1::1:1/64",
        "gateway=10.0.1.254",
        "gateway=fd00:1::fe",
        *CAT,
        "arg=/sys/class/net/eth0/mtu",
        "arg=/proc/net/route",
        "arg=/proc/net/ipv6_route",
        "arg=/proc/net/if_inet6",
        "arg=/proc/net/fib_trie",
        before=ETH0,
    )
    assert told.startswith("1400\n")
    assert "eth0\t00000000\tFE01000A\t0003" in told  # 10.0.1.254, up and a gateway
    assert "eth0\t0001000A\t00000000\t0001" in told  # 10.0.1.0/24
    assert "10.0.1.255" in told and "192.168.7.11" in told  # broadcast addresses
    gateway = "fd0000010000000000000000000000fe"
    assert f"{'0' * 32} 00 {'0' * 32} 00 {gateway}" in told


def test_an_ipv6_address_is_usable_at_once(guest: Guest) -> None:
    told = output(guest, NET, "addr=fd00::1/64", *CAT, "arg=/proc/net/if_inet6", before=ETH0)
    line = next(line for line in told.splitlines() if line.startswith("fd00"))
    _, _, prefix, _, flags, name = line.split()
    tentative = 0x40
    assert (prefix, name, int(flags, 16) & tentative) == ("40", "eth0", 0)


def test_router_advertisements_of_the_host_are_ignored(guest: Guest) -> None:
    path = "/proc/sys/net/ipv6/conf/eth0/accept_ra"
    told = output(guest, NET, "addr=fd00::1/64", *CAT, f"arg={path}", before=ETH0)
    assert told == "0\n"


def test_a_gateway_outside_the_network_is_named(guest: Guest) -> None:
    line = failure(guest, NET, "addr=10.0.1.1/24", "gateway=10.9.9.9", PROBE, before=ETH0)
    assert "gateway 10.9.9.9 is in none of eth0's networks; " in line


def test_a_missing_device_is_one_line(guest: Guest) -> None:
    assert "found no network device; " in failure(guest, NET, PROBE)


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("::fe", "000000000000000000000000000000fe"),
        ("fd00::", "fd000000000000000000000000000000"),
        ("1:2:3:4:5:6:7:8", "00010002000300040005000600070008"),
        ("1::7:8", "00010000000000000000000000070008"),
        ("2001:DB8::a", "20010db800000000000000000000000a"),
        ("fd00::10.0.1.1", "fd00000000000000000000000a000101"),
    ],
)
def test_ipv6_addresses_are_read_as_rfc_4291_writes_them(
    guest: Guest, text: str, packed: str
) -> None:
    told = output(guest, NET, f"addr={text}/64", *CAT, "arg=/proc/net/if_inet6", before=ETH0)
    assert packed in told


@pytest.mark.parametrize(
    "text", ["1:2", "1::2::3", "12345::", ":1::", "1:", "::g", "10.0.1", ":::"]
)
def test_what_is_no_address_is_refused(guest: Guest, text: str) -> None:
    line = failure(guest, NET, f"addr={text}/8", PROBE, before=ETH0)
    assert f"malformed address: {text}/8" in line
