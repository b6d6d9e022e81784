# SPDX-License-Identifier: Apache-2.0
"""The options and the socket of a network over shared memory."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from rktio.common.errors import RktioError
from rktio.host import vhost
from rktio.host.config import net_options
from rktio.host.options import NetMode, NetOptions
from rktio.host.record import LaunchRecord, OpenNet
from tests.unit.host.test_options import run_options


def test_mode_names_socket_and_role() -> None:
    net = net_options({"mode": "virtio-user:/run/a.sock,server"})
    assert (net.mode, net.socket, net.server) == (NetMode.VIRTIO_USER, Path("/run/a.sock"), True)
    net = net_options({"mode": "vhost:/run/a.sock"})
    assert (net.mode, net.socket, net.server) == (NetMode.VHOST, Path("/run/a.sock"), False)


@pytest.mark.parametrize(
    "settings",
    [
        {"mode": "vhost"},
        {"mode": "virtio-user:"},
        {"mode": "vhost:/s,client"},
        {"mode": "tap:/s"},
        {"mode": "none:/s"},
        {"mode": "virtio-net:/s"},
        {"mode": "tap", "socket": Path("/s")},
        {"mode": "vhost:/s", "tap_name": "web0"},
        {"mode": "vhost:/s", "host_addresses": ("10.0.1.254/24",)},
    ],
)
def test_wrong_modes_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RktioError):
        NetOptions(**settings)


@pytest.mark.parametrize(("server", "role"), [(True, ":server"), (False, "")])
def test_record_says_who_listens(server: bool, role: str) -> None:
    net = OpenNet(7, "02:00:00:00:00:01", 1500, (), (), (), "vhost", server)
    pairs = dict(LaunchRecord(run_options(), (), net).pairs())
    assert pairs["net"] == f"vhost:7:02:00:00:00:00:01:1500{role}"


def test_one_listens_and_the_other_connects(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        socket.socket(fileno=vhost.open_socket(path, listen=True)) as listener,
        socket.socket(fileno=vhost.open_socket(path, listen=False)) as connected,
        listener.accept()[0] as accepted,
    ):
        connected.sendall(b"x")
        assert accepted.recv(1) == b"x"
    assert path.stat().st_mode & 0o077 == 0


def test_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for _ in range(2):
        os.close(vhost.open_socket(path, listen=True))


def test_taken_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    fd = vhost.open_socket(path, listen=True)
    try:
        with pytest.raises(RktioError, match="is taken"):
            vhost.open_socket(path, listen=True)
    finally:
        os.close(fd)


def test_nobody_to_connect_to_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="nobody to connect to") as caught:
        vhost.open_socket(tmp_path / "s", listen=False)
    assert ",server" in (caught.value.hint or "")


def test_other_files_are_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    with pytest.raises(RktioError, match="is no socket"):
        vhost.open_socket(path, listen=True)
    assert path.read_text() == "kept"


def test_long_paths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="longer than"):
        vhost.open_socket(tmp_path / ("s" * 120), listen=True)
