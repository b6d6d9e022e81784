# SPDX-License-Identifier: Apache-2.0
"""Debian's programs in enclaves: one image per day, one sparse copy and one network per test."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.functional.running import CHECKOUT, Network, Running, host

if TYPE_CHECKING:
    from tests.functional.vtap import Vtap

PACKAGES = (
    "bash",
    "dash",
    "iperf3",
    "nginx-light",
    "procps",
    "python3",
    "redis-server",
    "redis-tools",
    "sqlite3",
)
SIZE = "2G"
CREATE_SECONDS = 600
# Out of the environment: tests with a stand-in for the enclave must not meet the real one.
NAMED_ENCLAVE = os.environ.pop("RKT_IO_ENCLAVE", None)
# Sessions that run side by side have different networks.
SESSION = 64 + os.getpid() % 128

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def enclave_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the enclave's executable: a build meanwhile must not change what is tested."""
    built = Path(NAMED_ENCLAVE or CHECKOUT / "build" / "rkt-io-enclave")
    return Path(shutil.copy2(built, tmp_path_factory.mktemp("enclave") / "rkt-io-enclave"))


@pytest.fixture(scope="session")
def debian_image() -> Path:
    """Give an image of Debian's packages. It is shared, so run it read-only or copy it."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(base, "rkt-io", "tests")
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(repr((PACKAGES, SIZE)).encode()).hexdigest()[:12]
    image = cache / f"debian-{key}-{datetime.date.today().isoformat()}.img"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            for old in cache.glob("debian-*.img"):
                old.unlink()
            disk("create", "--debian", ",".join(PACKAGES), "--size", SIZE, image)
    return image


def disk(*words: str | Path) -> None:
    """Run rkt-io-disk."""
    host(CHECKOUT / "bin" / "rkt-io-disk", *words, timeout=CREATE_SECONDS)


@pytest.fixture
def image(debian_image: Path, tmp_path: Path) -> Iterator[Path]:
    """Give a copy of Debian's image to write to."""
    copy = tmp_path / "app.img"
    host("cp", "--sparse=always", "--reflink=auto", debian_image, copy)
    yield copy
    copy.unlink()  # pytest keeps the directory


class Disks:
    """Makes images of files that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Path] = []

    def __call__(self, files: dict[str, bytes], size: str = "128M") -> Path:
        number = len(self.made)
        root = self.folder / f"disk{number}"
        root.mkdir()
        for name, content in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        made = self.folder / f"disk{number}.img"
        disk("create", "--directory", root, "--size", size, made)
        shutil.rmtree(root)
        self.made.append(made)
        return made


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[Disks]:
    disks = Disks(tmp_path)
    yield disks
    for made in disks.made:
        made.unlink()


class Enclaves:
    """Starts enclaves of one test, on networks of its own, and ends what is left of them."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.program = program
        self.folder = folder
        self.all: list[Running] = []

    def network(self) -> Network:
        number = next(_numbers)
        return Network(f"rktt{SESSION}x{number}", number, SESSION)

    def start(
        self, *words: str | Path, network: Network | None = None, options: tuple[str, ...] = ()
    ) -> Running:
        """Start `rkt-io-run options words`; without a network the enclave has only lo."""
        net = network.options if network else ("--net", "none")
        command = [str(CHECKOUT / "bin" / "rkt-io-run"), *net, *options, *map(str, words)]
        return self.adopt(command, network)

    def adopt(self, command: list[str], network: Network | None) -> Running:
        """Start a command that becomes an enclave."""
        log = self.folder / f"enclave{len(self.all)}.log"
        running = Running(command, log, network, self.program)
        self.all.append(running)
        return running

    def shell(self, image: Path, script: str, *options: str, timeout: float = 60) -> str:
        """Run a script of bash to its end, which must be good; return its output."""
        running = self.start(image, "/bin/bash", "-euc", script, options=options)
        status = running.wait(timeout)
        assert status == 0, f"status {status}\n{running.last_words()}"
        return running.output()

    def end(self) -> None:
        for running in self.all:
            running.kill()
            print(running.last_words())  # pytest shows it with a failure


@pytest.fixture
def enclaves(enclave_program: Path, tmp_path: Path) -> Iterator[Enclaves]:
    started = Enclaves(enclave_program, tmp_path)
    try:
        yield started
    finally:
        started.end()
    left = [each.network.tap for each in started.all if each.network and each.network.is_there()]
    assert not left, f"taps left behind: {left}"


@pytest.fixture
def vtap(enclaves: Enclaves, tmp_path: Path) -> Iterator[Vtap]:
    """Give a tap that an enclave reaches through shared memory."""
    from tests.functional.vtap import Vtap

    made = Vtap(enclaves.network(), tmp_path / "s")
    yield made
    made.close()


@pytest.fixture
def checked_image(image: Path) -> Iterator[Path]:
    """Give a copy whose file system must be without a fault when the test is over.

    e2fsck replays the journal first, as the library OS would at its next start.
    """
    yield image
    done = subprocess.run(
        ["/sbin/e2fsck", "-p", str(image)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    host("/sbin/e2fsck", "-fn", image)
