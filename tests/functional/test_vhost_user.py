# SPDX-License-Identifier: Apache-2.0
"""Shared memory in place of the host's kernel: two enclaves back to back, and rkt-io-vtap."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.counting import counted
from tests.functional.running import Running, host
from tests.functional.vtap import OPTIONS, Vtap

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

SERVER, CLIENT = "10.9.7.1", "10.9.7.2"
ROLES = [("vhost", "virtio-user"), ("virtio-user", "vhost")]
ECHO = (
    "import socket; s = socket.create_server(('', 7)); print('ready', flush=True)\n"
    "while True:\n"
    "    c, _ = s.accept()\n"
    "    while d := c.recv(1 << 16): c.sendall(d)\n"
)
# What the wire of one enclave loses at boot, before the other is there, is no host call's fault.
PACKETS_PER_CALL = 10_000
# iperf3 prints, and the library kernel maps memory for it.
OWN_BUSINESS = re.compile(r"pwritev2\(1,|mmap\(|munmap\(|mprotect\(")


Pair = Callable[..., tuple[Running, Running]]


@pytest.fixture
def pair(enclaves: Enclaves, debian_image: Path, tmp_path: Path) -> Pair:
    """Start a listening enclave with `server`, and when `ready` shows, the other with `client`."""

    def start(
        roles: tuple[str, str], server: tuple[str, ...], ready: str, client: tuple[str, ...]
    ) -> tuple[Running, Running]:
        first = enclaves.start(
            debian_image,
            *server,
            options=(f"--net={roles[0]}:{tmp_path}/s,server", f"--address={SERVER}/24", *OPTIONS),
        )
        first.until_line(ready)
        second = enclaves.start(
            debian_image,
            *client,
            options=(f"--net={roles[1]}:{tmp_path}/s", f"--address={CLIENT}/24", *OPTIONS),
        )
        return first, second

    return start


@pytest.mark.parametrize("roles", ROLES, ids=["to-vhost", "to-virtio-user"])
@pytest.mark.parametrize("options", [(), ("-R",)], ids=["out", "in"])
def test_streams_flow_between_enclaves(
    pair: Pair, roles: tuple[str, str], options: tuple[str, ...]
) -> None:
    command = ("/usr/bin/iperf3", "-c", SERVER, "-t", "2", "-J", *options)
    _, client = pair(roles, ("/usr/bin/iperf3", "-s", "--forceflush"), "listening", command)
    assert client.wait(40) == 0
    text = client.output()
    result = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert result["end"]["sum_received"]["bytes"] > 10 << 20


def test_redis_in_one_enclave_serves_another(pair: Pair) -> None:
    words = "/usr/bin/redis-server --bind * --protected-mode no --appendonly no --save"
    load = f"/usr/bin/redis-benchmark -h {SERVER} -t get,set -n 20000 --csv"
    _, client = pair(ROLES[0], (*words.split(), ""), "Ready to accept", tuple(load.split()))
    assert client.wait(60) == 0
    assert re.search(r'^"GET","\d', client.output(), re.MULTILINE)


def test_busy_enclaves_move_data_without_host_calls(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    def start(role: str, address: str, *words: str) -> Running:
        options = (f"--net={role}", f"--address={address}/24", "--poll=busy", *OPTIONS)
        return enclaves.start(debian_image, *words, options=options)

    server = start(f"vhost:{tmp_path}/s,server", SERVER, "/usr/bin/iperf3", "-s", "-1")
    server.until(lambda: (tmp_path / "s").exists(), "socket")
    client = start(
        *(f"virtio-user:{tmp_path}/s", CLIENT),
        *("/bin/sh", "-c", f"sleep 2; exec iperf3 -c {SERVER} -t 4 -l 1448 -M 1448"),
    )
    client.wait(40)
    counted = re.search(
        r"packets sent (\d+) .* received (\d+) .*direct: (\d+) kicks, (\d+) looks",
        client.output(),
    )
    assert counted is not None, client.last_words()
    sent, received, kicks, looks = map(int, counted.groups())
    # Ten looks at an idle link per second of start and end are part of no load.
    assert kicks + looks <= (sent + received) / PACKETS_PER_CALL + 60


@pytest.mark.needs("root", "strace")
def test_the_hosts_kernel_counts_no_call_per_packet(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    """Segments of one MTU, so that packets are many; each end counted for itself."""

    def start(role: str, address: str, *words: str) -> Running:
        net = (f"--net={role},tso=off", f"--address={address}/24", "--poll=busy")
        return enclaves.start(debian_image, *words, options=(*net, *OPTIONS))

    server = start(f"vhost:{tmp_path}/s,server", SERVER, *["/usr/bin/iperf3", "-s", "--forceflush"])
    server.until_line("listening")
    words = f"/usr/bin/iperf3 -c {SERVER} -t 120 -i 0.5 --forceflush -f k"
    client = start(f"virtio-user:{tmp_path}/s", CLIENT, *words.split())
    client.until_line("Kbits/sec")
    for running in (client, server):
        with counted(running, tmp_path, "-e", "trace=all") as found:
            packets = more_segments(client, 3 * PACKETS_PER_CALL)
        others = [line for line in found.lines() if not OWN_BUSINESS.match(line)]
        assert len(others) <= packets / PACKETS_PER_CALL, others


def more_segments(client: Running, count: int) -> int:
    """Wait until so many more have been sent; return how many, the first interval left out."""
    before = len(segments(client)) + 1
    client.until(lambda: sum(segments(client)[before:]) >= count, "packets", timeout=60)
    return sum(segments(client)[before:])


def segments(client: Running) -> list[int]:
    """Return how many segments iperf3 has sent in each interval so far."""
    found = re.findall(r"([\d.]+)-([\d.]+)\s+sec .* (\d+) Kbits/sec", client.output())
    return [int(int(rate) * 125 * (float(end) - float(start)) / 1448) for start, end, rate in found]


def test_the_carrier_follows_the_other_end(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    watch = (
        "was=; for i in $(seq 600); do read -r now < /sys/class/net/eth0/carrier; "
        '[ "$now" = "$was" ] || echo "carrier $now"; was=$now; sleep 0.05; done'
    )
    server = enclaves.start(
        *(debian_image, "/bin/sh", "-c", watch),
        options=(f"--net=vhost:{tmp_path}/s,server", f"--address={SERVER}/24", *OPTIONS),
    )
    server.until_line("carrier 0")
    for times in (1, 2):
        other = enclaves.start(
            *(debian_image, "/bin/sleep", "60"),
            options=(f"--net=virtio-user:{tmp_path}/s", f"--address={CLIENT}/24", *OPTIONS),
        )
        server.until_line(rf"(?s)(?:carrier 1.*){{{times}}}")
        other.kill()
        server.until_line(rf"(?s)(?:carrier 0.*){{{times + 1}}}")


# ---- rkt-io-vtap ----


@pytest.mark.needs("root", "tun", "ip", "iperf3")
@pytest.mark.parametrize("options", [(), ("-R",)], ids=["in", "out"])
def test_vtap_reaches_a_client_of_the_host(
    enclaves: Enclaves, debian_image: Path, vtap: Vtap, options: tuple[str, ...]
) -> None:
    vtap.start()
    server = vtap.enclave(enclaves, debian_image, "/usr/bin/iperf3", "-s", "--forceflush")
    server.until_line("listening")
    timeout = ("--connect-timeout", "9000")  # the helper may not be connected yet
    command = ("iperf3", "-c", server.address, "-t", "2", "-J", *timeout, *options)
    sums = json.loads(host(*command))["end"]
    assert sums["sum_received"]["bytes"] > 10 << 20


@pytest.mark.needs("root", "tun", "ip")
def test_connection_survives_the_death_of_its_back_end(
    enclaves: Enclaves, debian_image: Path, vtap: Vtap
) -> None:
    vtap.start()
    server = vtap.enclave(enclaves, debian_image, "/usr/bin/python3", "-c", ECHO)
    server.until_line("ready")
    server.until_port(7)
    with vtap.network.connect(7, timeout=30) as connection:
        echoed = Echo(connection)
        for _ in range(3):
            before = echoed.bytes
            echoed.until(before + (4 << 20))
            vtap.kill()
            time.sleep(0.3)
            vtap.start()
        echoed.until(echoed.bytes + (4 << 20))
        echoed.end()
    assert server.output().count("the other end is gone") == 3


class Echo:
    """Sends a pattern for as long as it is wanted, and checks that it comes back whole."""

    BLOCK = bytes(range(251)) * 64

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.bytes = 0
        self.error: Exception | None = None
        self.wanted = True
        self.threads = [threading.Thread(target=self._guarded, args=(f,)) for f in self._halves()]
        for thread in self.threads:
            thread.start()

    def _halves(self) -> tuple[Callable[[], None], Callable[[], None]]:
        return self._send, self._check

    def _guarded(self, half: Callable[[], None]) -> None:
        try:
            half()
        except OSError as error:
            self.error = error

    def _send(self) -> None:
        while self.wanted:
            self.connection.sendall(self.BLOCK)
        self.connection.shutdown(socket.SHUT_WR)

    def _check(self) -> None:
        while data := self.connection.recv(len(self.BLOCK)):
            start = self.bytes % 251
            if data != (self.BLOCK + self.BLOCK)[start : start + len(data)]:
                raise OSError(f"other bytes came back at {self.bytes}")
            self.bytes += len(data)

    def until(self, count: int) -> None:
        end = time.monotonic() + 30
        while self.bytes < count:
            assert self.error is None, self.error
            assert time.monotonic() < end, f"{self.bytes} bytes came back, not {count}"
            time.sleep(0.01)

    def end(self) -> None:
        self.wanted = False
        for thread in self.threads:
            thread.join(30)
        assert self.error is None, self.error
