# SPDX-License-Identifier: Apache-2.0
"""A tunnel that ends inside the enclave: with a standard peer, and between two enclaves."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.redis_client import Redis
from tests.functional.running import Network, Running, host
from tests.functional.tunnel import DATA, PORT, Capture, Key, Peer, Relay, is_allowed, until

pytestmark = [
    pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap"),
    pytest.mark.needs("wg", "wireguard-go"),
]
TAPPED = pytest.mark.needs("root", "tun", "ip")
READ_ONLY = ("--read-only", "--tmpfs", "/tmp", "--memory", "512M")
REDIS = ("/usr/bin/redis-server", "--bind", "*", "-::*", "--protected-mode", "no", "--save", "")
# Counts what arrives, for as long as nobody says "end".
COUNT = (
    "import socket, collections\n"
    "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 7))\n"
    "print('ready', flush=True)\n"
    "seen = collections.Counter()\n"
    "while True:\n"
    "    data, who = s.recvfrom(2048); seen[data.decode()] += 1; s.sendto(data, who)\n"
    "    if data == b'end': break\n"
    "print('twice', sorted(k for k, n in seen.items() if n > 1), 'once', len(seen), flush=True)\n"
)


class Tunnel:
    """An enclave behind a tap, whose tunnel ends at wireguard-go on this host."""

    def __init__(self, enclaves: Enclaves, image: Path, folder: Path) -> None:
        self.enclaves = enclaves
        self.image = image
        self.folder = folder
        self.network: Network = enclaves.network()
        self.key = Key.make()
        self.peer = Peer(self.network, Key.make())
        self.keys = folder / "enclave.keys"
        self.keys.touch(0o600)
        self.keys.write_text(self.key.line())

    def start(self, *words: str, peer: str = "", allowed: tuple[str, ...] = ()) -> Running:
        """Start a program behind the tunnel."""
        config = self.folder / "run.toml"
        config.write_text(
            "[wireguard]\n"
            f'addresses = ["{self.peer.inside}/24"]\n'
            f'[[wireguard.peer]]\npublic-key = "{self.peer.key.public}"\n'
            f"allowed-ips = {list(allowed or (f'{self.peer.address}/32',))}\n{peer}"
        )
        six = ("--address", f"{self.network.address6}/64")
        options = ("--config", str(config), "--insecure-key-file", str(self.keys), *READ_ONLY, *six)
        return self.enclaves.start(self.image, *words, network=self.network, options=options)

    def connect(self, endpoint: str | None = None, *words: str, port: int = 0) -> None:
        """Bring the host's end up; `port` is its own, 0: any."""
        endpoint = endpoint or f"{self.network.address}:{PORT}"
        host("wg", "set", self.peer.device, "listen-port", str(port))
        self.peer.connect_to(self.key.public, endpoint, *words, folder=self.folder)


@pytest.fixture
def tunnel(enclaves: Enclaves, debian_image: Path, tmp_path: Path) -> Iterator[Tunnel]:
    made = Tunnel(enclaves, debian_image, tmp_path)
    yield made
    made.peer.close()


def answers(address: str, port: int, device: str) -> bool:
    """Whether a TCP connection through this device is accepted, in a second."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as connection:
        connection.settimeout(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        try:
            connection.connect((address, port))
        except OSError:
            return False
        return True


def is_from_host(frame: bytes, network: Network) -> bool:
    mac = Path(f"/sys/class/net/{network.tap}/address").read_text().strip()
    return frame[6:12] == bytes.fromhex(mac.replace(":", ""))


@TAPPED
def test_redis_is_served_through_the_tunnel_only(tunnel: Tunnel) -> None:
    secret = os.urandom(24).hex()
    server = tunnel.start(*REDIS)
    server.until_line("Ready to accept")
    with closing(Capture(tunnel.network.tap)) as capture:
        tunnel.connect()
        with Redis(tunnel.peer.inside) as redis:
            assert redis("SET", secret, secret * 64) == b"OK"
            assert redis("GET", secret) == (secret * 64).encode()
        carried = b"".join(capture.frames())
        assert carried.count(DATA) > 4
        assert secret.encode() not in carried

        assert not answers(tunnel.network.address, 6379, tunnel.network.tap)
        assert not answers(tunnel.network.address6, 6379, tunnel.network.tap)
        passed = capture.frames()
    assert any(is_from_host(frame, tunnel.network) and not is_allowed(frame) for frame in passed)
    out = [frame for frame in passed if not is_from_host(frame, tunnel.network)]
    assert [frame.hex() for frame in out if not is_allowed(frame)] == []


@TAPPED
def test_nothing_else_leaves_a_closed_wire(tunnel: Tunnel) -> None:
    """Not even what the program sends with raw sockets, below every protocol."""
    network = tunnel.network
    speak = (
        "import socket, time\n"
        "print('start', flush=True); time.sleep(0.3)\n"
        "def attempt(family, kind, protocol, to):\n"
        "    s = socket.socket(family, kind, protocol); s.settimeout(0.2)\n"
        "    try: s.connect(to); s.send(b'plaintext' * 8)\n"
        "    except OSError as e: print(e.__class__.__name__, flush=True)\n"
        f"hosts = ((socket.AF_INET, '{network.host}'), (socket.AF_INET6, '{network.host6}'))\n"
        "for family, host in hosts:\n"
        "    for kind, protocol in ((socket.SOCK_STREAM, 0), (socket.SOCK_DGRAM, 0),\n"
        "                           (socket.SOCK_RAW, socket.IPPROTO_ICMP)):\n"
        "        attempt(family, kind, protocol, (host, 9))\n"
        "raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); raw.bind(('eth0', 0x0800))\n"
        "frame = b'\\xff' * 6 + b'\\2' * 6 + b'\\x08\\0' + b'plaintext' * 8\n"
        "try: raw.send(frame)\n"
        "except OSError as e: print('raw', e, flush=True)\n"
        "print('done', flush=True); time.sleep(999)\n"  # the tap goes with the enclave
    )
    running = tunnel.start("/usr/bin/python3", "-c", speak)
    running.until(network.is_there, "tap")
    with closing(Capture(network.tap)) as capture:
        running.until_line("^done")
        passed = capture.frames()
    out = [frame for frame in passed if not is_from_host(frame, network)]
    assert [frame.hex() for frame in out if not is_allowed(frame)] == []
    assert b"plaintext" not in b"".join(out)


@TAPPED
def test_replayed_and_reordered_datagrams_are_delivered_once(tunnel: Tunnel) -> None:
    server = tunnel.start("/usr/bin/python3", "-c", COUNT)
    server.until_line("ready")
    with (
        closing(Relay((tunnel.network.address, PORT))) as relay,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        tunnel.connect(relay.endpoint)
        client.settimeout(10)
        client.connect((tunnel.peer.inside, 7))
        client.send(b"first")
        assert client.recv(99) == b"first"

        relay.holding = True
        for number in range(20):
            client.send(f"held{number}".encode())
        until(lambda: len(relay.held) >= 20, "datagrams on the wire")
        relay.holding = False
        replayed = [*reversed(relay.held), *relay.held, *relay.passed]
        for datagram in replayed:
            relay.send(datagram)
        assert {client.recv(99).decode() for _ in range(20)} == {f"held{n}" for n in range(20)}

        relay.send(flipped(relay.held[0]))
        client.send(b"end")
        assert client.recv(99) == b"end"
    assert server.wait() == 0
    assert "twice [] once 22" in server.output()


def flipped(datagram: bytes) -> bytes:
    return datagram[:-1] + bytes([datagram[-1] ^ 1])


@TAPPED
def test_a_preshared_key_is_part_of_the_handshake(tunnel: Tunnel) -> None:
    shared = Key.make()
    tunnel.keys.write_text(tunnel.key.line() + shared.line("wireguard-backup"))
    peer = 'preshared-key = "wireguard-backup"\n'
    server = tunnel.start("/usr/bin/python3", "-c", COUNT, peer=peer)
    server.until_line("ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        tunnel.connect()
        client.connect((tunnel.peer.inside, 7))
        client.settimeout(0.5)
        client.send(b"unheard")
        with pytest.raises(TimeoutError):
            client.recv(99)
        secret = tunnel.folder / "shared.key"
        secret.write_text(shared.private)
        # Anew, or the next handshake would come after five seconds.
        host("wg", "set", tunnel.peer.device, "peer", tunnel.key.public, "remove")
        tunnel.connect(None, "preshared-key", str(secret))
        client.settimeout(10)
        client.send(b"end")
        assert client.recv(99)
    assert server.wait() == 0


@TAPPED
def test_a_peer_may_take_the_default_route(tunnel: Tunnel) -> None:
    """The tunnel's own datagrams still find their way by eth0's."""
    config = f'endpoint = "{tunnel.network.host}:51999"\nkeep-alive = 1\n'
    fetch = (
        "import socket\n"
        "s = socket.create_connection(('192.0.2.77', 7), timeout=10)\n"
        "print('got', s.recv(99).decode(), flush=True)\n"
    )
    running = tunnel.start(
        "/usr/bin/python3", "-c", fetch, peer=config, allowed=("0.0.0.0/0", "::/0")
    )
    tunnel.connect(None, "persistent-keepalive", "1", port=51999)
    host("ip", "addr", "add", "192.0.2.77/32", "dev", tunnel.peer.device)
    with socket.create_server(("192.0.2.77", 7)) as listener:
        listener.settimeout(10)
        connection, who = listener.accept()
        with connection:
            assert who[0] == tunnel.peer.inside
            connection.send(b"through")
            assert running.wait() == 0
    assert "got through" in running.output()


def test_two_enclaves_meet_in_a_tunnel(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    """Both ends are ours; what lies between is vhost-user, without a host's kernel."""
    keys = [Key.make(), Key.make()]

    def start(number: int, net: str, peer: str, *words: str) -> Running:
        (tmp_path / f"{number}.keys").touch(0o600)
        (tmp_path / f"{number}.keys").write_text(keys[number].line())
        config = tmp_path / f"{number}.toml"
        config.write_text(
            f'[wireguard]\naddresses = ["10.88.0.{number + 1}/24", "fd88::{number + 1}/64"]\n'
            f'[[wireguard.peer]]\npublic-key = "{keys[1 - number].public}"\n'
            f'allowed-ips = ["10.88.0.{2 - number}/32", "fd88::{2 - number}/128"]\n{peer}'
        )
        options = (
            f"--net={net}",
            f"--address=10.9.7.{number + 1}/24",
            f"--config={config}",
            f"--insecure-key-file={tmp_path / f'{number}.keys'}",
            *READ_ONLY,
        )
        return enclaves.start(debian_image, *words, options=options)

    server = start(0, f"vhost:{tmp_path}/s,server", "", *REDIS)
    server.until_line("Ready to accept")
    load = "redis-benchmark -h fd88::1 -t get,set -n 20000 --csv"
    endpoint = 'endpoint = "10.9.7.1:51820"\n'
    client = start(
        1, f"virtio-user:{tmp_path}/s", endpoint, "/usr/bin/" + load.split()[0], *load.split()[1:]
    )
    assert client.wait(60) == 0
    assert re.search(r'^"GET","\d', client.output(), re.MULTILINE)


@TAPPED
def test_a_missing_private_key_is_one_line(tunnel: Tunnel) -> None:
    tunnel.keys.write_text("other=00\n")
    running = tunnel.start("/bin/true")
    assert running.wait() == 125
    assert "rkt-io: no private key for WireGuard (32 bytes, named wireguard);" in running.output()
