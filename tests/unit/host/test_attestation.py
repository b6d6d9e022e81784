# SPDX-License-Identifier: Apache-2.0
"""The key broker's address is one, and the TEE is the one that the machine has."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host.attestation import broker_url, found_tee
from rktio.host.options import Tee


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://192.0.2.1:8999", "https://192.0.2.1:8999"),
        ("https://192.0.2.1/", "https://192.0.2.1:443"),
        ("https://[2001:db8::1]:8999", "https://[2001:db8::1]:8999"),
        ("HTTPS://192.0.2.1", "https://192.0.2.1:443"),
    ],
)
def test_the_enclave_gets_an_address_and_a_port(url: str, expected: str) -> None:
    assert broker_url(url) == expected


def test_a_name_is_resolved_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> object:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 0, 0, 2))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert broker_url("https://broker.example:1") == "https://[fe80::1]:1"


def test_a_name_without_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: object, **__: object) -> object:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(RktioError, match=r"broker\.example has no address: Name or"):
        broker_url("https://broker.example")


@pytest.mark.parametrize(
    "url",
    [
        "192.0.2.1:8999",
        "http://192.0.2.1",
        "https://",
        "https://192.0.2.1:99999",
        "https://192.0.2.1:x",
        "https://192.0.2.1/kbs",
        "https://a@192.0.2.1",
        "https://192.0.2.1?a",
        "https://[::1",
    ],
)
def test_what_is_no_address_of_a_broker_is_refused(url: str) -> None:
    with pytest.raises(RktioError, match="is not a key broker's address"):
        broker_url(url)


@pytest.mark.parametrize(
    ("device", "tee"),
    [("dev/sev-guest", Tee.SNP), ("dev/tdx_guest", Tee.TDX), ("dev/null", Tee.PROCESS)],
)
def test_the_tee_is_found_by_its_device(tmp_path: Path, device: str, tee: Tee) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / device).touch()
    assert found_tee(Tee.AUTO, tmp_path) is tee
    assert found_tee(Tee.PROCESS, tmp_path) is Tee.PROCESS
