# SPDX-License-Identifier: Apache-2.0
"""An enclave that a test runs, its network, and waits for events that always end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 20.0
STOP_SECONDS = 20.0
COMMAND_SECONDS = 60.0
LOG_LINES_SHOWN = 60


@dataclass(frozen=True)
class Network:
    """A tap and its two networks, which no other enclave of this or another session has."""

    tap: str
    number: int
    session: int

    @property
    def address(self) -> str:
        return f"10.{self.session}.{self.number}.1"

    @property
    def host(self) -> str:
        return f"10.{self.session}.{self.number}.254"

    @property
    def address6(self) -> str:
        return f"fd77:{self.session:x}:{self.number:x}::1"

    @property
    def host6(self) -> str:
        return f"fd77:{self.session:x}:{self.number:x}::fe"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--net", "tap", "--tap-name", self.tap, "--address", f"{self.address}/24")

    def is_there(self) -> bool:
        return Path("/sys/class/net", self.tap).exists()

    def connect(self, port: int, timeout: float) -> socket.socket:
        """Connect over the tap alone: before it is up, a router of the host might answer."""
        connection = socket.socket()
        try:
            connection.settimeout(timeout)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.tap.encode())
            connection.connect((self.address, port))
        except BaseException:
            connection.close()
            raise
        return connection

    def answers(self, port: int) -> bool:
        try:
            self.connect(port, timeout=0.1).close()
        except OSError:
            return False
        return True


@dataclass
class Running:
    """A started enclave: rkt-io-run became it, so its pid and status are the enclave's."""

    command: Sequence[str]
    log: Path
    network: Network | None
    enclave: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "RKT_IO_ENCLAVE": str(self.enclave)},
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        assert self.network is not None
        return self.network.address

    def output(self) -> str:
        """Return what program and library OS have printed so far."""
        return self.log.read_text(errors="replace")

    def until(
        self, happened: Callable[[], bool], what: str, timeout: float = START_SECONDS
    ) -> None:
        """Wait for an event of the enclave; its early end or its silence fails the test."""
        end = time.monotonic() + timeout
        while not happened():
            status = self.process.poll()
            if status is not None:
                raise AssertionError(f"enclave ended with {status} before {what}")
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {timeout} s")
            time.sleep(0.005)

    def until_port(self, port: int, timeout: float = START_SECONDS) -> None:
        network = self.network
        assert network is not None
        self.until(lambda: network.answers(port), f"answer on port {port}", timeout)

    def until_line(self, pattern: str, timeout: float = START_SECONDS) -> re.Match[str]:
        """Wait for a match in the output and return it."""
        found: list[re.Match[str]] = []

        def matched() -> bool:
            match = re.search(pattern, self.output(), re.MULTILINE)
            found.extend([match] if match else [])
            return bool(found)

        # Once more after the end: the last words may have come with it.
        try:
            self.until(matched, f"output {pattern!r}", timeout)
        except AssertionError:
            if not matched():
                raise
        return found[0]

    def wait(self, timeout: float = COMMAND_SECONDS) -> int:
        """Return the program's status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"enclave still runs after {timeout} s") from None

    def stop(self, number: int = signal.SIGTERM, timeout: float = STOP_SECONDS) -> int:
        """Ask the program to end, and return its status."""
        self.process.send_signal(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(STOP_SECONDS)

    def cpu_seconds(self) -> float:
        """Return the CPU time of all threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pss_bytes(self) -> int:
        """Return the memory that the host has given to the process."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        assert found is not None
        return int(found[1]) << 10

    def last_words(self) -> str:
        lines = self.output().splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join([f"$ {' '.join(self.command)}", *lines])


def host(*command: str | Path, timeout: float = COMMAND_SECONDS) -> str:
    """Run a program of the host to its end and return its output; a failure fails the test."""
    words = list(map(str, command))
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"{words[0]} hangs: {error}\n{error.stdout!r}") from None
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout
