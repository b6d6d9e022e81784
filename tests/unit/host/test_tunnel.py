# SPDX-License-Identifier: Apache-2.0
"""[wireguard] of a run's configuration, and what the launch record says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host import wireguard
from rktio.host.config import read_config
from rktio.owner import wireguard_key

KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
PEER = f'''
[[wireguard.peer]]
public-key = "{KEY}"
allowed-ips = ["10.9.0.2/32", "fd00::2/128"]
'''


def pairs(folder: Path, text: str) -> list[tuple[str, str]]:
    path = folder / "run.toml"
    path.write_text(text)
    return list(wireguard.pairs(read_config(path)["wireguard"]))


def test_the_record_says_the_tunnel(tmp_path: Path) -> None:
    text = '[wireguard]\naddresses = ["10.9.0.1/24"]\nlisten-port = 7\nonly = false\n' + PEER
    assert pairs(tmp_path, text + 'endpoint = "[fd00:0::9]:9"\nkeep-alive = 25\n') == [
        ("wireguard", "7:1420:open"),
        ("wireguard_addr", "10.9.0.1/24"),
        ("wireguard_peer", f"{KEY},25,[fd00::9]:9,-,10.9.0.2/32,fd00::2/128"),
    ]


def test_the_wire_is_closed_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    found = pairs(tmp_path, '[wireguard]\naddresses = ["10.9.0.1/24"]\n' + PEER)
    assert found[0] == ("wireguard", "51820:1420:only")


def test_a_preshared_key_is_named(tmp_path: Path) -> None:
    text = '[wireguard]\naddresses = ["10.9.0.1/24"]\n' + PEER + 'preshared-key = "backup"\n'
    assert pairs(tmp_path, text)[-1][1].split(",")[3] == "backup"


def test_an_endpoint_that_has_no_address_is_named(tmp_path: Path) -> None:
    text = '[wireguard]\naddresses = ["10.9.0.1/24"]\n' + PEER + 'endpoint = "no.invalid:1"\n'
    with pytest.raises(RktioError, match=r"endpoint 'no.invalid' can't be resolved"):
        pairs(tmp_path, text)


def test_a_key_is_for_its_user_only_and_made_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    public = wireguard_key.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"wireguard=[0-9a-f]{64}\n", path.read_text())
    assert wireguard_key.public(path) == public
    with pytest.raises(RktioError, match="has a key 'wireguard' already"):
        wireguard_key.create(path)
