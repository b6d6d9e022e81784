# SPDX-License-Identifier: Apache-2.0
"""A back end of vhost-user-blk that a test steers: honest by default, and able to lie.

It serves `--disk vhost-user:SOCKET` from bytes: virtio 1.2, 5.2 "Block Device".
"""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.functional.vhost_back_end import (
    DESCRIPTOR,
    GET_FEATURES,
    GET_PROTOCOL_FEATURES,
    HEADER,
    NEED_REPLY,
    NUMBER,
    PATIENCE_SECONDS,
    REPLY,
    REPLY_ACK,
    VERSION,
    BackEnd,
    Ring,
)

GET_QUEUE_NUM, GET_CONFIG = 17, 24
F_RO, F_BLK_SIZE, F_FLUSH, F_MQ, F_DISCARD, F_ZEROES = (1 << n for n in (5, 6, 9, 12, 13, 14))
F_SEG_MAX, F_CONFIG_WCE, F_EVENT_IDX = 1 << 2, 1 << 11, 1 << 29
F_VERSION_1, F_PROTOCOL = 1 << 32, 1 << 30
FEATURES = F_VERSION_1 | F_PROTOCOL | F_FLUSH | F_SEG_MAX | F_CONFIG_WCE
PROTOCOL = REPLY_ACK | 1 << 9 | 1 << 0

READ, WRITE, FLUSH = 0, 1, 4
OK, IOERR = 0, 1
F_NEXT = 1
DISK_BYTES = 8 << 20
LOOK_SECONDS = 0.001


def config(sectors: int = DISK_BYTES // 512, *, block: int = 512, segments: int = 128) -> bytes:
    """Return a configuration space (virtio 1.2, 5.2.4)."""
    head = struct.pack("<QIIIIBBHI", sectors, 0, segments, 0, block, 0, 0, 0, 0)
    return head + struct.pack("<BBHIIIIIB3x", 0, 0, 1, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Request:
    """One chain of the front end's."""

    head: int
    kind: int
    sector: int
    data: tuple[tuple[int, int], ...]  # offset in the memory, length
    status: int  # its offset

    @property
    def bytes(self) -> int:
        return sum(length for _, length in self.data)


class DiskBackEnd(BackEnd):
    """One connection: the disk `content`, told of by `config` and `features`."""

    def __init__(
        self, connected: socket.socket, content: bytearray, config: bytes, features: int
    ) -> None:
        self.socket = connected
        self.socket.settimeout(PATIENCE_SECONDS)
        self.fds: list[int] = []
        self.rings = (Ring(),)
        self.content = content
        self.config = config
        self.features = features
        self.served = 0
        self.is_done = False  # it has lied, and only waits to be cut off
        try:
            self._handshake()
        except BaseException:
            self.close()
            raise

    def _serve(self) -> None:
        data, fds, _, _ = socket.recv_fds(self.socket, HEADER.size, 8)
        self.fds += fds
        if len(data) < HEADER.size:
            raise ConnectionResetError("the front end hung up during the handshake")
        request, flags, size = HEADER.unpack(data)
        body = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        if request == GET_CONFIG:
            answer = body[:12] + self.config
        else:
            number = self._number(request, body, fds)
            if number is None and not flags & NEED_REPLY:
                return
            answer = NUMBER.pack(number or 0)
        self.socket.sendall(HEADER.pack(request, VERSION | REPLY, len(answer)) + answer)

    def _number(self, request: int, body: bytes, fds: list[int]) -> int | None:
        if request == GET_FEATURES:
            return self.features
        if request == GET_PROTOCOL_FEATURES:
            return PROTOCOL
        if request == GET_QUEUE_NUM:
            return 1
        return self._answer(request, body, fds)

    # ---- requests ----

    def next(self) -> Request | None:
        """Take the next request; None where there is none."""
        ring = self.rings[0]
        if not self.available(ring):
            return None
        head, header, _ = self.take(ring)
        kind, _, sector = struct.unpack_from("<IIQ", self.memory, header)
        pieces = list(self._chain(ring, head))[1:]
        return Request(head, kind, sector, tuple(pieces[:-1]), pieces[-1][0])

    def _chain(self, ring: Ring, index: int) -> list[tuple[int, int]]:
        found = []
        for _ in range(ring.entries):
            address, length, flags, following = DESCRIPTOR.unpack_from(
                self.memory, ring.desc + 16 * index
            )
            found.append((address - self.base, length))
            if not flags & F_NEXT:
                return found
            index = following
        raise ValueError("a chain without an end")

    def move(self, request: Request) -> None:
        """Copy the data of an honest answer."""
        at = request.sector * 512
        for offset, length in request.data:
            if request.kind == READ:
                self.memory[offset : offset + length] = self.content[at : at + length]
            elif request.kind == WRITE:
                self.content[at : at + length] = self.memory[offset : offset + length]
            at += length

    def answer(self, request: Request, *, status: int = OK, length: int | None = None) -> None:
        """Complete a request and tell of it."""
        self.memory[request.status] = status
        written = 1 + (request.bytes if request.kind == READ else 0)
        self.put_used(self.rings[0], request.head, written if length is None else length)
        self.tell(self.rings[0])
        self.served += 1

    def honest(self, request: Request) -> None:
        self.move(request)
        self.answer(request)


Serve = Callable[[DiskBackEnd, Request], None]


class DiskServer:
    """Listens at a socket and serves who comes, in a thread of its own; a context manager.

    `serve` answers each request; what it raises as ConnectionError ends the connection.
    """

    def __init__(
        self,
        path: Path,
        serve: Serve = DiskBackEnd.honest,
        *,
        config: bytes = config(),
        features: int = FEATURES,
        content: bytearray | None = None,
    ) -> None:
        self.serve = serve
        self.config = config
        self.features = features
        self.content = bytearray(DISK_BYTES) if content is None else content
        self.connections = 0
        self.cut_off = threading.Event()  # the front end hung up
        self._stop = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(4)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            connected, _ = self._listener.accept()
            self.connections += 1
            try:
                with DiskBackEnd(connected, self.content, self.config, self.features) as back_end:
                    self._attend(back_end)
            except (ConnectionError, TimeoutError):
                continue
            except (struct.error, OverflowError, IndexError, ValueError):
                continue  # a test's own scribbling: this back end fell over what it reads

    def _attend(self, back_end: DiskBackEnd) -> None:
        while not self._stop.is_set():
            while not back_end.is_done and (request := back_end.next()):
                self.serve(back_end, request)
            if select.select([back_end.socket], [], [], LOOK_SECONDS)[0]:
                self.cut_off.set()
                return
