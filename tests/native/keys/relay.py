# SPDX-License-Identifier: Apache-2.0
"""A host in the middle that holds the broker's TLS key: it hands messages on, or spoils them.

A real host can't even do that, for it has not the certificate that is pinned.
"""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rktio.owner.messages import COOKIE
from rktio.owner.tls import certificate_fingerprint, make_certificate
from tests.unit.owner.brokering import Bench

SECONDS = 10.0


@dataclass
class Exchange:
    """One request, and what is answered to it."""

    method: str
    path: str
    cookie: str | None
    body: bytes
    answer: bytes = b""


Spoil = Callable[[Exchange], object]


def nothing(exchange: Exchange) -> None:
    """Leave all as it is."""


@dataclass
class Relay:
    """Serves TLS on a free port of an address; `before` and `after` may change an exchange."""

    bench: Bench
    folder: Path
    address: str = "127.0.0.1"
    before: Spoil = nothing
    after: Spoil = nothing
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        key, certificate = self.folder / "tls.key", self.folder / "tls.crt"
        make_certificate(key, certificate, [self.address])
        self.fingerprint = certificate_fingerprint(certificate)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server((self.address, 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(SECONDS)
        self._listener.close()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self._listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(SECONDS)
            self._context.maximum_version = self.version
            try:
                with self._context.wrap_socket(connection, server_side=True) as tls:
                    self._answer(tls)
            except OSError:
                connection.close()  # the client hung up, as it may

    def _answer(self, tls: ssl.SSLSocket) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw or len(raw) < _whole(raw):
            chunk = tls.recv(65536)
            if not chunk:
                return
            raw += chunk
        head, _, body = raw.partition(b"\r\n\r\n")
        method, path, _ = head.decode().split(" ", 2)
        cookie = re.search(rf"^Cookie: {COOKIE}=(.*)\r?$", head.decode(), re.MULTILINE)
        exchange = Exchange(method, path, cookie[1].strip() if cookie else None, body)
        self.seen.append(path)
        self.before(exchange)
        exchange.answer = self._ask(exchange)
        self.after(exchange)
        tls.sendall(exchange.answer)

    def _ask(self, exchange: Exchange) -> bytes:
        http = self.bench.http
        http.cookies.clear()
        headers = {"Cookie": f"{COOKIE}={exchange.cookie}"} if exchange.cookie else {}
        body = exchange.body or None
        got = http.request(exchange.method, exchange.path, content=body, headers=headers)
        lines = [f"HTTP/1.1 {got.status_code} {got.reason_phrase}"]
        lines += [f"{name}: {value}" for name, value in got.headers.multi_items()]
        return "\r\n".join([*lines, "", ""]).encode() + bytes(got.content)


def _whole(raw: bytes) -> int:
    head, _, _ = raw.partition(b"\r\n\r\n")
    length = re.search(rb"^content-length: (\d+)", head, re.MULTILINE | re.IGNORECASE)
    return len(head) + 4 + (int(length[1]) if length else 0)
