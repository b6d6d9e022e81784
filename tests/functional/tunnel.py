# SPDX-License-Identifier: Apache-2.0
"""A standard WireGuard peer of a test, the wire between it and an enclave, and who sits on it."""

from __future__ import annotations

import base64
import errno
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.functional.running import Network, host

PORT = 51820
ETH_P_ALL = 0x0003
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
NEIGHBOURS = (135, 136)  # ICMPv6, RFC 4861
DATA = b"\4\0\0\0"  # type of a datagram that carries a packet
START_SECONDS = 10.0


@dataclass(frozen=True)
class Key:
    """A private key of X25519 and its public one, in base64."""

    private: str
    public: str

    @classmethod
    def make(cls) -> Key:
        private = host("wg", "genkey").strip()
        done = subprocess.run(
            ["wg", "pubkey"], input=private, capture_output=True, text=True, check=True, timeout=10
        )
        return cls(private, done.stdout.strip())

    def line(self, name: str = "wireguard") -> str:
        """Return the line of a key file."""
        return f"{name}={base64.b64decode(self.private).hex()}\n"


@dataclass
class Peer:
    """wireguard-go on this host. Its device goes with its process."""

    network: Network
    key: Key
    device: str = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.device = f"rktw{self.network.session}x{self.network.number}"
        environment = {**os.environ, "LOG_LEVEL": "error"}
        self.process = subprocess.Popen(
            ["wireguard-go", "--foreground", self.device],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._answers, "wireguard-go")

    def _answers(self) -> bool:
        assert self.process.poll() is None, "wireguard-go ended"
        shown = subprocess.run(["wg", "show", self.device], capture_output=True, check=False)
        return shown.returncode == 0

    @property
    def address(self) -> str:
        return f"10.{self.network.session}.{100 + self.network.number}.2"

    @property
    def inside(self) -> str:
        """Return the enclave's address in the tunnel."""
        return f"10.{self.network.session}.{100 + self.network.number}.1"

    def connect_to(self, enclave: str, endpoint: str, *words: str, folder: Path) -> None:
        """Take the enclave of this public key for a peer, and bring the tunnel up."""
        secret = folder / "peer.key"
        secret.write_text(self.key.private)
        allowed = ("allowed-ips", f"{self.inside}/32", "endpoint", endpoint)
        host("wg", "set", self.device, "private-key", secret, "peer", enclave, *allowed, *words)
        host("ip", "addr", "replace", f"{self.address}/24", "dev", self.device)
        host("ip", "link", "set", self.device, "up", "mtu", "1420")

    def close(self) -> None:
        self.process.kill()
        self.process.wait(10)


def until(happened: Callable[[], bool], what: str, timeout: float = START_SECONDS) -> None:
    """Wait for an event; its absence fails the test."""
    end = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < end, f"no {what} within {timeout} s"
        time.sleep(0.005)


class Capture:
    """Every frame that passes the tap, in both directions, from now on."""

    def __init__(self, tap: str) -> None:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self.socket.bind((tap, 0))
        # A tap that is not up yet is told as an error, once; its frames come as soon as it is.
        assert self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ENETDOWN)
        self.socket.settimeout(0)

    def frames(self) -> list[bytes]:
        """Return what has passed since the last time."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(1 << 17))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.socket.close()


def is_allowed(frame: bytes, port: int = PORT) -> bool:
    """Whether a wire that is WireGuard's only may carry this frame."""
    ethertype = int.from_bytes(frame[12:14])
    if ethertype == ETHERTYPE_ARP:
        return True
    if ethertype == ETHERTYPE_IPV6:
        return frame[20] == 58 and frame[54] in NEIGHBOURS
    if ethertype != ETHERTYPE_IPV4 or frame[23] != socket.IPPROTO_UDP:
        return False
    header = 14 + 4 * (frame[14] & 15)
    return port in (int.from_bytes(frame[header + i :][:2]) for i in (0, 2))


class Relay:
    """Forwards datagrams between a peer and an enclave; it can hold those to the enclave back."""

    def __init__(self, enclave: tuple[str, int]) -> None:
        self.enclave = enclave
        self.near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.near.bind(("127.0.0.1", 0))
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.holding = False
        self.held: list[bytes] = []
        self.passed: list[bytes] = []
        self.peer: tuple[str, int] | None = None
        self.far.bind(("", 0))
        self.threads = [
            threading.Thread(target=each, daemon=True) for each in (self._inwards, self._outwards)
        ]
        for thread in self.threads:
            thread.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.near.getsockname()[1]}"

    def _inwards(self) -> None:
        while True:
            datagram, self.peer = self.near.recvfrom(1 << 16)
            if not datagram:
                return
            if self.holding and datagram.startswith(DATA):
                self.held.append(datagram)
            else:
                self.passed.append(datagram)
                self.send(datagram)

    def _outwards(self) -> None:
        while True:
            datagram = self.far.recv(1 << 16)
            if not datagram:
                return
            if self.peer is not None:
                self.near.sendto(datagram, self.peer)

    def send(self, datagram: bytes) -> None:
        """Deliver a datagram to the enclave."""
        self.far.sendto(datagram, self.enclave)

    def close(self) -> None:
        for each in (self.near, self.far):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
                ender.sendto(b"", ("127.0.0.1", each.getsockname()[1]))
        for thread in self.threads:
            thread.join(10)
        self.near.close()
        self.far.close()
