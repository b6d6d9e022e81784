# SPDX-License-Identifier: Apache-2.0
"""The reference client against the real server: uvicorn, TLS, pinned certificate."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rktio.common.errors import RktioError
from rktio.owner.kbs_client import KbsClient, new_key
from rktio.owner.keyfolder import KeyFolder
from rktio.owner.process import process_evidence
from rktio.owner.server import Identity, identity, server
from rktio.owner.signed import read_private_key
from tests.unit.owner import minting
from tests.unit.owner.brokering import POLICY, PROCESS_REFERENCES, RESOURCE, SECRET

START_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    who: Identity


def evidence(data: bytes) -> Mapping[str, Any]:
    return process_evidence(minting.MEASUREMENT, data)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = KeyFolder(tmp_path_factory.mktemp("broker") / "keys")
    folder.create(None)
    store = folder.store(None)
    store.put_resource(RESOURCE, SECRET, 0.0)
    store.close()
    (folder.path / "references.toml").write_text(PROCESS_REFERENCES)
    (folder.path / "policy.toml").write_text("insecure_process = true\n" + POLICY)
    folder.sign(read_private_key(folder.owner_private))
    who = identity(folder, None, None, "localhost")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    running = server(folder, None, who, "127.0.0.1", port)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        _wait_until_started(running)
        yield Served(f"https://localhost:{port}", who)
    finally:
        running.should_exit = True
        thread.join()
        listener.close()


def _wait_until_started(running: Any) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not running.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_the_handshake_releases_the_secret(served: Served, kind: str) -> None:
    client = KbsClient(served.url, fingerprint=served.who.fingerprint, key=new_key(kind))
    assert client.attest("process", evidence).count(".") == 2
    assert client.resource(RESOURCE) == SECRET


def test_a_ca_file_authenticates_the_server_too(served: Served) -> None:
    client = KbsClient(served.url, ca_file=served.who.certificate)
    client.attest("process", evidence)
    assert client.resource(RESOURCE) == SECRET


def test_another_server_is_refused(served: Served) -> None:
    with pytest.raises(RktioError, match="certificate is"):
        KbsClient(served.url, fingerprint="00" * 32).attest("process", evidence)
    with pytest.raises(RktioError, match="certificate verify failed"):
        KbsClient(served.url).attest("process", evidence)


def test_a_denial_reaches_the_client(served: Served) -> None:
    client = KbsClient(served.url, fingerprint=served.who.fingerprint)
    with pytest.raises(RktioError, match="status 401"):
        client.resource(RESOURCE)
    with pytest.raises(RktioError, match="status 401"):
        client.attest("process", lambda data: process_evidence(bytes(48), data))


def test_only_https_is_spoken(served: Served) -> None:
    with pytest.raises(RktioError, match="https"):
        KbsClient(served.url.replace("https", "http"))


def test_the_certificate_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    first = identity(folder, None, None, "192.0.2.1")
    assert identity(folder, None, None, "192.0.2.1") == first
    assert first.key.stat().st_mode & 0o777 == 0o600


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "keys")
    folder.create(None)
    own = identity(folder, None, None, "localhost")
    wrong = Identity(own.certificate, folder.token_key, own.fingerprint)
    with pytest.raises(RktioError, match="not a certificate and its key"):
        server(folder, None, wrong, "127.0.0.1", 0)
