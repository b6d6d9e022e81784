# SPDX-License-Identifier: Apache-2.0
"""The host calls of a running enclave, counted by the host's kernel (strace)."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.functional.running import Running

# Every row of `strace -c`: share, seconds, us per call, calls, maybe errors, name.
ROW = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", re.MULTILINE)


class Counted:
    """The host calls of one enclave, as strace saw them."""

    def __init__(self, folder: Path) -> None:
        self.summary = folder / "strace"

    def calls(self) -> dict[str, int]:
        rows = ROW.findall(self.summary.read_text())
        return {name: int(count) for count, name in rows if name != "total"}

    def lines(self) -> list[str]:
        """Return each call with its arguments, where they were traced and not counted."""
        text = self.summary.read_text()
        return re.findall(r"^(?:\d+\s+)?(\w+\(.*)$", text, re.MULTILINE)


@contextmanager
def counted(running: Running, folder: Path, *how: str) -> Iterator[Counted]:
    """Count (-c) by strace, which sees a call only when it reaches the host's kernel."""
    found = Counted(folder)
    command = ["strace", "-f", *(how or ["-c"]), "-o", str(found.summary), "-p", str(running.pid)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert "attached" in process.stderr.readline()
        yield found
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    finally:
        process.kill()
