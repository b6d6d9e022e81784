# SPDX-License-Identifier: Apache-2.0
"""sqlite3 with a write-ahead log: two processes write at once, and nothing committed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.functional.conftest import Disks, Enclaves

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap", "debugfs")

ROWS = 25_000
ROWS_PER_COMMIT = 100
DATABASE = "/var/tmp/test.db"

PREPARE = f"""
sqlite3 {DATABASE} 'PRAGMA journal_mode=WAL;
	CREATE TABLE t(id INTEGER PRIMARY KEY, writer INT, number INT, text TEXT);
	CREATE INDEX by_text ON t(text);'
"""
WRITE = f"""
sqlite3 {DATABASE} '.read /data/writer1.sql' & first=$!
sqlite3 {DATABASE} '.read /data/writer2.sql' & second=$!
wait $first
wait $second
"""
# Says how many commits are over; the kill comes between two of these lines.
WRITE_FOR_EVER = f"""
exec sqlite3 {DATABASE} '.read /data/endless.sql'
"""
CHECK = f"""
sqlite3 {DATABASE} 'PRAGMA integrity_check; PRAGMA journal_mode;
	SELECT writer, count(*), count(DISTINCT number), sum(number) FROM t GROUP BY writer;'
"""


def writer(number: int, rows: int = ROWS, *, tell: bool = False) -> bytes:
    """Return SQL that inserts rows in many transactions, each flushed to the disk."""
    lines = [".timeout 30000", "PRAGMA synchronous=FULL;"]
    for first in range(0, rows, ROWS_PER_COMMIT):
        values = ",".join(
            f"({number},{row},'row {row * 7919 % rows} of {number}')"
            for row in range(first, first + ROWS_PER_COMMIT)
        )
        lines.append("BEGIN IMMEDIATE;")
        lines.append(f"INSERT INTO t(writer, number, text) VALUES {values};")
        lines.append("COMMIT;")
        if tell:
            lines.append(f".print committed {first + ROWS_PER_COMMIT}")
    return "\n".join(lines).encode()


def test_two_writers_and_a_restart_lose_nothing(
    enclaves: Enclaves, checked_image: Path, make_disk: Disks
) -> None:
    data = make_disk({"writer1.sql": writer(1), "writer2.sql": writer(2)})
    disk = ("--disk", f"{data},ro,mount=/data")
    enclaves.shell(checked_image, PREPARE + WRITE, *disk)

    expected = sum(range(ROWS))
    told = enclaves.shell(checked_image, CHECK).split()
    assert told == ["ok", "wal", f"1|{ROWS}|{ROWS}|{expected}", f"2|{ROWS}|{ROWS}|{expected}"]


def test_commits_before_a_sigkill_are_there(
    enclaves: Enclaves, checked_image: Path, make_disk: Disks
) -> None:
    data = make_disk({"endless.sql": writer(1, 200_000, tell=True)})
    enclaves.shell(checked_image, PREPARE)
    victim = enclaves.start(
        *(checked_image, "/bin/sh", "-c", WRITE_FOR_EVER),
        options=("--disk", f"{data},ro,mount=/data"),
    )
    victim.until_line("^committed 5000$")
    victim.kill()
    committed = int(victim.output().rpartition("committed ")[2].split()[0])

    integrity, mode, counted = enclaves.shell(checked_image, CHECK).split()
    rows = int(counted.split("|")[1])
    assert (integrity, mode) == ("ok", "wal")
    # The transaction that was under way may have been committed, and not told.
    assert rows in (committed, committed + ROWS_PER_COMMIT)
