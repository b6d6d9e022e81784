# SPDX-License-Identifier: Apache-2.0
"""An enclave behind rkt-io-vtap, which connects its shared memory to a tap of the host."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from tests.functional.conftest import Enclaves
from tests.functional.running import CHECKOUT, Network, Running, host

VTAP = CHECKOUT / "build" / "rkt-io-vtap"
OPTIONS = ("--read-only", "--tmpfs", "/tmp", "--memory", "512M", "--stats")


class Vtap:
    """A tap of the host, and the helper that connects an enclave to it."""

    def __init__(self, network: Network, path: Path) -> None:
        self.network = network
        self.path = path
        self.process: subprocess.Popen[bytes] | None = None
        host("ip", "tuntap", "add", "dev", network.tap, "mode", "tap")
        host("ip", "addr", "add", f"{network.host}/24", "dev", network.tap)
        host("ip", "link", "set", network.tap, "up")

    def start(self) -> None:
        self.process = subprocess.Popen([VTAP, self.path, self.network.tap])

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self) -> None:
        self.kill()
        host("ip", "link", "del", self.network.tap)

    def enclave(self, enclaves: Enclaves, image: Path, *words: str, env: str = "A=") -> Running:
        """Start an enclave whose network ends at this tap."""
        net = f"--net=virtio-user:{self.path},server"
        address = f"--address={self.network.address}/24"
        running = enclaves.start(image, *words, options=(net, address, "--env", env, *OPTIONS))
        running.network = self.network
        return running
