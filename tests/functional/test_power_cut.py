# SPDX-License-Identifier: Apache-2.0
"""A power cut at any moment loses nothing that was synced, on a plain disk and on a data disk.

One run is recorded; then disks are made as cuts at many moments may leave them, and looked at.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.functional.block_log import BlockLog
from tests.functional.conftest import Disks, Enclaves
from tests.functional.running import CHECKOUT, host

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

MIB = 1 << 20
LOG_BYTES = 512 * MIB
PLAIN, MARKS, DATA = 1, 2, 3  # vdb, vdc, vdd
CUTS = 12
CUTS_PER_START = 6  # two disks each, and the root
COMMON = ("--net", "none", "--read-only", "--memory", "512M")
# Appends a record, syncs, and says so on the disk of marks; now and then a new file.
WORK = """
import mmap, os
page = mmap.mmap(-1, 4096)
marks = os.open('/dev/vdc', os.O_WRONLY | os.O_DIRECT)
places = '/mnt', '/srv'
logs = [os.open(f'{place}/log', os.O_WRONLY | os.O_CREAT) for place in places]
for n in range(1, 61):
    for place, log in zip(places, logs):
        os.write(log, b'%08d' % n * 625)
        os.fsync(log)
        if n % 4 == 0:
            with open(f'{place}/new', 'wb') as file:
                file.write(b'%08d' % n * 1000)
                file.flush()
                os.fsync(file.fileno())
            os.rename(f'{place}/new', f'{place}/{n}')
            directory = os.open(place, os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
    page[:8] = b'%08d' % n
    os.pwrite(marks, page, 0)
print('done', flush=True)
"""
CHECK = """
import sys
for word in sys.argv[1:]:
    place, count = word.split('=')
    log = open(f'{place}/log', 'rb').read() if int(count) else b''
    for n in range(1, int(count) + 1):
        assert log[(n - 1) * 5000:n * 5000] == b'%08d' % n * 625, (place, n)
        if n % 4 == 0:
            assert open(f'{place}/{n}', 'rb').read() == b'%08d' % n * 1000, (place, n)
print('nothing lost', flush=True)
"""


class Recorded:
    """The disks as they were before the run, and what happened to them."""

    def __init__(self, enclaves: Enclaves, image: Path, make_disk: Disks, folder: Path) -> None:
        self.folder = folder
        self.plain = make_disk({}, "128M")
        self.data = folder / "data.img"
        self.keys = folder / "data.keys"
        self.keys.write_text(f"data-db={os.urandom(64).hex()}\n")
        self.keys.chmod(0o600)
        made = (f"--data=db={self.data},size=160M,mount=/mnt", f"--insecure-key-file={self.keys}")
        enclaves.shell(image, "true", *made, *COMMON)
        self.log = self._record(enclaves, image)

    def _record(self, enclaves: Enclaves, image: Path) -> BlockLog:
        plain, data = self.copy(self.plain, "run-plain"), self.copy(self.data, "run-data")
        marks = self.folder / "marks.img"
        marks.write_bytes(bytes(MIB))
        path = self.folder / "block.log"
        with path.open("w+b") as log:
            log.truncate(LOG_BYTES)
            script = (
                "import sys\n"
                "from rktio.cli import run\n"
                "from rktio.host import record\n"
                "pairs = record.LaunchRecord.pairs\n"
                f"more = ('insecure_block_log', '{log.fileno()}')\n"
                "record.LaunchRecord.pairs = lambda self: [*pairs(self), more]\n"
                "sys.exit(run.main(sys.argv[1:]))\n"
            )
            disks = (
                f"--disk={plain},mount=/srv",
                f"--disk={marks}",
                f"--data=db={data},mount=/mnt",
            )
            key = f"--insecure-key-file={self.keys}"
            words = ("/usr/bin/python3", "-c", WORK)
            command = ["python3", "-c", script, *COMMON, *disks, key, str(image), *words]
            environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
            environment["RKT_IO_ENCLAVE"] = str(enclaves.program)
            done = subprocess.run(
                command,
                env=environment,
                pass_fds=[log.fileno()],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        assert done.stdout.endswith("done\n"), done.stdout + done.stderr
        found = BlockLog.read(path)
        for used in (path, plain, data, marks):
            used.unlink()
        return found

    def copy(self, disk: Path, name: str) -> Path:
        target = self.folder / name
        host("cp", "--sparse=always", "--reflink=auto", disk, target)
        return target

    def cut(self, moment: int, number: int, dice: random.Random) -> tuple[Path, Path]:
        """Return the plain disk and the data disk as a cut at this moment may leave them."""
        made = self.copy(self.plain, f"plain{number}"), self.copy(self.data, f"data{number}")
        for path, disk in zip(made, (PLAIN, DATA), strict=True):
            self.log.cut(path, disk, moment, dice)
        return made


def moments(log: BlockLog, dice: random.Random) -> list[int]:
    """Return moments at which something became stable, and as many others."""
    at_stable = dice.sample(sorted({*log.stable(PLAIN), *log.stable(DATA)}), CUTS // 2)
    return [*at_stable, *(dice.randrange(log.length) for _ in range(CUTS - len(at_stable)))]


def test_nothing_that_was_synced_is_lost(
    enclaves: Enclaves, debian_image: Path, make_disk: Disks, tmp_path: Path
) -> None:
    recorded = Recorded(enclaves, debian_image, make_disk, tmp_path)
    assert min(len(recorded.log.stable(disk)) for disk in (PLAIN, DATA)) >= 60
    assert recorded.log.last_mark(MARKS, recorded.log.length) == 60
    dice = random.Random(20261123)
    cuts = moments(recorded.log, dice)
    for first in range(0, CUTS, CUTS_PER_START):
        check(enclaves, debian_image, recorded, cuts[first : first + CUTS_PER_START], dice)


def check(
    enclaves: Enclaves, image: Path, recorded: Recorded, cuts: list[int], dice: random.Random
) -> None:
    """Start with the disks that these cuts leave, and look for what was synced."""
    options: list[str] = []
    keys: list[str] = []
    expected: list[str] = []
    left: list[Path] = []
    key = recorded.keys.read_text().partition("=")[2]
    for number, moment in enumerate(cuts):
        plain, data = recorded.cut(moment, number, dice)
        left += plain, data
        keys.append(f"data-db{number}={key}")
        options += [f"--disk={plain},mount=/tmp/plain{number}"]
        options += [f"--data=db{number}={data},mount=/tmp/data{number}"]
        count = recorded.log.last_mark(MARKS, moment)
        expected += [f"/tmp/plain{number}={count}", f"/tmp/data{number}={count}"]
    file = recorded.folder / "many.keys"
    file.write_text("".join(keys))
    file.chmod(0o600)
    options = [*COMMON, *options, f"--insecure-key-file={file}"]
    words = ("/usr/bin/python3", "-c", CHECK, *expected)
    running = enclaves.start(image, *words, options=tuple(options))
    assert running.wait() == 0, running.last_words()
    assert "nothing lost" in running.output()
    for path in left:
        path.unlink()
