# SPDX-License-Identifier: Apache-2.0
"""The broker's database keeps secrets sealed and its audit log append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.owner.store import Store, check_audit

KEY = bytes(range(32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path}/keys.db", KEY)
    yield made
    made.close()


def test_secrets_are_kept_replaced_and_removed(store: Store) -> None:
    store.put_resource("a/b/c", b"one", 1.0)
    store.put_resource("a/b/c", b"two", 2.0)
    assert store.resource("a/b/c") == b"two"
    assert store.resources() == [("a/b/c", 2.0)]
    assert store.remove_resource("a/b/c")
    assert not store.remove_resource("a/b/c")
    assert store.resource("a/b/c") is None


def test_the_database_does_not_hold_the_secret(store: Store, tmp_path: Path) -> None:
    store.put_resource("a/b/c", b"a very secret secret", 1.0)
    store.close()
    assert not any(b"secret secret" in p.read_bytes() for p in tmp_path.iterdir())


def test_a_swapped_or_changed_secret_is_refused(store: Store, tmp_path: Path) -> None:
    store.put_resource("a/b/c", b"one", 1.0)
    store.put_resource("a/b/d", b"two", 1.0)
    store.close()
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute(
            "UPDATE resources SET sealed = (SELECT sealed FROM resources WHERE path = 'a/b/c')"
        )
    assert store.resource("a/b/c") == b"one"
    with pytest.raises(RktioError, match="does not open"):
        store.resource("a/b/d")


def test_another_sealing_key_opens_nothing(store: Store, tmp_path: Path) -> None:
    store.put_resource("a/b/c", b"one", 1.0)
    other = Store(f"sqlite:///{tmp_path}/keys.db", bytes(32))
    with pytest.raises(RktioError, match="does not open"):
        other.resource("a/b/c")
    other.close()


@pytest.mark.parametrize("statement", ["DELETE FROM audit", "UPDATE audit SET verdict = 'granted'"])
def test_the_audit_log_can_only_be_appended_to(
    store: Store, tmp_path: Path, statement: str
) -> None:
    store.append(1.0, "host", "attest", "denied", "{}")
    with (
        pytest.raises(sqlite3.IntegrityError, match="appended"),
        sqlite3.connect(tmp_path / "keys.db") as connection,
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET verdict = 'granted' WHERE serial = 2",
        "DELETE FROM audit WHERE serial = 2",
        "DELETE FROM audit WHERE serial = 1",
    ],
)
def test_who_gets_around_that_is_found_out(store: Store, tmp_path: Path, statement: str) -> None:
    for number in range(3):
        store.append(float(number), "host", "attest", "denied", "{}")
    check_audit(store.audit())
    store.close()
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute("DROP TRIGGER audit_no_UPDATE")
        connection.execute("DROP TRIGGER audit_no_DELETE")
        connection.execute(statement)
    with pytest.raises(RktioError, match="changed or is missing"):
        check_audit(store.audit())


def test_a_challenge_is_used_once(store: Store) -> None:
    store.add_session("id", "snp", "nonce", 100.0)
    assert store.use_challenge("id", 100.0) is None
    used = store.use_challenge("id", 1.0)
    assert used is not None
    assert used.nonce == "nonce"
    assert store.use_challenge("id", 1.0) is None
    store.set_attested("id", "{}", "{}", 200.0)
    session = store.session("id", 150.0)
    assert session is not None
    assert session.state == "attested"
    assert store.purge_sessions(200.0) == 0


@pytest.mark.parametrize("url", ["nonsense", "nothing://x", "sqlite:////proc/no/such/keys.db"])
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(RktioError):
        Store(url, KEY)
