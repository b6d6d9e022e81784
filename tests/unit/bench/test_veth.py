# SPDX-License-Identifier: Apache-2.0
"""The namespace and veth pair of a native server are there while it runs, and only then."""

from __future__ import annotations

import os
import shutil
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from rktio.bench.placement import server_cores
from rktio.bench.veth import server_behind_veth
from rktio.common.errors import RktioError

ADDRESS = IPv4Interface("10.231.57.1/24")
HOST_END = Path(f"/sys/class/net/rktb{os.getpid()}")


@pytest.fixture(autouse=True)
def need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    if shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("ip is not installed (iproute2)")


def test_nothing_is_left_after_the_server() -> None:
    with server_behind_veth(["sleep", "60"], server_cores(1), ADDRESS, {}):
        assert HOST_END.exists()

    assert not HOST_END.exists()


def test_nothing_is_left_after_an_error() -> None:
    with (
        pytest.raises(ZeroDivisionError),
        server_behind_veth(["sleep", "60"], server_cores(1), ADDRESS, {}),
    ):
        raise ZeroDivisionError

    assert not HOST_END.exists()


def test_setting_that_the_kernel_refuses_is_told_and_leaves_nothing() -> None:
    with (
        pytest.raises(RktioError, match="no_such_setting"),
        server_behind_veth(
            ["sleep", "60"], server_cores(1), ADDRESS, {"net.core.no_such_setting": "1"}
        ),
    ):
        pass

    assert not HOST_END.exists()
