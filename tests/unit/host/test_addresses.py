# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest

from rktio.common.errors import RktioError
from rktio.host.addresses import HostAddress, check_free, free_suggestion, plan
from rktio.host.options import NetOptions


def held(text: str) -> HostAddress:
    return HostAddress(2, "eth0", ip_interface(text))


@pytest.mark.parametrize(
    ("enclave", "host"),
    [
        ("10.0.1.1/24", "10.0.1.254/24"),
        ("10.0.1.254/24", "10.0.1.253/24"),
        ("10.0.1.1/30", "10.0.1.2/30"),
        ("10.0.1.0/31", "10.0.1.1/31"),
        ("10.1.0.1/16", "10.1.0.254/16"),
        ("fd00:1::1/64", "fd00:1::fe/64"),
        ("fd00:1::/127", "fd00:1::1/127"),
    ],
)
def test_the_host_gets_the_other_end(enclave: str, host: str) -> None:
    planned = plan(NetOptions(addresses=(enclave,)))
    assert [str(end) for end in planned.host] == [host]
    assert [str(gateway) for gateway in planned.gateways] == [host.partition("/")[0]]


def test_two_addresses_of_one_network_share_one_end() -> None:
    planned = plan(NetOptions(addresses=("10.0.1.1/24", "10.0.1.2/24", "fd00::1/64")))
    assert [str(end) for end in planned.host] == ["10.0.1.254/24", "fd00::fe/64"]
    assert planned.has_ipv6


def test_given_values_are_kept() -> None:
    planned = plan(
        NetOptions(
            addresses=("10.0.1.1/24",),
            host_addresses=("10.0.1.9/24",),
            gateways=(),
            dns=("9.9.9.9",),
            mac="02-11-22-33-44-55",
        )
    )
    assert [str(end) for end in planned.host] == ["10.0.1.9/24"]
    assert planned.gateways == ()
    assert planned.mac == "02:11:22:33:44:55"


def test_a_mac_follows_from_the_address() -> None:
    one, same, other = (
        plan(NetOptions(addresses=(text,))).mac
        for text in ("10.0.1.1/24", "10.0.1.1/16", "10.0.2.1/24")
    )
    assert one == same != other
    assert one.startswith("02:00:")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"addresses": ("10.0.1/24",)}, r"address '10\.0\.1/24'"),
        ({"addresses": ("10.0.1.1",)}, "leaves no room"),
        ({"addresses": ("127.0.0.1/8",)}, "can't be an interface's own"),
        ({"addresses": ("224.0.0.1/24",)}, "can't be an interface's own"),
        ({"addresses": ()}, "needs an address"),
        ({"host_addresses": ("10.0.1.1/24",)}, "is also the enclave's"),
        ({"host_addresses": ("10.9.1.1/24",)}, "in no network of the enclave"),
        ({"gateways": ("x",)}, "gateway 'x'"),
        ({"dns": ("10.0.0.300",)}, "dns '10.0.0.300'"),
        ({"mac": "02:00"}, "unicast MAC"),
        ({"mac": "01:00:00:00:00:01"}, "unicast MAC"),
        ({"addresses": ("fd00::1/64",), "mtu": 1000}, "too small for IPv6"),
        ({"dns": ("10.0.0.1",) * 17}, "17 dns servers"),
    ],
)
def test_what_can_not_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RktioError, match=message):
        plan(NetOptions(**settings))


def test_a_network_that_the_host_has_is_taken() -> None:
    wanted = plan(NetOptions())
    assert check_free(wanted, [held("10.0.1.254/24")]) == held("10.0.1.254/24")
    assert check_free(wanted, [held("10.0.0.1/16")]) == held("10.0.0.1/16")
    assert check_free(wanted, [held("10.0.2.1/24"), held("fd00::1/64")]) is None


def test_link_local_networks_are_shared_by_all() -> None:
    wanted = plan(NetOptions(addresses=("fe80::1/64",)))
    assert check_free(wanted, [held("fe80::2/64")]) is None


def test_a_free_network_is_suggested() -> None:
    assert free_suggestion([held("10.0.1.254/24"), held("10.0.2.9/24")]) == "10.0.3.1/24"
