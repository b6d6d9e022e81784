# SPDX-License-Identifier: Apache-2.0
"""The broker's database: sessions, sealed resources and the audit log; SQLite or PostgreSQL.

Resources are encrypted with a key that isn't in the database, so that who reads the database, or
runs it, learns no secret. The audit log can only be appended to (triggers refuse the rest), and
each entry carries the hash of the one before, so that a gap or a change shows.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from rktio.common.errors import RktioError
from rktio.owner.encoding import canonical_json

METADATA = MetaData()
SERIAL = BigInteger().with_variant(Integer(), "sqlite")

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("id_hash", String(64), primary_key=True),
    Column("tee", String(16), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("state", String(16), nullable=False),  # challenged -> used -> attested
    Column("expires", Float, nullable=False, index=True),
    Column("tee_pubkey", Text),
    Column("claims", Text),
)
RESOURCES = Table(
    "resources",
    METADATA,
    Column("path", String(256), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("changed", Float, nullable=False),
)
AUDIT = Table(
    "audit",
    METADATA,
    Column("serial", SERIAL, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("client", String(64), nullable=False),
    Column("event", String(32), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)

APPEND_ONLY_SQLITE = """
CREATE TRIGGER IF NOT EXISTS audit_no_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log can only be appended to'); END
"""
APPEND_ONLY_POSTGRESQL = (
    """
CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log can only be appended to'; END $$
""",
    """
CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
""",
)
AUDIT_LOCK = 0x726B74696F  # any number: names the advisory lock of PostgreSQL

IV_BYTES = 12
SEALING_KEY_BYTES = 32


@dataclass(frozen=True)
class Session:
    """One handshake, found by the hash of its cookie."""

    tee: str
    nonce: str
    state: str
    expires: float
    tee_pubkey: str | None
    claims: str | None


@dataclass(frozen=True)
class Entry:
    """One entry of the audit log; `detail` is JSON or plain text, for the owner only."""

    serial: int
    time: float
    client: str
    event: str
    verdict: str
    detail: str
    hash: str


class Store:
    """All that the broker remembers. Methods raise RktioError where the database fails."""

    def __init__(self, url: str, sealing_key: bytes) -> None:
        if len(sealing_key) != SEALING_KEY_BYTES:
            raise RktioError(f"the sealing key has {len(sealing_key)} bytes, not 32")
        self._cipher = AESGCM(sealing_key)
        try:
            self._engine = _engine(url)
            with self._transaction() as connection:
                METADATA.create_all(connection)
                _make_append_only(connection)
        except (ArgumentError, NoSuchModuleError) as error:
            raise RktioError(
                f"{url.partition(':')[0]}: not a database: {error}",
                hint="sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE",
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add_session(self, id_hash: str, tee: str, nonce: str, expires: float) -> None:
        """Remember a challenge that was given out."""
        with self._transaction() as connection:
            connection.execute(
                insert(SESSIONS).values(
                    id_hash=id_hash, tee=tee, nonce=nonce, state="challenged", expires=expires
                )
            )

    def purge_sessions(self, now: float) -> int:
        """Forget expired sessions and return how many are left."""
        with self._transaction() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.expires <= now))
            left: int = connection.execute(select(func.count()).select_from(SESSIONS)).scalar_one()
            return left

    def session(self, id_hash: str, now: float) -> Session | None:
        """Return a session that has not expired."""
        with self._transaction() as connection:
            return self._session(connection, id_hash, now)

    def use_challenge(self, id_hash: str, now: float) -> Session | None:
        """Return a session whose nonce was not used yet, and mark it used, at once."""
        fresh = (SESSIONS.c.id_hash == id_hash) & (SESSIONS.c.state == "challenged")
        with self._transaction() as connection:
            changed = connection.execute(
                update(SESSIONS).where(fresh & (SESSIONS.c.expires > now)).values(state="used")
            )
            return self._session(connection, id_hash, now) if changed.rowcount == 1 else None

    def set_attested(self, id_hash: str, tee_pubkey: str, claims: str, expires: float) -> None:
        """Note that the evidence of a session was accepted."""
        used = (SESSIONS.c.id_hash == id_hash) & (SESSIONS.c.state == "used")
        with self._transaction() as connection:
            connection.execute(
                update(SESSIONS)
                .where(used)
                .values(state="attested", tee_pubkey=tee_pubkey, claims=claims, expires=expires)
            )

    def put_resource(self, path: str, secret: bytes, now: float) -> None:
        """Add or replace a secret."""
        iv = os.urandom(IV_BYTES)
        sealed = iv + self._cipher.encrypt(iv, secret, path.encode())
        with self._transaction() as connection:
            connection.execute(delete(RESOURCES).where(RESOURCES.c.path == path))
            connection.execute(insert(RESOURCES).values(path=path, sealed=sealed, changed=now))

    def resource(self, path: str) -> bytes | None:
        """Return a secret, or None where there is none."""
        with self._transaction() as connection:
            sealed = connection.execute(
                select(RESOURCES.c.sealed).where(RESOURCES.c.path == path)
            ).scalar()
        if sealed is None:
            return None
        try:
            return self._cipher.decrypt(sealed[:IV_BYTES], sealed[IV_BYTES:], path.encode())
        except (InvalidTag, ValueError) as error:
            raise RktioError(
                f"resource {path} does not open with this sealing key: changed, or another's"
            ) from error

    def resources(self) -> list[tuple[str, float]]:
        """Return the path and time of change of all secrets, sorted."""
        with self._transaction() as connection:
            query = select(RESOURCES.c.path, RESOURCES.c.changed).order_by(RESOURCES.c.path)
            return [(path, changed) for path, changed in connection.execute(query)]

    def remove_resource(self, path: str) -> bool:
        """Delete a secret; False where there is none."""
        with self._transaction() as connection:
            done = connection.execute(delete(RESOURCES).where(RESOURCES.c.path == path))
            return done.rowcount == 1

    def append(self, time: float, client: str, event_: str, verdict: str, detail: str) -> int:
        """Append to the audit log and return the serial number of the entry."""
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": AUDIT_LOCK})
            last = connection.execute(
                select(AUDIT.c.serial, AUDIT.c.hash).order_by(AUDIT.c.serial.desc()).limit(1)
            ).first()
            serial, previous = (last.serial + 1, last.hash) if last else (1, "")
            row = {
                "serial": serial,
                "time": time,
                "client": client[:64],
                "event": event_,
                "verdict": verdict,
                "detail": detail,
            }
            mark = _link(previous, row)
            connection.execute(insert(AUDIT).values(**row, hash=mark))
            return int(serial)

    def audit(self, after: int = 0) -> list[Entry]:
        """Return the entries after a serial number, oldest first."""
        with self._transaction() as connection:
            query = select(AUDIT).where(AUDIT.c.serial > after).order_by(AUDIT.c.serial)
            return [Entry(**row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise RktioError(f"the key database failed: {reason}") from error

    @staticmethod
    def _session(connection: Connection, id_hash: str, now: float) -> Session | None:
        valid = (SESSIONS.c.id_hash == id_hash) & (SESSIONS.c.expires > now)
        columns = [column for column in SESSIONS.c if column.name != "id_hash"]
        row = connection.execute(select(*columns).where(valid)).mappings().first()
        return Session(**row) if row else None


def check_audit(entries: list[Entry]) -> None:
    """Refuse a log in which an entry was changed or is missing. Raises RktioError."""
    previous = ""
    for number, entry in enumerate(entries, 1):
        row = {name: value for name, value in vars(entry).items() if name != "hash"}
        if entry.serial != number or _link(previous, row) != entry.hash:
            raise RktioError(f"audit log: entry {number} was changed or is missing")
        previous = entry.hash


def _link(previous: str, row: dict[str, Any]) -> str:
    row = {**row, "time": repr(row["time"]), "previous": previous}
    return hashlib.sha256(canonical_json(row)).hexdigest()


def _engine(url: str) -> Engine:
    engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        # Take the lock for writing first: a later upgrade could only fail.
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = ON")


def _make_append_only(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.execute(text(APPEND_ONLY_SQLITE.format(verb=verb)))
    elif connection.dialect.name == "postgresql":
        for statement in APPEND_ONLY_POSTGRESQL:
            connection.execute(text(statement))
