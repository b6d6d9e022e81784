# SPDX-License-Identifier: Apache-2.0
"""vhost-user's front end for a disk: the control path, which stays outside of the enclave.

It agrees with the back end on features, and hands it the DMA region and the eventfds. The rings in
that region are the enclave's business. Messages: QEMU's "Vhost-user Protocol"; what the enclave is
told: abi/vhost_disk.h.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rktio.common.errors import RktioError

# abi/vhost_disk.h; a test compares them.
UP, DOWN = 1, 2
READY, LIAR = 82, 76
QUEUES_MAX = 64
ENTRIES = 256
GUEST_BASE = 0x100000000
QUEUE_BYTES = 0x1200000
DESC, AVAIL, USED = 0x0, 0x1000, 0x2000
CONFIG_BYTES = 60
FEATURES = 0x120007666
NEWS = struct.Struct(f"=IIQ{CONFIG_BYTES}s4x")

F_PROTOCOL = 1 << 30
F_VERSION_1 = 1 << 32
PROTOCOL_MQ, PROTOCOL_REPLY_ACK, PROTOCOL_CONFIG = 1 << 0, 1 << 3, 1 << 9

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE = 8, 9, 10
SET_VRING_KICK, SET_VRING_CALL = 12, 13
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES = 15, 16
GET_QUEUE_NUM, SET_VRING_ENABLE, GET_CONFIG = 17, 18, 24
VERSION, REPLY, NEED_REPLY = 1, 1 << 2, 1 << 3
HEADER = struct.Struct("=III")
NUMBER = struct.Struct("=Q")
STATE = struct.Struct("=II")
ADDRESSES = struct.Struct("=IIQQQQ")
REGION = struct.Struct("=IIQQQQ")
CONFIG = struct.Struct("=III")

PAYLOAD_MAX_BYTES = 512
ANSWER_SECONDS = 3.0
HUGE_PAGE_BYTES = 2 << 20
FREE_HUGE_PAGES = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages")


@dataclass(frozen=True)
class Agreement:
    """What front end and back end have in common."""

    queues: int
    features: int
    config: bytes

    def news(self) -> bytes:
        """Return what the enclave is told of it."""
        return NEWS.pack(UP, self.queues, self.features, self.config)


@dataclass(frozen=True)
class Region:
    """The memory and eventfds that a disk keeps, whatever back end it has."""

    memory: int
    kicks: tuple[int, ...]
    calls: tuple[int, ...]

    @classmethod
    def make(cls, queues: int) -> Self:
        """Make them; the memory can be neither cut off nor grown."""
        flags = os.EFD_CLOEXEC | os.EFD_NONBLOCK
        memory = _memory(queues * QUEUE_BYTES)
        kicks = tuple(os.eventfd(0, flags) for _ in range(queues))
        return cls(memory, kicks, tuple(os.eventfd(0, flags) for _ in range(queues)))

    @property
    def fds(self) -> tuple[int, ...]:
        """All descriptors, in the order in which the enclave takes them."""
        pairs = zip(self.kicks, self.calls, strict=True)
        return (self.memory, *(fd for pair in pairs for fd in pair))

    @classmethod
    def of(cls, fds: tuple[int, ...]) -> Self:
        """Return the region of such a list of descriptors."""
        return cls(fds[0], fds[1::2], fds[2::2])

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


class BackEnd:
    """A connection to a back end of vhost-user-blk. Its failures are RktioErrors."""

    def __init__(self, path: Path, connected: socket.socket) -> None:
        self.path = path
        self.socket = connected
        self.socket.settimeout(ANSWER_SECONDS)
        self._acknowledges = False

    @classmethod
    def connect(cls, path: Path) -> Self:
        """Connect to who listens at `path`."""
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            end.connect(str(path))
        except OSError as error:
            end.close()
            raise RktioError(
                f"no back end to connect to at {path}: {error.strerror}",
                hint="start qemu-storage-daemon, say, with --export type=vhost-user-blk, "
                f"addr.type=unix,addr.path={path}",
            ) from error
        return cls(path, end)

    def agree(self, queues: int) -> Agreement:
        """Ask what the back end has; take of it what the enclave can use."""
        self._tell(SET_OWNER)
        offered = self._ask(GET_FEATURES)
        if not offered & F_PROTOCOL:
            raise self._lacks("the protocol's features")
        protocol = self._ask(GET_PROTOCOL_FEATURES)
        if not protocol & PROTOCOL_CONFIG:
            raise self._lacks("a configuration space, as a disk has")
        if not offered & F_VERSION_1:
            raise self._lacks("virtio 1")
        protocol &= PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG
        self._tell(SET_PROTOCOL_FEATURES, NUMBER.pack(protocol))
        self._acknowledges = bool(protocol & PROTOCOL_REPLY_ACK)
        most = self._ask(GET_QUEUE_NUM) if protocol & PROTOCOL_MQ else 1
        features = offered & FEATURES
        self._tell(SET_FEATURES, NUMBER.pack(features | F_PROTOCOL))
        return Agreement(max(1, min(queues, most, QUEUES_MAX)), features, self._config())

    def hand_over(self, region: Region) -> None:
        """Give it memory and queues, which are empty; it may use them at once."""
        size = len(region.kicks) * QUEUE_BYTES
        told = REGION.pack(1, 0, GUEST_BASE, size, GUEST_BASE, 0)
        if self._tell(SET_MEM_TABLE, told, region.memory, acknowledge=self._acknowledges):
            raise RktioError(f"{self.path}: the back end could not map the DMA region")
        for index, (kick, call) in enumerate(zip(region.kicks, region.calls, strict=True)):
            base = GUEST_BASE + index * QUEUE_BYTES
            self._tell(SET_VRING_NUM, STATE.pack(index, ENTRIES))
            self._tell(SET_VRING_BASE, STATE.pack(index, 0))
            addresses = (base + DESC, base + USED, base + AVAIL, 0)
            self._tell(SET_VRING_ADDR, ADDRESSES.pack(index, 0, *addresses))
            self._tell(SET_VRING_CALL, NUMBER.pack(index), call)
            self._tell(SET_VRING_KICK, NUMBER.pack(index), kick)
            self._tell(SET_VRING_ENABLE, STATE.pack(index, 1))

    def _config(self) -> bytes:
        self._send(GET_CONFIG, CONFIG.pack(0, CONFIG_BYTES, 0) + bytes(CONFIG_BYTES))
        answer = self._answer(GET_CONFIG)
        if len(answer) != CONFIG.size + CONFIG_BYTES:
            raise self._lacks("a configuration space of a disk")
        return answer[CONFIG.size :]

    def _ask(self, request: int) -> int:
        self._send(request)
        answer = self._answer(request)
        if len(answer) != NUMBER.size:
            raise self._wrong(request)
        (number,) = NUMBER.unpack(answer)
        return int(number)

    def _tell(
        self, request: int, payload: bytes = b"", *fds: int, acknowledge: bool = False
    ) -> int:
        self._send(request, payload, *fds, flags=NEED_REPLY if acknowledge else 0)
        if not acknowledge:
            return 0
        answer = self._answer(request)
        if len(answer) != NUMBER.size:
            raise self._wrong(request)
        return int(NUMBER.unpack(answer)[0])

    def _send(self, request: int, payload: bytes = b"", *fds: int, flags: int = 0) -> None:
        data = HEADER.pack(request, VERSION | flags, len(payload)) + payload
        try:
            if socket.send_fds(self.socket, [data], list(fds)) != len(data):
                raise self._wrong(request)
        except OSError as error:
            raise RktioError(f"{self.path}: the back end hung up") from error

    def _answer(self, request: int) -> bytes:
        told, flags, size = HEADER.unpack(self._receive(HEADER.size, request))
        if told != request or not flags & REPLY or size > PAYLOAD_MAX_BYTES:
            raise self._wrong(request)
        return self._receive(size, request)

    def _receive(self, size: int, request: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                got = self.socket.recv(size - len(data))
            except OSError as error:
                raise self._wrong(request) from error
            if not got:
                raise RktioError(f"{self.path}: the back end hung up")
            data += got
        return data

    def _lacks(self, what: str) -> RktioError:
        return RktioError(
            f"{self.path}: the back end lacks {what}", hint="is it one of vhost-user-blk?"
        )

    def _wrong(self, request: int) -> RktioError:
        return RktioError(f"{self.path}: the back end gave no right answer to request {request}")


def _memory(size: int) -> int:
    """Return a sealed memfd, of huge pages where there are enough: SPDK takes no others."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    if _free_huge_pages() * HUGE_PAGE_BYTES >= size:
        flags |= os.MFD_HUGETLB
    fd = os.memfd_create("rkt-io-disk-dma", flags)
    try:
        os.ftruncate(fd, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _free_huge_pages() -> int:
    try:
        return int(FREE_HUGE_PAGES.read_text())
    except (OSError, ValueError):
        return 0
