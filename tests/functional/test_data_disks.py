# SPDX-License-Identifier: Apache-2.0
"""Data disks: what the host has of them is of no use to it, and what it changes is found."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

MIB = 1 << 20
BLOCK = 4096
WRITTEN: list[tuple[range, str, bytes]] = []


class Data:
    """A data disk of one test, and the keys that open it."""

    def __init__(self, enclaves: Enclaves, image: Path, folder: Path) -> None:
        self.enclaves = enclaves
        self.image = image
        self.path = folder / "db.img"
        self.keys = folder / "data.keys"
        self.mount = "/mnt"
        self.keys.touch(0o600)
        self.name_key(os.urandom(64))

    def name_key(self, key: bytes, name: str = "data-db") -> None:
        self.keys.write_text(f"{name}={key.hex()}\n")

    def options(self, words: str = "") -> tuple[str, ...]:
        data = f"db={self.path}{words},mount={self.mount}"
        common = ("--read-only", "--tmpfs", "/tmp", "--memory", "512M")
        return ("--insecure-key-file", str(self.keys), "--data", data, *common)

    def run(self, script: str, words: str = ",size=256M") -> str:
        """Run a script with the disk on /mnt, to its end."""
        return self.enclaves.shell(self.image, script, *self.options(words))

    def refused(self, words: str = "") -> str:
        """Start with a disk that must be refused, and return the one line."""
        running = self.enclaves.start(self.image, "/bin/true", options=self.options(words))
        assert running.wait() == 125, running.last_words()
        return running.output()

    def written(self) -> range:
        """Be a copy of the disk that write_file() made for the first test that asked."""
        if not WRITTEN:
            blocks = self.write_file()
            assert "all read" in self.read_file()
            WRITTEN.append((blocks, self.keys.read_text(), self.path.read_bytes()))
        blocks, keys, content = WRITTEN[0]
        self.keys.write_text(keys)
        self.path.write_bytes(content)
        return blocks

    def write_file(self) -> range:
        """Write a large file; return the blocks of the host's that hold it, a run of them."""
        self.run("true")
        before = self.path.read_bytes()
        self.run("head -c 8M /dev/urandom > /mnt/file; sha256sum < /mnt/file > /mnt/sum", words="")
        after = self.path.read_bytes()
        best = range(0)
        start = 0
        for number in range(len(after) // BLOCK):
            if block(before, number) == block(after, number):
                start = number + 1
            elif number + 1 - start > len(best):
                best = range(start, number + 1)
        assert len(best) > 1000
        return best

    def read_file(self) -> str:
        """Read that file in another start, and return all that was said."""
        script = "cat /mnt/file > /tmp/read && echo all read; sha256sum < /tmp/read; cat /mnt/sum"
        words = ("/bin/bash", "-c", script)
        running = self.enclaves.start(self.image, *words, options=self.options())
        running.wait()
        return running.output()


def block(content: bytes, number: int) -> bytes:
    return content[number * BLOCK : (number + 1) * BLOCK]


@pytest.fixture
def data(enclaves: Enclaves, debian_image: Path, tmp_path: Path) -> Iterator[Data]:
    made = Data(enclaves, debian_image, tmp_path)
    yield made
    made.path.unlink(missing_ok=True)


def test_what_is_written_is_there_again_and_unreadable_outside(data: Data) -> None:
    told = data.run("echo 'a known secret' > /mnt/file; df --output=size -m /mnt | tail -1")
    assert "data disk db on /mnt: formatted" in told
    assert int(told.splitlines()[-1]) > 200
    assert "a known secret" in data.run("cat /mnt/file", words="")
    assert b"a known secret" not in data.path.read_bytes()
    assert data.path.stat().st_mode & 0o777 == 0o600
    assert data.path.stat().st_blocks * 512 < 128 * MIB


def test_a_blank_disk_is_not_formatted_where_data_should_be(data: Data) -> None:
    data.run("echo kept > /mnt/file")
    with data.path.open("r+b") as file:
        file.write(bytes(64 * MIB))  # the host has written it: not a new file
    assert "data disk db: it is blank, where data should be; give the right file" in data.refused()


def test_a_key_of_the_name_new_formats_and_opens(data: Data) -> None:
    data.path.write_bytes(bytes(256 * MIB))
    key = os.urandom(64)
    data.name_key(key)
    assert "it is blank" in data.refused()
    data.name_key(key, "data-db-new")
    data.run("echo kept > /mnt/file", words="")
    assert "kept" in data.run("cat /mnt/file", words="")  # it holds data: left alone
    data.name_key(key)
    assert "kept" in data.run("cat /mnt/file", words="")


def test_another_key_is_refused(data: Data) -> None:
    data.run("echo kept > /mnt/file")
    data.name_key(os.urandom(64))
    assert "its key is wrong, or it was changed" in data.refused()


def test_a_missing_key_is_one_line(data: Data) -> None:
    data.name_key(bytes(64), "data-other")
    assert "rkt-io: data disk db: no key of 64 bytes for it;" in data.refused(",size=256M")


@pytest.mark.parametrize("where", [0.02, 0.5, 0.98])
def test_a_changed_block_is_an_error_where_it_is_met(data: Data, where: float) -> None:
    blocks = data.written()
    flip(data.path, blocks[int(len(blocks) * where)] * BLOCK + 1234)
    told = data.read_file()
    assert "cat: /mnt/file: Input/output error" in told
    assert "all read" not in told


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_blocks_that_changed_places_are_refused(data: Data) -> None:
    blocks = data.written()
    content = data.path.read_bytes()
    with data.path.open("r+b") as file:
        for here, there in ((blocks[300], blocks[301]), (blocks[301], blocks[300])):
            file.seek(here * BLOCK)
            file.write(block(content, there))
    assert "all read" not in data.read_file()


@pytest.mark.parametrize("offset", [10, 24, 5000])
def test_a_changed_header_never_gives_other_data(data: Data, offset: int) -> None:
    """It is refused, or the journal's replay has no effect: what is read is what was written."""
    data.written()
    flip(data.path, offset)
    told = data.read_file()
    if "all read" in told:
        sums = [line.split()[0] for line in told.splitlines() if line.endswith(" -")]
        assert len(sums) == 2 and sums[0] == sums[1], told
    else:
        assert "rkt-io: data disk db: " in told or "Input/output error" in told, told


def test_an_end_that_is_cut_off_is_refused(data: Data) -> None:
    data.written()
    os.truncate(data.path, 192 * MIB)
    assert "rkt-io: data disk db: " in data.refused()


def test_a_killed_enclave_loses_nothing_that_was_synced(data: Data) -> None:
    script = "echo kept > /mnt/file; sync -d /mnt/file; echo synced; exec sleep 60"
    running = data.enclaves.start(
        data.image, "/bin/bash", "-c", script, options=data.options(",size=256M")
    )
    running.until_line("^synced")
    running.kill()
    assert "kept" in data.run("cat /mnt/file", words="")


def test_what_is_written_to_the_root_can_go_to_a_data_disk(data: Data) -> None:
    """The image, which is read-only, is laid under it."""
    data.mount = "/"
    told = data.run("echo mine > /etc/hostname; rm /usr/bin/sqlite3; echo new > /new")
    assert "data disk db on /: formatted" in told
    told = data.run("cat /etc/hostname /new; ls /usr/bin/sqlite3 || echo gone", words="")
    assert "gone" in told
    assert "mine\nnew\n" in told
