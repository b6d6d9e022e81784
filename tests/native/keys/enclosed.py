# SPDX-License-Identifier: Apache-2.0
"""The client with a stand-in for its enclave: launch record, measurement, and a TEE."""

from __future__ import annotations

import os
import struct
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.native.keys import channel

SECONDS = 30.0

# Gives the device's evidence for report data.
Tee = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Outcome:
    """How a run of the client ended."""

    status: int
    keys: dict[str, bytes]
    errors: str


@dataclass
class Enclosed:
    """A folder in which `stand.c` finds what an enclave would give."""

    program: Path
    folder: Path
    kind: int
    measurement: bytes
    tee: Tee | None = None
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "tee").write_bytes(struct.pack("=I", self.kind))
        (self.folder / "measurement").write_bytes(self.measurement)
        for name in ("question", "answer"):
            os.mkfifo(self.folder / name)

    def run(self, url: str, fingerprint: str, **configuration: object) -> Outcome:
        """Run the client to its end."""
        keys = {"fingerprint": fingerprint, "resources": "default/redis"}
        record = channel.launch_record(**({"keys": keys, "data": []} | configuration))
        (self.folder / "launch").write_bytes(record)
        thread = threading.Thread(target=self._vouch, daemon=True)
        thread.start()
        output = self.folder / "output"
        try:
            done = subprocess.run(
                ["sh", "-c", 'exec "$0" "$1" 3>"$2"', self.program, url, output],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=SECONDS,
                env=os.environ | {"STAND": str(self.folder)},
            )
        finally:
            # Whom nobody asked waits in open(): this is an empty question.
            os.close(os.open(self.folder / "question", os.O_RDWR | os.O_NONBLOCK))
            thread.join(SECONDS)
        lines = output.read_text().splitlines()
        pairs = (line.split("=") for line in lines)
        keys_found = {name: bytes.fromhex(value) for name, value in pairs}
        return Outcome(done.returncode, keys_found, done.stderr)

    def _vouch(self) -> None:
        with (self.folder / "question").open("rb") as question:
            report_data = question.read()
        if report_data and self.tee is not None:
            self.asked.append(report_data)
            (self.folder / "answer").write_bytes(self.tee(report_data))
