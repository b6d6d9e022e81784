# SPDX-License-Identifier: Apache-2.0
"""A front end of vhost-user that a test steers: honest by default, and able to lie.

It drives an enclave's `--net vhost:SOCKET,server`, from bytes: rings as virtio 1.2 (2.7, "Split
Virtqueues") lays them out, in one region of memory that it owns and shares.
"""

from __future__ import annotations

import mmap
import os
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.functional.vhost_back_end import (
    ADDRESSES,
    DESCRIPTOR,
    F_PROTOCOL,
    FEATURES,
    GET_FEATURES,
    GET_PROTOCOL_FEATURES,
    HEADER,
    NEED_REPLY,
    NUMBER,
    REGION,
    REPLY_ACK,
    RX,
    SET_FEATURES,
    SET_MEM_TABLE,
    SET_OWNER,
    SET_VRING_ADDR,
    SET_VRING_CALL,
    SET_VRING_ENABLE,
    SET_VRING_KICK,
    SET_VRING_NUM,
    STATE,
    TX,
    USED,
    VERSION,
    VNET,
    connected,
)

SET_PROTOCOL_FEATURES, SET_VRING_BASE = 16, 10
ENTRIES = 64
GUEST, USER = 0x1_0000_0000, 0x7F00_0000_0000  # where the region is said to lie
PAGE = 4096
BUFFER = 65536 + 64 + VNET.size
BUFFERS = 8  # of each ring
BYTES = 16 * PAGE + 2 * BUFFERS * 17 * PAGE
WRITE, NEXT, INDIRECT = 2, 1, 4


class Ring:
    """One split virtqueue, as the driver lays it out."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.desc = index * 8 * PAGE
        self.avail = self.desc + 2 * PAGE
        self.used = self.desc + 4 * PAGE
        self.offered = 0
        self.seen = 0
        self.kick = os.eventfd(0, os.EFD_NONBLOCK)
        self.call = os.eventfd(0, os.EFD_NONBLOCK)

    def buffer(self, number: int) -> int:
        return 16 * PAGE + (self.index * BUFFERS + number) * 17 * PAGE


class FrontEnd:
    """The driver's end of the wire; a context manager."""

    def __init__(self, path: Path, *, handshake: bool = True) -> None:
        self.fd = os.memfd_create("front-end")
        os.ftruncate(self.fd, BYTES)
        self.memory = mmap.mmap(self.fd, BYTES)
        self.rings = (Ring(RX), Ring(TX))
        self.socket = connected(path)
        if handshake:
            self.agree()
            self.share()
            for ring in self.rings:
                self.hand_over(ring)
            for number in range(BUFFERS):
                self.offer(self.rings[RX], number, BUFFER, WRITE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()
        self.memory.close()
        for fd in (self.fd, *(fd for ring in self.rings for fd in (ring.kick, ring.call))):
            os.close(fd)

    # ---- control ----

    def tell(self, request: int, body: bytes = b"", *fds: int, flags: int = VERSION) -> None:
        """Send one message."""
        message = HEADER.pack(request, flags, len(body)) + body
        socket.send_fds(self.socket, [message], list(fds))

    def ask(self, request: int, body: bytes = b"", *fds: int, flags: int = VERSION) -> int:
        """Send one message and return the number that answers it."""
        self.tell(request, body, *fds, flags=flags)
        answer = self.socket.recv(HEADER.size + NUMBER.size, socket.MSG_WAITALL)
        if len(answer) < HEADER.size + NUMBER.size:
            raise ConnectionResetError(f"no answer to request {request}")
        return int(NUMBER.unpack_from(answer, HEADER.size)[0])

    def agree(self) -> None:
        self.tell(SET_OWNER)
        assert self.ask(GET_FEATURES) & FEATURES == FEATURES
        assert self.ask(GET_PROTOCOL_FEATURES) & REPLY_ACK
        self.tell(SET_PROTOCOL_FEATURES, NUMBER.pack(REPLY_ACK))
        self.tell(SET_FEATURES, NUMBER.pack(FEATURES | F_PROTOCOL))

    def share(self) -> None:
        body = struct.pack("<II", 1, 0) + REGION.pack(GUEST, BYTES, USER, 0)
        flags = VERSION | NEED_REPLY
        assert self.ask(SET_MEM_TABLE, body, self.fd, flags=flags) == 0

    def hand_over(self, ring: Ring) -> None:
        index = ring.index
        self.tell(SET_VRING_NUM, STATE.pack(index, ENTRIES))
        self.tell(SET_VRING_BASE, STATE.pack(index, 0))
        places = (USER + ring.desc, USER + ring.used, USER + ring.avail)
        self.tell(SET_VRING_ADDR, ADDRESSES.pack(index, 0, *places, 0))
        self.tell(SET_VRING_CALL, NUMBER.pack(index), ring.call)
        self.tell(SET_VRING_KICK, NUMBER.pack(index), ring.kick)
        self.tell(SET_VRING_ENABLE, STATE.pack(index, 1))

    # ---- rings ----

    def u16(self, offset: int) -> int:
        """Read a 16-bit field of the shared memory."""
        return int(struct.unpack_from("<H", self.memory, offset)[0])

    def describe(self, ring: Ring, slot: int, *fields: int) -> None:
        """Write a descriptor: address, length, flags, next."""
        DESCRIPTOR.pack_into(self.memory, ring.desc + DESCRIPTOR.size * slot, *fields)

    def publish(self, ring: Ring, head: int, *, ahead: int = 0) -> None:
        """Make the chain at `head` available (and `ahead` that are none), and say so."""
        place = ring.avail + 4 + 2 * (ring.offered % ENTRIES)
        struct.pack_into("<H", self.memory, place, head)
        ring.offered += 1
        struct.pack_into("<H", self.memory, ring.avail + 2, (ring.offered + ahead) & 0xFFFF)
        os.eventfd_write(ring.kick, 1)

    def offer(self, ring: Ring, number: int, length: int, flags: int) -> None:
        self.describe(ring, number, GUEST + ring.buffer(number), length, flags, 0)
        self.publish(ring, number)

    def send(self, frame: bytes) -> None:
        """Send a frame, honestly."""
        ring = self.rings[TX]
        number = ring.offered % BUFFERS
        data = VNET.pack(0, 0, 0, 0, 0, 0, 0) + frame
        self.memory[ring.buffer(number) : ring.buffer(number) + len(data)] = data
        self.offer(ring, number, len(data), 0)

    def receive(self, timeout: float) -> bytes | None:
        """Return the next frame that the enclave sends, without virtio's header."""
        ring = self.rings[RX]
        end = time.monotonic() + timeout
        while self.u16(ring.used + 2) == ring.seen & 0xFFFF:
            if time.monotonic() > end:
                return None
            time.sleep(0.002)
        number, length = USED.unpack_from(self.memory, ring.used + 4 + 8 * (ring.seen % ENTRIES))
        ring.seen += 1
        start = ring.buffer(number)
        data = self.memory[start + VNET.size : start + length]
        self.offer(ring, number, BUFFER, WRITE)
        return data

    def is_closed(self) -> bool:
        """Whether the enclave drops the connection, given time."""
        try:
            while self.socket.recv(4096):  # an answer that nobody took
                continue
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        return True
