# SPDX-License-Identifier: Apache-2.0
"""A broker under test: its folder, a clock that stands still, and a client that can lie."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fastapi.testclient import TestClient

from rktio.owner.broker import Broker, Settings
from rktio.owner.jwe import decrypt
from rktio.owner.jwk import to_jwk
from rktio.owner.keyfolder import KeyFolder
from rktio.owner.messages import COOKIE, report_data
from rktio.owner.process import process_evidence
from rktio.owner.service import RateLimit, service
from rktio.owner.signed import read_private_key
from rktio.owner.store import Store
from tests.unit.owner import minting

RESOURCE = "default/disk-key/redis"
SECRET = b"the key of the disk, 32 bytes...."

REFERENCES = f"""
version = 1
[[reference]]
name = "redis"
tee = "snp"
measurement = ["{minting.MEASUREMENT.hex()}"]
minimum_tcb = {{ bootloader = 4, tee = 0, snp = 24, microcode = 217 }}
"""
POLICY = f"""
version = 1
[[grant]]
resource = "{RESOURCE}"
references = ["redis"]
"""
PROCESS_REFERENCES = f"""
version = 1
[[reference]]
name = "redis"
tee = "process"
measurement = ["{minting.MEASUREMENT.hex()}"]
"""
AUTH = {"version": "0.4.0", "tee": "snp", "extra-params": ""}


@dataclass
class Clock:
    """Time, in seconds since 1970, as the test sets it."""

    now: float = minting.NOW.timestamp()

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A broker with one secret, and an enclave's key."""

    folder: KeyFolder
    store: Store
    clock: Clock
    http: TestClient
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def rules(self, references: str = REFERENCES, policy: str = POLICY) -> None:
        """Write and sign rules."""
        (self.folder.path / "references.toml").write_text(references)
        (self.folder.path / "policy.toml").write_text(policy)
        self.folder.sign(read_private_key(self.folder.owner_private))

    def challenge(self, tee: str = "snp") -> tuple[str, str]:
        """Return session and nonce."""
        answer = self.http.post("/kbs/v0/auth", json={**AUTH, "tee": tee})
        assert answer.status_code == 200, answer.text
        return answer.cookies[COOKIE], answer.json()["nonce"]

    def message(self, nonce: str, **changes: object) -> dict[str, Any]:
        """Return a right SNP Attestation; `changes` are fields of the report."""
        jwk = to_jwk(self.key.public_key())
        raw = minting.report(**{"report_data": report_data(nonce, jwk), **changes})
        return attestation(nonce, jwk, snp_evidence(raw, minting.vcek()))

    def process_message(self, nonce: str) -> dict[str, Any]:
        """Return a right Attestation of the process back end."""
        jwk = to_jwk(self.key.public_key())
        evidence = process_evidence(minting.MEASUREMENT, report_data(nonce, jwk))
        return attestation(nonce, jwk, evidence)

    def attest(self, session: str | None, message: object) -> int:
        """Send an Attestation, a dict or raw bytes, and return the status."""
        raw = message if isinstance(message, bytes) else json.dumps(message).encode()
        return self._send("POST", "/kbs/v0/attest", session, raw)[0]

    def resource(self, session: str | None, path: str = RESOURCE) -> tuple[int, Any]:
        """Ask for a secret; return status and answer."""
        return self._send("GET", f"/kbs/v0/resource/{path}", session, None)

    def released(self, session: str, path: str = RESOURCE) -> bytes:
        """Return a secret that is given."""
        status, answer = self.resource(session, path)
        assert status == 200, answer
        return decrypt(answer, self.key)

    def attested(self, **changes: object) -> str:
        """Return a session whose evidence was accepted."""
        session, nonce = self.challenge()
        assert self.attest(session, self.message(nonce, **changes)) == 200
        return session

    def reason(self) -> dict[str, Any]:
        """Return the detail of the last entry of the audit log."""
        detail: dict[str, Any] = json.loads(self.store.audit()[-1].detail)
        return detail

    def claim(self) -> str:
        """Return the first claim that the last entry refuses, or its error."""
        reason = self.reason()
        return str(reason["refusals"][0]["claim"] if "refusals" in reason else reason["error"])

    def _send(
        self, method: str, path: str, session: str | None, raw: bytes | None
    ) -> tuple[int, Any]:
        self.http.cookies.clear()
        headers = {} if session is None else {"Cookie": f"{COOKIE}={session}"}
        answer = self.http.request(method, path, content=raw, headers=headers)
        return answer.status_code, answer.json()


def make_bench(path: Path, limit: RateLimit | None = None, database: str | None = None) -> Bench:
    """Return a broker in a folder that trusts the minted chain."""
    folder, clock = KeyFolder(path), Clock()
    folder.create(None)
    store = folder.store(database)
    store.put_resource(RESOURCE, SECRET, clock.now)
    settings = Settings(path, folder.owner(), minting.mint().trust(), clock)
    app = service(Broker(settings, store, folder.tokens()), limit or RateLimit(1e6, 10**6))
    bench = Bench(folder, store, clock, TestClient(app, base_url="https://broker"))
    bench.rules()
    return bench


def attestation(nonce: str, jwk: object, evidence: object) -> dict[str, Any]:
    """Return the message of an enclave."""
    return {
        "runtime-data": {"nonce": nonce, "tee-pubkey": jwk},
        "tee-evidence": {"primary_evidence": evidence, "additional_evidence": ""},
    }


def snp_evidence(raw: bytes, certificate: bytes) -> dict[str, Any]:
    """Return SNP evidence as JSON carries it."""
    entry = {"cert_type": "VCEK", "data": base64.b64encode(certificate).decode()}
    return {"attestation_report": base64.b64encode(raw).decode(), "cert_chain": [entry]}


Mutation = Callable[[dict[str, Any]], object]
