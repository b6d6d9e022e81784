# SPDX-License-Identifier: Apache-2.0
"""The network of a sealed image: its addresses are the owner's, its device is the host's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import Network
from tests.functional.sealing import Host, Owned, configure, make_image, make_owner, make_root

pytestmark = pytest.mark.needs(
    "root", "tun", "enclave", "fsgsbase", "dispatch", "debugfs", "busybox"
)

PORT = 7000
SERVER = f"exec busybox httpd -f -p {PORT} -h /"


@pytest.fixture
def network(enclaves: Enclaves) -> Network:
    return enclaves.network()


@pytest.fixture
def owned(tmp_path: Path, network: Network) -> Owned:
    busybox = shutil.which("busybox")
    assert busybox is not None
    owner = make_owner(tmp_path)
    image = tmp_path / "app.img"
    layout = make_image(image, make_root(tmp_path, busybox), None, owner)
    rest = f'[network]\naddresses = ["{network.address}/24"]\nmtu = 1400'
    config = configure(image, owner, "app", rest=rest)
    return Owned(image, config, tmp_path / "owner.crt", None, owner, layout)


def test_it_answers_on_the_owners_address(
    enclaves: Enclaves, owned: Owned, network: Network
) -> None:
    host = Host(enclaves.program, enclaves.folder)
    command = host.command(owned, "--tap-name", network.tap, script=SERVER)
    running = enclaves.adopt(command, network)
    running.until_port(PORT)
    connection = network.connect(PORT, timeout=5)
    with connection, connection.makefile("rwb") as lines:
        lines.write(b"GET /payload HTTP/1.0\r\n\r\n")
        lines.flush()
        assert lines.readline().endswith(b"200 OK\r\n")
    assert Path("/sys/class/net", network.tap, "mtu").read_text() == "1400\n"
    running.kill()


def test_the_host_can_neither_leave_it_out_nor_say_the_addresses(
    enclaves: Enclaves, owned: Owned, network: Network
) -> None:
    host = Host(enclaves.program, enclaves.folder)
    assert "gives none" in host.refusal(owned, "--net", "none")
    line = host.refusal(owned, "--tap-name", network.tap, "--address", "10.0.2.1/24")
    assert "--address" in line or "addresses" in line
