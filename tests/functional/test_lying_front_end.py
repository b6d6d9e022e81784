# SPDX-License-Identifier: Apache-2.0
"""A front end of vhost-user that lies is cut off; the enclave runs on and serves the next one."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.running import Running
from tests.functional.vhost_back_end import (
    ADDRESSES,
    HEADER,
    NUMBER,
    REGION,
    RX,
    SET_FEATURES,
    SET_MEM_TABLE,
    SET_VRING_ADDR,
    SET_VRING_KICK,
    SET_VRING_NUM,
    STATE,
    TX,
    VERSION,
    arp_request,
    is_arp_reply,
)
from tests.functional.vhost_front_end import (
    BYTES,
    ENTRIES,
    GUEST,
    INDIRECT,
    NEXT,
    PAGE,
    USER,
    WRITE,
    FrontEnd,
)

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

ADDRESS = "10.9.9.1"
ASKER = "10.9.9.2"
RACE_SECONDS = 1.5


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("front") / "s"


@pytest.fixture
def enclave(enclaves: Enclaves, debian_image: Path, path: Path) -> Running:
    return enclaves.start(
        *(debian_image, "/bin/sleep", "300"),
        options=(
            *("--net", f"vhost:{path},server", "--address", f"{ADDRESS}/24"),
            *("--read-only", "--memory", "256M"),
        ),
    )


def answers(front_end: FrontEnd) -> bool:
    """Ask for the enclave's address until it answers."""
    for _ in range(50):
        front_end.send(arp_request(ADDRESS, ASKER))
        while (frame := front_end.receive(timeout=0.1)) is not None:
            if is_arp_reply(frame, ADDRESS):
                return True
    return False


# ---- rings ----


def sent(*fields: int) -> Callable[[FrontEnd], None]:
    """Return a lie: a chain of one descriptor to send, with these fields."""

    def lie(front_end: FrontEnd) -> None:
        ring = front_end.rings[TX]
        front_end.describe(ring, 40, *fields)
        front_end.publish(ring, 40)

    return lie


def index_runs_ahead(front_end: FrontEnd) -> None:
    front_end.publish(front_end.rings[TX], 0, ahead=ENTRIES + 1)


def index_runs_backwards(front_end: FrontEnd) -> None:
    front_end.publish(front_end.rings[TX], 0, ahead=-2)


def head_beyond_the_ring(front_end: FrontEnd) -> None:
    front_end.publish(front_end.rings[TX], ENTRIES)


def head_of_all_ones(front_end: FrontEnd) -> None:
    front_end.publish(front_end.rings[TX], 0xFFFF)


def chain_without_end(front_end: FrontEnd) -> None:
    ring = front_end.rings[TX]
    front_end.describe(ring, 40, GUEST + ring.buffer(0), 16, NEXT, 41)
    front_end.describe(ring, 41, GUEST + ring.buffer(0), 16, NEXT, 40)
    front_end.publish(ring, 40)


def buffer_to_receive_that_is_none(front_end: FrontEnd) -> None:
    ring = front_end.rings[RX]
    for slot in range(ENTRIES):
        front_end.describe(ring, slot, GUEST + BYTES, PAGE, WRITE, 0)
    front_end.send(arp_request(ADDRESS, ASKER))


def buffer_to_receive_that_is_read_only(front_end: FrontEnd) -> None:
    ring = front_end.rings[RX]
    for slot in range(ENTRIES):
        front_end.describe(ring, slot, GUEST + ring.buffer(0), PAGE, 0, 0)
    front_end.send(arp_request(ADDRESS, ASKER))


def buffers_too_small_for_a_header(front_end: FrontEnd) -> None:
    ring = front_end.rings[RX]
    for slot in range(ENTRIES):
        front_end.describe(ring, slot, GUEST + ring.buffer(0), 4, WRITE, 0)
    front_end.send(arp_request(ADDRESS, ASKER))


RING_LIES = {
    "index ahead": index_runs_ahead,
    "index backwards": index_runs_backwards,
    "head beyond": head_beyond_the_ring,
    "head of ones": head_of_all_ones,
    "endless chain": chain_without_end,
    "outside": sent(GUEST + BYTES, 64, 0, 0),
    "before": sent(GUEST - 1, 64, 0, 0),
    "across the end": sent(GUEST + BYTES - 32, 64, 0, 0),
    "length of ones": sent(GUEST, 0xFFFFFFFF, 0, 0),
    "address of ones": sent((1 << 64) - 8, 64, 0, 0),
    "indirect": sent(GUEST, 64, INDIRECT, 0),
    "to be written": sent(GUEST, 64, WRITE, 0),
    "next beyond": sent(GUEST, 4, NEXT, ENTRIES),
    "receive outside": buffer_to_receive_that_is_none,
    "receive read-only": buffer_to_receive_that_is_read_only,
    "receive too small": buffers_too_small_for_a_header,
}


def test_every_lie_in_the_rings_costs_the_liar_its_connection(enclave: Running, path: Path) -> None:
    for name, lie in RING_LIES.items():
        with FrontEnd(path) as liar:
            assert answers(liar), f"before {name}"
            lie(liar)
            assert liar.is_closed(), name
    assert enclave.process.poll() is None
    assert enclave.output().count("the other end lied") == len(RING_LIES)
    with FrontEnd(path) as honest:
        assert answers(honest)


# ---- control ----


def table(count: int, *region: int) -> bytes:
    return struct.pack("<II", count, 0) + REGION.pack(*region) * min(count, 8)


MESSAGES: dict[str, tuple[int, bytes]] = {
    "no request": (99, b""),
    "more regions than may be": (SET_MEM_TABLE, table(9, GUEST, BYTES, USER, 0)),
    "a region without descriptor": (SET_MEM_TABLE, table(2, GUEST, BYTES, USER, 0)),
    "an empty region": (SET_MEM_TABLE, table(1, GUEST, 0, USER, 0)),
    "a region of all": (SET_MEM_TABLE, table(1, GUEST, (1 << 64) - PAGE, USER, 0)),
    "a region off a page": (SET_MEM_TABLE, table(1, GUEST, BYTES, USER, 8)),
    "no entries": (SET_VRING_NUM, STATE.pack(0, 0)),
    "odd entries": (SET_VRING_NUM, STATE.pack(0, 100)),
    "entries without end": (SET_VRING_NUM, STATE.pack(0, 1 << 31)),
    "a ring that is none": (SET_VRING_NUM, STATE.pack(7, 64)),
    "a place before its size": (SET_VRING_ADDR, ADDRESSES.pack(0, 0, USER, USER, USER, 0)),
    "a ring outside": (SET_VRING_ADDR, ADDRESSES.pack(1, 0, 8, 8, 8, 0)),
    "a kick without descriptor": (SET_VRING_KICK, NUMBER.pack(0)),
    "too few features": (SET_FEATURES, NUMBER.pack(1)),
}


@pytest.fixture(scope="module")
def agreed(path: Path) -> Callable[[], FrontEnd]:
    def connect() -> FrontEnd:
        front_end = FrontEnd(path, handshake=False)
        front_end.agree()
        front_end.tell(SET_VRING_NUM, STATE.pack(1, ENTRIES))
        return front_end

    return connect


def test_a_message_that_makes_no_sense_ends_the_connection(
    enclave: Running, path: Path, agreed: Callable[[], FrontEnd]
) -> None:
    for name, (request, body) in MESSAGES.items():
        with agreed() as liar:
            fds = (liar.fd,) if request == SET_MEM_TABLE else ()
            liar.tell(request, body, *fds)
            assert liar.is_closed(), name
    assert enclave.process.poll() is None
    with FrontEnd(path) as honest:
        assert answers(honest)


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(SET_FEATURES, VERSION, 1 << 20),
        HEADER.pack(SET_FEATURES, 0, 8) + bytes(8),
        HEADER.pack(SET_FEATURES, VERSION, 8) + bytes(3),
        b"\xff" * 64,
    ],
    ids=["too long", "another version", "cut off", "ones"],
)
def test_what_is_no_message_ends_the_connection(enclave: Running, path: Path, data: bytes) -> None:
    with FrontEnd(path, handshake=False) as liar:
        liar.socket.sendall(data)
        assert liar.is_closed()
    with FrontEnd(path) as honest:
        assert answers(honest)
    assert enclave.process.poll() is None


# ---- races ----


def scribble(front_end: FrontEnd, seed: int, until: float) -> None:
    """Rewrite descriptors, indices and frames while the enclave reads them."""
    dice = random.Random(seed)
    while time.monotonic() < until:
        ring = front_end.rings[dice.randrange(2)]
        address = GUEST + dice.randrange(BYTES)
        fields = (address, dice.getrandbits(17), dice.choice((0, 1, 2, 3)), dice.randrange(ENTRIES))
        front_end.describe(ring, dice.randrange(ENTRIES), *fields)
        offset = dice.randrange(16 * PAGE, BYTES - 64)
        front_end.memory[offset : offset + 12] = dice.randbytes(12)
        front_end.publish(ring, dice.randrange(ENTRIES))


def test_a_racing_front_end_does_no_harm(enclave: Running, path: Path) -> None:
    until = time.monotonic() + RACE_SECONDS
    seed = 0
    while time.monotonic() < until:
        seed += 1
        with FrontEnd(path) as liar:
            stop = time.monotonic() + 0.1
            threads = [
                threading.Thread(target=scribble, args=(liar, seed * 2 + i, stop)) for i in range(2)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert enclave.process.poll() is None, enclave.last_words()
    with FrontEnd(path) as honest:
        assert answers(honest)
