# SPDX-License-Identifier: Apache-2.0
"""The broker on PostgreSQL: the same handshake, an audit log that several processes append to."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.owner.store import Store, check_audit
from tests.unit.owner.brokering import SECRET, make_bench

pytestmark = pytest.mark.needs("postgresql")
START_SECONDS_MAX = 30.0


def _as_user(*words: str | Path) -> list[str]:
    """Return a command; PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    return [*prefix, *map(str, words)]


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """Yield the URL of a server of our own, on a socket in a folder of its own."""
    pytest.importorskip("psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = Path(tempfile.mkdtemp(prefix="rkt-io-pg-"))  # short: a socket's path has 107 bytes
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    initdb = _as_user(programs / "initdb", "-D", data, "-A", "trust", "-U", "rktio", "-N")
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    command = _as_user(programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=")
    server = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL)
    try:
        _wait_for(folder / ".s.PGSQL.5432")
        yield f"postgresql+psycopg://rktio@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not socket.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _opened(database: str) -> Store:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            return Store(database, bytes(32))
        except RktioError:  # the socket is there before the server is ready
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_the_whole_handshake_and_the_audit_log(database: str, tmp_path: Path) -> None:
    _opened(database).close()
    bench = make_bench(tmp_path / "keys", database=database)
    assert bench.released(bench.attested()) == SECRET
    assert bench.resource(None)[0] == 401
    other = Store(database, bytes(32))
    stores = (bench.store, other)
    threads = [threading.Thread(target=_append, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = other.audit()
    check_audit(entries)
    assert len(entries) == 4 + 2 * 10
    for store in stores:
        store.close()


def _append(store: Store) -> None:
    for number in range(10):
        store.append(float(number), "host", "test", "granted", "{}")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit", "UPDATE audit SET verdict = 'x'", "TRUNCATE audit"]
)
def test_the_audit_log_can_only_be_appended_to(database: str, statement: str) -> None:
    import psycopg

    store = _opened(database)
    store.append(1.0, "host", "test", "granted", "{}")
    store.close()
    with (
        psycopg.connect(database.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="appended"),
    ):
        connection.execute(statement)
