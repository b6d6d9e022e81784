# SPDX-License-Identifier: Apache-2.0
"""Runs the broker under uvicorn, with TLS only."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from rktio.common.errors import RktioError
from rktio.owner.broker import Broker, Settings
from rktio.owner.keyfolder import KeyFolder
from rktio.owner.policy import load_rules
from rktio.owner.roots import amd_trust
from rktio.owner.service import service
from rktio.owner.tls import certificate_fingerprint, make_certificate

CONNECTIONS_MAX = 256
KEEP_ALIVE_SECONDS = 5


@dataclass(frozen=True)
class Identity:
    """Certificate and key of the server, and the fingerprint that clients pin."""

    certificate: Path
    key: Path
    fingerprint: str


def identity(folder: KeyFolder, certificate: Path | None, key: Path | None, host: str) -> Identity:
    """Return the given TLS identity, or the folder's own, which is made once."""
    if certificate is not None and key is not None:
        return Identity(certificate, key, certificate_fingerprint(certificate))
    own_certificate, own_key = folder.tls
    if not (own_certificate.is_file() and own_key.is_file()):
        names = list(dict.fromkeys([host, "localhost", "127.0.0.1"]))
        make_certificate(own_key, own_certificate, names)
    return Identity(own_certificate, own_key, certificate_fingerprint(own_certificate))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises RktioError."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=CONNECTIONS_MAX)
    except OSError as error:
        raise RktioError(f"cannot listen on {host}, port {port}: {error.strerror}") from error


def server(
    folder: KeyFolder, database: str | None, who: Identity, host: str, port: int
) -> uvicorn.Server:
    """Return a server ready to run; it has read and verified the rules once. Raises RktioError."""
    settings = Settings(folder.path, folder.owner(), amd_trust())
    load_rules(settings.folder, settings.owner_key)
    broker = Broker(settings, folder.store(database), folder.tokens())
    config = uvicorn.Config(
        service(broker),
        host=host,
        port=port,
        ssl_certfile=who.certificate,
        ssl_keyfile=who.key,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_level="warning",
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise RktioError(f"{who.certificate}, {who.key}: not a certificate and its key") from error
    assert config.ssl is not None
    config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return uvicorn.Server(config)
