# SPDX-License-Identifier: Apache-2.0
"""A client of the Key Broker Service protocol: the reference for the enclave's own, in C.

Standard library for HTTP; the server is authenticated by the fingerprint of its certificate, or
by a CA. What it sends is documented, byte for byte, in docs/keys.md.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import ssl
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rktio.common.errors import RktioError
from rktio.owner.encoding import parse_object
from rktio.owner.jwe import TeePrivateKey, decrypt
from rktio.owner.jwk import to_jwk
from rktio.owner.messages import COOKIE, HASH, PROTOCOL_VERSION, report_data

ANSWER_BYTES_MAX = 2 << 20
TIMEOUT_SECONDS = 20.0

Evidence = Callable[[bytes], Mapping[str, Any]]


def new_key(kind: str = "EC") -> TeePrivateKey:
    """Return a new key of an enclave: "EC" (P-256) or "RSA" (3072 bits)."""
    if kind == "RSA":
        return rsa.generate_private_key(65537, 3072)
    return ec.generate_private_key(ec.SECP256R1())


class KbsClient:
    """One session with a broker. Methods raise RktioError where the broker denies."""

    def __init__(
        self,
        url: str,
        *,
        fingerprint: str | None = None,
        ca_file: Path | None = None,
        key: TeePrivateKey | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" or parts.hostname is None:
            raise RktioError(f"{url}: not an https:// address")
        self._host, self._port = parts.hostname, parts.port or 443
        self._fingerprint = fingerprint
        self._context = _context(fingerprint, ca_file)
        self._key = key or new_key()
        self._cookie: str | None = None

    def attest(self, tee: str, evidence: Evidence) -> str:
        """Do the handshake; `evidence` gets 64 bytes of report data. Return the token."""
        request = {
            "version": PROTOCOL_VERSION,
            "tee": tee,
            "extra-params": {"supported-hash-algorithms": [HASH]},
        }
        challenge = self._call("POST", "/kbs/v0/auth", request)
        runtime = {"nonce": challenge["nonce"], "tee-pubkey": to_jwk(self._key.public_key())}
        data = report_data(runtime["nonce"], runtime["tee-pubkey"])
        attestation = {
            "runtime-data": runtime,
            "tee-evidence": {"primary_evidence": evidence(data), "additional_evidence": ""},
        }
        return str(self._call("POST", "/kbs/v0/attest", attestation)["token"])

    def resource(self, path: str) -> bytes:
        """Return the secret REPOSITORY/TYPE/TAG."""
        return decrypt(self._call("GET", f"/kbs/v0/resource/{path}", None), self._key)

    def _call(self, method: str, path: str, message: object) -> dict[str, Any]:
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=TIMEOUT_SECONDS, context=self._context
        )
        try:
            connection.connect()
            self._check_server(connection)
            return self._exchange(connection, method, path, message)
        except (OSError, http.client.HTTPException) as error:
            raise RktioError(f"key broker {self._host}:{self._port}: {error}") from error
        finally:
            connection.close()

    def _check_server(self, connection: http.client.HTTPSConnection) -> None:
        if self._fingerprint is None:
            return
        der = connection.sock.getpeercert(binary_form=True)
        found = hashlib.sha256(der or b"").hexdigest()
        if not hmac.compare_digest(found, self._fingerprint.lower()):
            raise RktioError(f"the key broker's certificate is {found}, not {self._fingerprint}")

    def _exchange(
        self, connection: http.client.HTTPSConnection, method: str, path: str, message: object
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if self._cookie is not None:
            headers["Cookie"] = f"{COOKIE}={self._cookie}"
        body = None
        if message is not None:
            body = json.dumps(message)
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        raw = answer.read(ANSWER_BYTES_MAX + 1)
        if len(raw) > ANSWER_BYTES_MAX:
            raise RktioError("the key broker's answer is too long")
        if answer.status != http.client.OK:
            raise RktioError(f"the key broker denies {path} with status {answer.status}")
        self._cookie = _session(answer.headers.get("Set-Cookie")) or self._cookie
        return parse_object("answer of the key broker", raw)


def _context(fingerprint: str | None, ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if fingerprint is not None:  # the pin stands for the chain and the name
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _session(header: str | None) -> str | None:
    try:
        cookie = SimpleCookie(header or "").get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie else None
