# SPDX-License-Identifier: Apache-2.0
"""A back end of vhost-user that a test steers: honest by default, and able to lie.

It serves an enclave's `--net virtio-user:SOCKET,server`, from bytes: rings as virtio 1.2 (2.7,
"Split Virtqueues") lays them out, in the one region of memory that the enclave shares.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

HEADER = struct.Struct("<III")
NUMBER = struct.Struct("<Q")
STATE = struct.Struct("<II")
ADDRESSES = struct.Struct("<IIQQQQ")
REGION = struct.Struct("<QQQQ")
DESCRIPTOR = struct.Struct("<QIHH")
USED = struct.Struct("<II")
VNET = struct.Struct("<BBHHHHH")

VERSION, REPLY, NEED_REPLY = 1, 1 << 2, 1 << 3
GET_FEATURES, SET_FEATURES, SET_OWNER = 1, 2, 3
SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR = 5, 8, 9
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 15, 18

F_VERSION_1, F_MRG_RXBUF, F_PROTOCOL = 1 << 32, 1 << 15, 1 << 30
F_CSUM, F_GUEST_CSUM = 1 << 0, 1 << 1
F_TSO = 1 << 7 | 1 << 8 | 1 << 11 | 1 << 12
FEATURES = F_VERSION_1 | F_MRG_RXBUF | F_PROTOCOL | F_CSUM | F_GUEST_CSUM | F_TSO
REPLY_ACK = 1 << 3

RX, TX = 0, 1
PATIENCE_SECONDS = 15.0


def connected(path: Path) -> socket.socket:
    """Connect to an enclave that may not listen yet."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE_SECONDS)
        try:
            made.connect(str(path))
        except OSError:
            made.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return made


class Ring:
    """One split virtqueue, as the device sees it."""

    def __init__(self) -> None:
        self.entries = 0
        self.desc = self.avail = self.used = 0  # offsets in the shared memory
        self.taken = 0
        self.given = 0
        self.kick = self.call = -1
        self.enabled = False


class BackEnd:
    """The device's end of the wire; a context manager."""

    def __init__(self, path: Path) -> None:
        self.socket = connected(path)
        self.fds: list[int] = []
        self.rings: tuple[Ring, ...] = (Ring(), Ring())
        self.memory: mmap.mmap
        self.base = 0
        self.regions = 0
        try:
            self._handshake()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds.clear()

    # ---- control ----

    def _handshake(self) -> None:
        while not all(ring.enabled for ring in self.rings):
            self._serve()

    def _serve(self) -> None:
        data, fds, _, _ = socket.recv_fds(self.socket, HEADER.size, 8)
        self.fds += fds
        if len(data) < HEADER.size:
            raise ConnectionResetError("the enclave hung up during the handshake")
        request, flags, size = HEADER.unpack(data)
        body = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        answer = self._answer(request, body, fds)
        if answer is None and flags & NEED_REPLY:
            answer = 0
        if answer is not None:
            head = HEADER.pack(request, VERSION | REPLY, NUMBER.size)
            self.socket.sendall(head + NUMBER.pack(answer))

    def _answer(self, request: int, body: bytes, fds: list[int]) -> int | None:
        if request == GET_FEATURES:
            return FEATURES
        if request == GET_PROTOCOL_FEATURES:
            return REPLY_ACK
        if request == SET_MEM_TABLE:
            self._map(body, fds)
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = ADDRESSES.unpack(body)
            ring = self.rings[index]
            ring.desc, ring.used, ring.avail = (x - self.base for x in (desc, used, avail))
        elif request in (SET_VRING_NUM, SET_VRING_ENABLE):
            index, value = STATE.unpack(body)
            if request == SET_VRING_NUM:
                self.rings[index].entries = value
            else:
                self.rings[index].enabled = bool(value)
        elif request == SET_VRING_KICK:
            self.rings[body[0]].kick = fds[0]
        elif request == SET_VRING_CALL:
            self.rings[body[0]].call = fds[0]
        return None

    def _map(self, body: bytes, fds: list[int]) -> None:
        (self.regions,) = struct.unpack_from("<I", body)
        _, size, self.base, offset = REGION.unpack_from(body, 8)
        assert offset == 0
        self.memory = mmap.mmap(fds[0], size)

    # ---- rings ----

    def u16(self, offset: int) -> int:
        """Read a 16-bit field of the shared memory."""
        (value,) = struct.unpack_from("<H", self.memory, offset)
        return int(value)

    def put_u16(self, offset: int, value: int) -> None:
        struct.pack_into("<H", self.memory, offset, value & 0xFFFF)

    def available(self, ring: Ring) -> int:
        return (self.u16(ring.avail + 2) - ring.taken) & 0xFFFF

    def take(self, ring: Ring) -> tuple[int, int, int]:
        """Take the next chain's head; return its id, offset and length."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self.available(ring):
            assert time.monotonic() < end, "the enclave made nothing available"
            time.sleep(0.002)
        head = self.u16(ring.avail + 4 + 2 * (ring.taken % ring.entries))
        ring.taken += 1
        address, length, _, _ = DESCRIPTOR.unpack_from(self.memory, ring.desc + 16 * head)
        return head, address - self.base, length

    def put_used(self, ring: Ring, head: int, length: int) -> None:
        """Write a used entry without telling of it."""
        USED.pack_into(self.memory, ring.used + 4 + 8 * (ring.given % ring.entries), head, length)
        ring.given += 1

    def tell(self, ring: Ring, ahead: int = 0) -> None:
        """Publish the used entries (and `ahead` that are none), and signal them."""
        self.put_u16(ring.used + 2, ring.given + ahead)
        os.write(ring.call, NUMBER.pack(1))

    def send(self, frame: bytes, *, buffers: int = 1) -> None:
        """Give the enclave a frame, honestly but for the number of buffers."""
        ring = self.rings[RX]
        head, offset, length = self.take(ring)
        data = VNET.pack(0, 0, 0, 0, 0, 0, buffers) + frame
        assert len(data) <= length
        self.memory[offset : offset + len(data)] = data
        self.put_used(ring, head, len(data))
        self.tell(ring)

    def receive(self) -> bytes:
        """Return the first descriptor of the enclave's next frame, without virtio's header."""
        ring = self.rings[TX]
        head, offset, length = self.take(ring)
        data = self.memory[offset + VNET.size : offset + length]
        self.put_used(ring, head, 0)
        self.tell(ring)
        return data

    def is_closed(self) -> bool:
        """Whether the enclave drops the connection, given time."""
        return bool(select.select([self.socket], [], [], PATIENCE_SECONDS)[0]) and (
            self.socket.recv(1, socket.MSG_DONTWAIT) == b""
        )


def arp_request(target: str, asker: str) -> bytes:
    """Return a broadcast that the enclave at `target` must answer."""
    mac = bytes.fromhex("020000000001")
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + mac + socket.inet_aton(asker)
    frame = b"\xff" * 6 + mac + b"\x08\x06" + body + bytes(6) + socket.inet_aton(target)
    return frame.ljust(60, b"\0")


def is_arp_reply(frame: bytes, sender: str) -> bool:
    return (
        frame[12:14] == b"\x08\x06"
        and frame[20:22] == b"\0\2"
        and (frame[28:32] == socket.inet_aton(sender))
    )
