# SPDX-License-Identifier: Apache-2.0
"""What the process at the other end of shared memory finds there: no plaintext of TLS, no key."""

from __future__ import annotations

import base64
import mmap
import os
import re
import secrets
import socket
import ssl
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import host
from tests.functional.vtap import Vtap

pytestmark = pytest.mark.needs(
    "root", "tun", "ip", "enclave", "fsgsbase", "dispatch", "mmdebstrap", "openssl"
)

PLAIN, TLS = 7, 443
BLOCK_BYTES = 1 << 16
ROUNDS = 24
SERVER = f"""
import os, socket, ssl, threading
open('/tmp/pem', 'w').write(os.environ['PEM'])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/tmp/pem')
def echo(port, wrap):
    listener = socket.create_server(('', port))
    while True:
        peer = wrap(listener.accept()[0])
        while data := peer.recv(1 << 16):
            peer.sendall(data)
def tls(peer):
    return context.wrap_socket(peer, server_side=True)
threading.Thread(target=echo, args=({PLAIN}, lambda peer: peer)).start()
threading.Thread(target=echo, args=({TLS}, tls)).start()
print('ready', flush=True)
"""


@pytest.fixture
def pem(tmp_path: Path) -> str:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    new = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test")
    host("openssl", *new, "-keyout", key, "-out", certificate)
    return key.read_text() + certificate.read_text()


class Eavesdropper:
    """The back end's view: what the enclave shares with it is mapped into its process."""

    def __init__(self, pid: int) -> None:
        maps = Path(f"/proc/{pid}/maps").read_text()
        found = re.search(r"^(\w+-\w+) .*memfd:rkt-io-dma", maps, re.MULTILINE)
        assert found is not None, maps
        fd = os.open(f"/proc/{pid}/map_files/{found[1]}", os.O_RDWR)
        self.memory = mmap.mmap(fd, os.fstat(fd).st_size, prot=mmap.PROT_READ)
        os.close(fd)

    def finds(self, secret: bytes) -> bool:
        return self.memory.find(secret) >= 0


def echo_and_look(peer: socket.socket, secret: bytes, ear: Eavesdropper) -> int:
    """Send the secret there and back; return how often the eavesdropper found it meanwhile."""
    block = secret * (BLOCK_BYTES // len(secret))
    found = 0
    for _ in range(ROUNDS):
        peer.sendall(block)
        found += ear.finds(secret)
        left = len(block)
        while left:
            data = peer.recv(left)
            assert data, "the enclave hung up"
            left -= len(data)
        found += ear.finds(secret)
    return found


def test_the_dma_region_holds_no_plaintext_of_tls_and_no_key(
    enclaves: Enclaves, debian_image: Path, vtap: Vtap, pem: str
) -> None:
    vtap.start()
    server = vtap.enclave(
        enclaves, debian_image, "/usr/bin/python3", "-c", SERVER, env=f"PEM={pem}"
    )
    server.until_line("ready")
    server.until_port(PLAIN)
    assert vtap.process is not None
    ear = Eavesdropper(vtap.process.pid)
    hidden, shown = secrets.token_bytes(32), secrets.token_bytes(32)
    context = ssl._create_unverified_context()
    with vtap.network.connect(TLS, timeout=20) as raw, context.wrap_socket(raw) as peer:
        assert echo_and_look(peer, hidden, ear) == 0
    # The modulus stands first, and in the certificate too; what follows is secret.
    body = "".join(line for line in pem.split("-----")[2].splitlines() if line)
    key = base64.b64decode(body)
    assert not any(ear.finds(key[at : at + 32]) for at in range(320, len(key) - 32, 32))
    # The same way without TLS: the scan can find what is there.
    with vtap.network.connect(PLAIN, timeout=20) as peer:
        assert echo_and_look(peer, shown, ear) > 0
