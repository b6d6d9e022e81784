# SPDX-License-Identifier: Apache-2.0
"""Data disks as the host knows them: a name, a file, and room in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host.config import read_config
from rktio.host.data import DataDisk, make_room


def test_a_word_says_all() -> None:
    disk = DataDisk.parse("db=/srv/db.img,size=1G,mount=/var/lib/redis")
    assert disk == DataDisk("db", Path("/srv/db.img"), 1 << 30, "/var/lib/redis")
    assert DataDisk.parse("db=x").mount == "/data/db"


@pytest.mark.parametrize("text", ["db", "db=", "=x", "db=x,ro", "db=x,size", "db=x,color=red"])
def test_what_is_no_data_disk_is_refused(text: str) -> None:
    with pytest.raises(RktioError):
        DataDisk.parse(text)


@pytest.mark.parametrize("text", ["DB=x", "a_b=x", "db=x,mount=y", "db=x,size=1M"])
def test_what_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(RktioError, match="data disk"):
        DataDisk.parse(text)


def test_room_is_made_once_sparse_and_for_the_user_only(tmp_path: Path) -> None:
    disk = DataDisk("db", tmp_path / "db.img", 1 << 30)
    assert make_room(disk)
    info = disk.path.stat()
    assert (info.st_size, info.st_blocks, info.st_mode & 0o777) == (1 << 30, 0, 0o600)
    with disk.path.open("r+b") as file:
        file.write(b"x")
    assert not make_room(disk)


def test_a_missing_file_needs_a_size(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="does not exist") as caught:
        make_room(DataDisk("db", tmp_path / "db.img"))
    assert caught.value.hint == f"--data db={tmp_path}/db.img,size=1G"


def test_the_file_names_data_disks(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('[data.db]\nfile = "db.img"\nsize = "256M"\n[data.logs]\nfile = "/l"\n')
    assert read_config(path)["data"] == (
        DataDisk("db", tmp_path / "db.img", 256 << 20),
        DataDisk("logs", Path("/l")),
    )
