# SPDX-License-Identifier: Apache-2.0
"""The decisions of the key broker: who gets a challenge, whose evidence holds, who gets a secret.

Independent of HTTP. Every decision goes to the audit log with its reason; the client learns a
status and the number of the entry, nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError
from rktio.owner import messages
from rktio.owner.claims import Claims, RefusedError, printable, refuse
from rktio.owner.encoding import canonical_json
from rktio.owner.jwe import encrypt
from rktio.owner.jwk import parse_jwk
from rktio.owner.policy import Rules, is_resource, load_rules
from rktio.owner.process import verify_process
from rktio.owner.roots import Trust, read_revocation_list
from rktio.owner.signed import PublicKey
from rktio.owner.snp import verify_snp
from rktio.owner.store import Session, Store
from rktio.owner.tdx import collateral_in, verify_tdx
from rktio.owner.token import TokenSigner

CHALLENGE_SECONDS = 120
SESSION_SECONDS = 300
SESSIONS_MAX = 10_000
SESSION_ID_BYTES = 32
SESSION_ID_CHARACTERS_MAX = 64

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, FAILED, BUSY = 401, 403, 404, 500, 503

log = logging.getLogger(__name__)


class DeniedError(Exception):
    """The client gets this HTTP status; `entry` of the audit log has the reason."""

    def __init__(self, status: int, entry: int | None) -> None:
        super().__init__(f"denied with status {status}, audit entry {entry}")
        self.status = status
        self.entry = entry


@dataclass(frozen=True)
class Settings:
    """Where rules, collateral and revocation lists are, and whom the owner trusts."""

    folder: Path
    owner_key: PublicKey
    trust: Trust
    clock: Callable[[], float] = time.time


class Broker:
    """One broker; safe to use from several threads, and several processes by one database."""

    def __init__(self, settings: Settings, store: Store, tokens: TokenSigner) -> None:
        self._settings = settings
        self._store = store
        self._tokens = tokens

    def challenge(self, raw: bytes, client: str) -> tuple[str, dict[str, Any]]:
        """Answer a Request: return a new session's id and the Challenge. Raises DeniedError."""
        with self._audited("auth", client, UNAUTHORIZED) as notes:
            tee = messages.parse_request(raw)
            now = self._settings.clock()
            if self._store.purge_sessions(now) >= SESSIONS_MAX:
                raise refuse("sessions", SESSIONS_MAX, f"fewer than {SESSIONS_MAX}")
            session_id = base64.urlsafe_b64encode(os.urandom(SESSION_ID_BYTES)).decode()
            nonce = base64.b64encode(os.urandom(messages.NONCE_BYTES)).decode()
            expires = now + CHALLENGE_SECONDS
            self._store.add_session(_hash(session_id), tee, nonce, expires)
            notes["tee"] = tee
        extra = {"selected-hash-algorithm": messages.HASH}
        return session_id, {"nonce": nonce, "extra-params": extra}

    def attest(self, session_id: str | None, raw: bytes, client: str) -> str:
        """Verify evidence and return a token. The nonce is used up. Raises DeniedError."""
        with self._audited("attest", client, UNAUTHORIZED) as notes:
            attestation = messages.parse_attestation(raw)
            id_hash = _hash(_present(session_id))
            session = self._store.use_challenge(id_hash, self._settings.clock())
            if session is None:
                raise refuse("session", "unknown, expired or used", "one with an unused nonce")
            notes["tee"] = session.tee
            if not hmac.compare_digest(attestation.nonce.encode(), session.nonce.encode()):
                raise refuse("nonce", attestation.nonce, session.nonce)
            rules = self._rules()
            claims = self._verify(session, attestation, rules)
            notes["claims"] = claims
            notes["reference"] = rules.identify(claims).name
            jwk = canonical_json(dict(attestation.tee_pubkey)).decode()
            expires = self._settings.clock() + SESSION_SECONDS
            self._store.set_attested(id_hash, jwk, json.dumps(claims), expires)
        return self._tokens.token(attestation.tee_pubkey, self._settings.clock(), SESSION_SECONDS)

    def resource(self, session_id: str | None, path: str, client: str) -> dict[str, str]:
        """Return the JWE of a secret for an attested session. Raises DeniedError."""
        with self._audited("resource", client, FORBIDDEN) as notes:
            notes["resource"] = path
            session = self._attested(session_id, notes)
            if not is_resource(path):
                raise refuse("resource", path, "REPOSITORY/TYPE/TAG")
            claims: Claims = json.loads(session.claims or "{}")
            self._rules().check_grant(path, claims)
            secret = self._store.resource(path)
            if secret is None:
                notes["status"] = NOT_FOUND
                raise refuse("resource", path, "one that was added with rkt-io keys add")
            return encrypt(secret, parse_jwk(json.loads(session.tee_pubkey or "{}")))

    def _attested(self, session_id: str | None, notes: dict[str, Any]) -> Session:
        notes["status"] = UNAUTHORIZED
        session = self._store.session(_hash(_present(session_id)), self._settings.clock())
        if session is None or session.state != "attested":
            state = "unknown or expired" if session is None else session.state
            raise refuse("session", state, "attested")
        del notes["status"]
        return session

    def _rules(self) -> Rules:
        return load_rules(self._settings.folder, self._settings.owner_key)

    def _verify(self, session: Session, attestation: messages.Attestation, rules: Rules) -> Claims:
        now, expected = self._settings.clock(), attestation.report_data
        if session.tee == "snp":
            evidence = messages.parse_snp_evidence(attestation.evidence)
            trust = self._trust(rules)
            return verify_snp(evidence.report, evidence.certificate, expected, trust, now)
        if session.tee == "tdx":
            quote = messages.parse_tdx_evidence(attestation.evidence)
            source = collateral_in(self._settings.folder / "collateral")
            return verify_tdx(quote, expected, source, now)
        return verify_process(attestation.evidence, expected)

    def _trust(self, rules: Rules) -> Trust:
        lists = sorted((self._settings.folder / "crl").glob("*.crl"))
        return replace(
            self._settings.trust,
            revocation_lists=tuple(read_revocation_list(path) for path in lists),
            revoked_fingerprints=rules.revoked_certificates,
        )

    @contextmanager
    def _audited(self, event: str, client: str, status: int) -> Iterator[dict[str, Any]]:
        """Write what happens inside to the audit log; an error becomes a bare denial."""
        notes: dict[str, Any] = {}
        try:
            yield notes
        except RefusedError as error:
            notes["refusals"] = [vars(refusal) for refusal in error.refusals]
            status = notes.pop("status", status)
            raise DeniedError(status, self._append(client, event, "denied", notes)) from error
        except RktioError as error:
            notes["error"] = printable(error.message)
            raise DeniedError(status, self._append(client, event, "denied", notes)) from error
        except Exception as error:
            log.exception("%s: internal error", event)
            notes["error"] = f"internal error: {type(error).__name__}: {printable(error)}"
            raise DeniedError(FAILED, self._append(client, event, "failed", notes)) from error
        if self._append(client, event, "granted", notes) is None:
            raise DeniedError(FAILED, None)  # nothing is given that isn't written down

    def _append(self, client: str, event: str, verdict: str, notes: dict[str, Any]) -> int | None:
        if "resource" in notes:
            notes["resource"] = printable(notes["resource"])
        detail = json.dumps(notes, sort_keys=True)
        log.log(
            logging.INFO if verdict == "granted" else logging.WARNING,
            "%s %s: %s",
            event,
            verdict,
            detail,
        )
        try:
            return self._store.append(self._settings.clock(), client, event, verdict, detail)
        except RktioError as error:
            log.error("%s", error.message)
            return None


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()


def _present(session_id: str | None) -> str:
    if not session_id:
        raise refuse("session cookie", "absent", messages.COOKIE)
    if len(session_id) > SESSION_ID_CHARACTERS_MAX:
        limit = f"at most {SESSION_ID_CHARACTERS_MAX}"
        raise refuse("session cookie", f"{len(session_id)} characters", limit)
    return session_id
