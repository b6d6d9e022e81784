# SPDX-License-Identifier: Apache-2.0
"""A back end of vhost-user that lies is cut off; the enclave runs on and serves the next one."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import Running
from tests.functional.vhost_back_end import RX, TX, USED, BackEnd, arp_request, is_arp_reply

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

ADDRESS = "10.9.8.1"
ASKER = "10.9.8.2"
RACE_SECONDS = 2.0


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vhost") / "s"


@pytest.fixture
def enclave(enclaves: Enclaves, debian_image: Path, path: Path) -> Running:
    return enclaves.start(
        *(debian_image, "/bin/sleep", "300"),
        options=(
            *("--net", f"virtio-user:{path},server", "--address", f"{ADDRESS}/24"),
            *("--read-only", "--memory", "256M"),
        ),
    )


def answers(back_end: BackEnd) -> bool:
    """Ask for the enclave's address until it answers."""
    for _ in range(50):
        back_end.send(arp_request(ADDRESS, ASKER))
        time.sleep(0.05)
        while back_end.available(back_end.rings[TX]):
            if is_arp_reply(back_end.receive(), ADDRESS):
                return True
    return False


def rx_used(back_end: BackEnd, head: int, length: int, times: int = 1) -> None:
    ring = back_end.rings[RX]
    for _ in range(times):
        back_end.put_used(ring, head, length)
    back_end.tell(ring)


def id_beyond_the_ring(back_end: BackEnd) -> None:
    rx_used(back_end, 0xFFFF, 64)


def id_of_all_ones(back_end: BackEnd) -> None:
    rx_used(back_end, 0xFFFFFFFF, 64)


def same_id_twice(back_end: BackEnd) -> None:
    head, offset, _ = back_end.take(back_end.rings[RX])
    back_end.memory[offset : offset + 12] = bytes(10) + b"\1\0"
    rx_used(back_end, head, 72, times=2)


def longer_than_the_buffer(back_end: BackEnd) -> None:
    head, _, length = back_end.take(back_end.rings[RX])
    rx_used(back_end, head, length + 1)


def length_of_all_ones(back_end: BackEnd) -> None:
    rx_used(back_end, back_end.take(back_end.rings[RX])[0], 0xFFFFFFFF)


def shorter_than_a_header(back_end: BackEnd) -> None:
    rx_used(back_end, back_end.take(back_end.rings[RX])[0], 11)


def no_buffers(back_end: BackEnd) -> None:
    back_end.send(arp_request(ADDRESS, ASKER), buffers=0)


def buffers_that_are_not_there(back_end: BackEnd) -> None:
    back_end.send(arp_request(ADDRESS, ASKER), buffers=0xFFFF)


def index_runs_ahead(back_end: BackEnd) -> None:
    back_end.tell(back_end.rings[RX], ahead=257)


def index_runs_backwards(back_end: BackEnd) -> None:
    back_end.tell(back_end.rings[RX], ahead=-1)


def sent_index_runs_ahead(back_end: BackEnd) -> None:
    back_end.tell(back_end.rings[TX], ahead=200)
    back_end.send(arp_request(ADDRESS, ASKER))


def sent_id_never_posted(back_end: BackEnd) -> None:
    ring = back_end.rings[TX]
    back_end.send(arp_request(ADDRESS, ASKER))
    head, _, _ = back_end.take(ring)
    back_end.put_used(ring, (head + 100) % ring.entries, 0)
    back_end.tell(ring)
    back_end.send(arp_request(ADDRESS, ASKER))


def everything_is_ones(back_end: BackEnd) -> None:
    back_end.memory[:] = b"\xff" * len(back_end.memory)
    os.write(back_end.rings[RX].call, (1).to_bytes(8, "little"))


LIES: tuple[Callable[[BackEnd], None], ...] = (
    id_beyond_the_ring,
    id_of_all_ones,
    same_id_twice,
    longer_than_the_buffer,
    length_of_all_ones,
    shorter_than_a_header,
    no_buffers,
    buffers_that_are_not_there,
    index_runs_ahead,
    index_runs_backwards,
    sent_index_runs_ahead,
    sent_id_never_posted,
    everything_is_ones,
)


def test_every_lie_costs_the_liar_its_connection(enclave: Running, path: Path) -> None:
    with BackEnd(path) as honest:
        assert answers(honest)
    for lie in LIES:
        with BackEnd(path) as liar:
            assert answers(liar), lie.__name__
            lie(liar)
            assert liar.is_closed(), lie.__name__
    assert enclave.process.poll() is None
    assert enclave.output().count("the other end lied") == len(LIES)
    with BackEnd(path) as honest:
        assert answers(honest)


def test_only_the_dma_region_is_shared(enclave: Running, path: Path) -> None:
    with BackEnd(path) as back_end:
        assert answers(back_end)
        assert back_end.regions == 1
        for fd in back_end.fds:
            name = Path(f"/proc/self/fd/{fd}").readlink().name
            assert name.startswith(("memfd:rkt-io-dma", "anon_inode:"))
        # No pointer into the enclave: not its image, RAM, DPDK's tables, nor libc's heap.
        words = memoryview(bytes(back_end.memory)).cast("Q")
        low, high = 0x70000000, 0x800000000000
        shared = range(back_end.base, back_end.base + len(back_end.memory))
        posted = {word for word in words if low <= word < high and word >= 0x640000000000}
        assert all(word in shared for word in posted)
        # It can't be taken away either.
        with pytest.raises(PermissionError):
            os.ftruncate(back_end.fds[0], 0)


def scribble(back_end: BackEnd, seed: int, until: float) -> None:
    """Rewrite used rings, headers and descriptors while the enclave reads them."""
    dice = random.Random(seed)
    while time.monotonic() < until:
        ring = back_end.rings[dice.randrange(2)]
        entry = ring.used + 4 + 8 * dice.randrange(ring.entries)
        USED.pack_into(back_end.memory, entry, dice.getrandbits(9), dice.getrandbits(15))
        back_end.put_u16(ring.used + 2, back_end.u16(ring.avail + 2) - dice.getrandbits(3))
        back_end.put_u16(ring.desc + 16 * dice.randrange(ring.entries) + 14, dice.getrandbits(16))
        offset = dice.randrange(len(back_end.memory) - 16)
        back_end.memory[offset : offset + 12] = dice.randbytes(12)
        os.write(back_end.rings[RX].call, (1).to_bytes(8, "little"))


def test_a_racing_back_end_does_no_harm(enclave: Running, path: Path) -> None:
    until = time.monotonic() + RACE_SECONDS
    seed = 0
    while time.monotonic() < until:
        seed += 1
        with BackEnd(path) as liar:
            threads = [
                threading.Thread(target=scribble, args=(liar, seed * 2 + i, time.monotonic() + 0.1))
                for i in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert enclave.process.poll() is None, enclave.last_words()
    with BackEnd(path) as honest:
        assert answers(honest)
