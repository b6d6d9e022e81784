# SPDX-License-Identifier: Apache-2.0
"""A guest in QEMU (without KVM) with an emulated IOMMU, told over a serial line what to do."""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

BOOT_SECONDS = 120.0
SCRIPT_SECONDS = 120.0
MEMORY_MIB = 3072
# no_timer_check: on a loaded machine the kernel would take a late timer for a broken one.
APPEND = "console=ttyS0 intel_iommu=on iommu=nopt no_timer_check quiet panic=-1"
CONSOLE_LINES_SHOWN = 30


@dataclass(frozen=True)
class Done:
    """A script that ended."""

    status: int
    output: str


class Guest:
    """A machine that runs scripts until the block ends."""

    def __init__(self, folder: Path, kernel: Path, initramfs: Path, devices: list[str]) -> None:
        self.console = folder / "console"
        self._line = folder / "line"
        self._command = [
            "qemu-system-x86_64",
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off,smap=off"),
            *("-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults", "-display", "none"),
            "-no-reboot",
            *("-serial", f"file:{self.console}"),
            *("-serial", f"unix:{self._line}"),
            *("-device", "intel-iommu,intremap=on,aw-bits=48"),
            *("-kernel", str(kernel), "-initrd", str(initramfs)),
            *("-append", APPEND),
            *devices,
        ]

    def __enter__(self) -> Guest:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._line))
        self._listener.listen(1)
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        self._listener.settimeout(BOOT_SECONDS)
        self._stream: socket.socket | None = None
        self._buffer = b""
        try:
            self._stream = self._listener.accept()[0]
            self._deadline = time.monotonic() + BOOT_SECONDS
            self._until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        if self._stream is not None:
            self._stream.close()
        self._listener.close()

    def run(self, script: str, seconds: float = SCRIPT_SECONDS) -> Done:
        """Run a script of the shell to its end."""
        assert self._stream is not None
        data = f"{script}\n".encode()
        assert len(data) < 4000, "longer than the terminal's buffer"
        self._deadline = time.monotonic() + seconds
        self._stream.sendall(b"%d\n" % len(data) + data)
        status, _, length = self._read_line().partition(" ")
        return Done(int(status), self._read(int(length)).decode(errors="replace"))

    def output(self, script: str, seconds: float = SCRIPT_SECONDS) -> str:
        """Run a script that must be good; return its output."""
        done = self.run(script, seconds)
        assert done.status == 0, f"status {done.status}\n{script}\n{done.output}"
        return done.output

    def _until_ready(self) -> None:
        while self._read_line() != "ready":
            pass

    def _read_line(self) -> str:
        while b"\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip("\r")

    def _read(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._receive()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _receive(self) -> None:
        assert self._stream is not None
        self._stream.settimeout(max(self._deadline - time.monotonic(), 0.001))
        try:
            data = self._stream.recv(65536)
        except TimeoutError:
            raise AssertionError(f"the guest does not answer\n{self.last_words()}") from None
        if not data:
            raise AssertionError(f"the guest ended\n{self.last_words()}")
        self._buffer += data

    def last_words(self) -> str:
        """Return the end of what the guest's kernel said."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join(text.splitlines()[-CONSOLE_LINES_SHOWN:])
