# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a confidential VM's /sys/kernel/config/tsm/report, made of FIFOs.

Opening a FIFO waits for its other end, so what the enclave's agent does and what is answered keep
step without a clock. An entry answers one question.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

ATTRIBUTES = ("provider", "generation", "inblob", "outblob", "auxblob")
# The entry is named after the process, whose number an exec keeps.
PREPARE = """
folder=$0
mkdir "$folder/rkt-io-$$"
for name in $ATTRIBUTES; do mkfifo "$folder/rkt-io-$$/$name"; done
echo $$ > "$folder/ready"
exec "$@"
"""

# Gives outblob and auxblob (None: there is no such attribute) for the 64 bytes of inblob.
Vouch = Callable[[bytes], tuple[bytes, bytes | None]]


@dataclass
class Tsm:
    """The folder, and the thread that plays the kernel. `generations` are read in this order."""

    folder: Path
    provider: str
    vouch: Vouch
    generations: tuple[str, str] = ("0\n", "1\n")
    asked: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        os.mkfifo(self.folder / "ready")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._stopped = False

    def command(self, words: Sequence[str | Path]) -> list[str]:
        """Return a command that makes the entry and becomes `words`."""
        script = PREPARE.replace("$ATTRIBUTES", " ".join(ATTRIBUTES))
        return ["sh", "-euc", script, str(self.folder), *map(str, words)]

    def __enter__(self) -> Tsm:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """End the thread wherever it waits for somebody to open a FIFO."""
        self._stopped = True
        while self._thread.is_alive():
            for fifo in (self.folder / "ready", *self.folder.glob("*/*")):
                os.close(os.open(fifo, os.O_RDWR | os.O_NONBLOCK))
            self._thread.join(0.01)

    def _serve(self) -> None:
        process = (self.folder / "ready").read_text().strip()
        if not process:
            return
        entry = self.folder / f"rkt-io-{process}"
        with contextlib.suppress(BrokenPipeError):  # the agent had enough, or the test is over
            self._answer(entry)

    def _answer(self, entry: Path) -> None:
        (entry / "provider").write_text(f"{self.provider}\n")
        (entry / "generation").write_text(self.generations[0])
        question = (entry / "inblob").read_bytes()
        if self._stopped:
            return
        self.asked.append(question)
        outblob, auxblob = self.vouch(question)
        if auxblob is None:
            (entry / "auxblob").unlink()
        (entry / "outblob").write_bytes(outblob)
        if auxblob is not None:
            (entry / "auxblob").write_bytes(auxblob)
        (entry / "generation").write_text(self.generations[1])
