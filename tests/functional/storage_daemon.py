# SPDX-License-Identifier: Apache-2.0
"""qemu-storage-daemon with one image, that a test kills and starts again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_SECONDS = 15.0
LOAD_BYTES = 64 << 10


class StorageDaemon:
    """A context manager; the daemon listens at `path` while it runs."""

    def __init__(self, image: Path, path: Path, queues: int = 1, writable: bool = True) -> None:
        self.image = image
        self.path = path
        self.queues = queues
        self.writable = "on" if writable else "off"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and return once it listens."""
        pidfile = self.path.with_suffix(".pid")  # written once it listens
        for left in (self.path, pidfile):
            left.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [
                "qemu-storage-daemon",
                "--blockdev",
                f"driver=file,node-name=disk,filename={self.image},discard=unmap",
                "--export",
                f"type=vhost-user-blk,id=export,node-name=disk,writable={self.writable},"
                f"num-queues={self.queues},addr.type=unix,addr.path={self.path}",
                "--pidfile",
                pidfile,
            ]
        )
        self._wait(pidfile.exists)

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def wait_for_load(self) -> None:
        """Return when it has written some more for its front end."""
        before = self._written()
        self._wait(lambda: self._written() > before + LOAD_BYTES)

    def _written(self) -> int:
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/io").read_text().splitlines():
            if line.startswith("wchar:"):
                return int(line.split()[1])
        return 0

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            assert self.process is not None and self.process.poll() is None, "it ended by itself"
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.005)
