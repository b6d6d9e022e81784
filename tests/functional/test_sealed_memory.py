# SPDX-License-Identifier: Apache-2.0
"""Where the volume key is while a sealed image runs: where it has to be, and nowhere else."""

from __future__ import annotations

import mmap
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rktio.image.volume import VolumeKey
from tests.functional.exit_stop import stopped_at_exit
from tests.functional.running import Running
from tests.functional.sealing import (
    Host,
    Owned,
    configure,
    key_file,
    make_image,
    make_owner,
    make_root,
)

pytestmark = pytest.mark.needs("root", "enclave", "fsgsbase", "dispatch", "debugfs", "busybox")

# Unlike anything else in memory, and no two parts of it alike.
KEY = VolumeKey(bytes((167 * number + 41) % 251 for number in range(64)))
HALF = 32
CHUNK = 16 << 20


@dataclass(frozen=True)
class Held:
    """A running enclave whose program reads its disk no more."""

    running: Running

    def file(self, name: str) -> str:
        return Path(f"/proc/{self.running.pid}/{name}").read_text(errors="replace")

    def memory(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield (mapping, address, bytes) of all that can be read; a key is whole in one."""
        with Path(f"/proc/{self.running.pid}/mem").open("rb", buffering=0) as memory:
            for line in self.file("maps").splitlines():
                start, end = (int(text, 16) for text in line.split()[0].split("-"))
                if "[v" in line:  # the host's own pages
                    continue
                for at in range(start, end, CHUNK):
                    memory.seek(at)
                    try:
                        yield line, at, memory.read(min(CHUNK + 2 * len(KEY.secret), end - at))
                    except OSError:
                        continue  # may not be read: nor by the enclave

    def places(self, *wanted: bytes) -> dict[bytes, set[int]]:
        """Return where each of these lies, by page frame: one page may be mapped many times."""
        found: dict[bytes, set[int]] = {each: set() for each in wanted}
        for line, start, content in self.memory():
            for each in wanted:
                at = content.find(each)
                while at >= 0:
                    found[each].add(self.place(line, start + at))
                    at = content.find(each, at + 1)
        return found

    def place(self, line: str, address: int) -> int:
        """Return the physical address: two mappings of a page are one place."""
        with Path(f"/proc/{self.running.pid}/pagemap").open("rb", buffering=0) as pagemap:
            pagemap.seek(address // mmap.PAGESIZE * 8)
            entry = int.from_bytes(pagemap.read(8), "little")
        assert entry >> 63, line
        return (entry & (1 << 55) - 1) * mmap.PAGESIZE + address % mmap.PAGESIZE


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Owned:
    folder = tmp_path_factory.mktemp("memory")
    busybox = shutil.which("busybox")
    assert busybox is not None
    owner = make_owner(folder)
    image = folder / "app.img"
    layout = make_image(image, make_root(folder, busybox), KEY, owner)
    return Owned(
        image,
        configure(image, owner, "app"),
        folder / "owner.crt",
        key_file(folder, KEY),
        owner,
        layout,
    )


@contextmanager
def started(owned: Owned, program: Path, folder: Path) -> Iterator[Held]:
    """Start it and wait until the program has read its disk."""
    script = "cat /payload > /dev/null; echo ready; exec sleep 1000"
    command = Host(program, folder).command(owned, script=script)
    running = Running(command, folder / "log", None, program)
    try:
        running.until_line("^ready$")
        yield Held(running)
    finally:
        running.kill()


@pytest.fixture(scope="module", params=["volume key", "lines"])
def held(
    request: pytest.FixtureRequest,
    owned: Owned,
    enclave_program: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Held]:
    if request.param == "lines":
        text = f"root={KEY.secret.hex()}\ndata-x={KEY.secret.hex()}\n"
        lines = tmp_path_factory.mktemp("lines") / "keys"
        lines.write_text(text)
        lines.chmod(0o600)
        owned = replace(owned, key_file=lines)
    with started(owned, enclave_program, tmp_path_factory.mktemp("held")) as found:
        yield found


def test_the_key_is_nowhere_as_a_whole(held: Held) -> None:
    digits = KEY.secret.hex().encode()
    wanted = (KEY.secret, digits, digits[: 2 * HALF], digits[2 * HALF :])
    assert not any(held.places(*wanted).values())


def test_only_the_cipher_has_each_half(held: Held) -> None:
    """AES's key schedule begins with the key: dm-crypt can't do without it."""
    halves = KEY.secret[:HALF], KEY.secret[HALF:]
    found = held.places(*halves)
    assert [len(found[half]) for half in halves] == [1, 1], found


def test_no_word_of_it_is_outside_of_memory(held: Held) -> None:
    told = held.file("cmdline") + held.file("environ") + held.running.output()
    for text in (KEY.secret.decode("latin-1"), KEY.secret.hex(), KEY.secret.hex()[:16]):
        assert text not in told


def test_there_are_no_core_files(held: Held) -> None:
    limits = re.search(r"^Max core file size +(\d+) +(\d+)", held.file("limits"), re.MULTILINE)
    assert limits is not None
    assert limits.groups() == ("0", "0")


def test_what_looks_for_it_can_find(held: Held) -> None:
    """A needle that must be there: the script, in the program's environment or arguments."""
    assert held.places(b"OWNERS=b c")[b"OWNERS=b c"]


def test_at_the_end_it_is_nowhere(owned: Owned, enclave_program: Path, tmp_path: Path) -> None:
    halves = KEY.secret[:HALF], KEY.secret[HALF:]
    with started(owned, enclave_program, tmp_path) as held:
        with stopped_at_exit(held.running.pid):
            found = held.places(*halves, b"OWNERS=b c")
        assert not any(found[half] for half in halves), found
        assert found[b"OWNERS=b c"]  # its memory was still there


def test_a_refused_start_leaves_no_key_in_its_line(
    owned: Owned, enclave_program: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"root={KEY.secret.hex()}\nroot={KEY.secret.hex()}\n")
    keys.chmod(0o600)
    done = Host(enclave_program, tmp_path).run(replace(owned, key_file=keys))
    assert done.returncode == 125
    assert KEY.secret.hex()[:16] not in done.stderr + done.stdout
