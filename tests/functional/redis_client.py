# SPDX-License-Identifier: Apache-2.0
"""A client of Redis that knows which writes were acknowledged, and never waits for ever."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from tests.functional.running import Running

PORT = 6379
ANSWER_SECONDS = 20.0

Reply = bytes | int | None


class RedisError(Exception):
    """An answer that begins with a minus sign."""


class Redis:
    """One connection."""

    def __init__(self, address: str, port: int = PORT) -> None:
        self.socket = socket.create_connection((address, port), timeout=ANSWER_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

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
        self.stream.close()
        self.socket.close()

    def hang_up(self) -> None:
        """End the waiting of another thread: a killed enclave can't say that it is gone."""
        self.socket.shutdown(socket.SHUT_RDWR)

    def send(self, *words: str | bytes | int) -> None:
        encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded]
        self.socket.sendall(b"*%d\r\n%b" % (len(encoded), b"".join(parts)))

    def receive(self) -> Reply:
        """Return one simple answer. Raises RedisError, and OSError when the server is gone."""
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server is gone")
        kind, text = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(text.decode())
        if kind == b":":
            return int(text)
        if kind != b"$":
            return text
        length = int(text)
        return None if length < 0 else self.stream.read(length + 2)[:-2]

    def __call__(self, *words: str | bytes | int) -> Reply:
        self.send(*words)
        return self.receive()

    def pipeline(self, commands: list[tuple[str | bytes | int, ...]]) -> list[Reply]:
        for command in commands:
            self.send(*command)
        return [self.receive() for _ in commands]

    def info(self, section: str) -> dict[str, str]:
        text = self("INFO", section)
        assert isinstance(text, bytes)
        lines = text.decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)


def until_ready(running: Running) -> None:
    """Wait until a server has loaded its data and answers."""
    running.until_port(PORT)
    with Redis(running.address) as redis:
        running.until(lambda: is_ready(redis), "PONG")


def is_ready(redis: Redis) -> bool:
    try:
        return redis("PING") == b"PONG"
    except RedisError:
        return False  # it is loading
