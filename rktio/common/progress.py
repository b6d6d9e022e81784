# SPDX-License-Identifier: Apache-2.0
"""Progress of long work, on stderr: a bar on a terminal, a line per 10 % in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

BAR_COLUMNS = 24
REDRAW_SECONDS = 0.1
LOG_STEP_PERCENT = 10
LOG_STEP_SECONDS = 15.0  # between lines when the total is unknown


class Progress:
    """One long piece of work: `with Progress("copying", total) as p: p.advance(n)`.

    `total` is in `unit`s and may be unknown (None); the unit "B" is shown scaled.
    """

    def __init__(
        self, label: str, total: int | None, unit: str = "B", *, stream: TextIO | None = None
    ) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._note = ""
        self._started = time.monotonic()
        self._drawn = 0.0
        self._logged_percent = 0

    def __enter__(self) -> Self:
        self._show(force=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal:
            self._draw()
            self._stream.write("\n")
        elif error is None:
            seconds = time.monotonic() - self._started
            self._stream.write(f"{self.label}: done, {self._amount()} in {seconds:.1f} s\n")
        self._stream.flush()

    def advance(self, n: int) -> None:
        """Count `n` more units as done."""
        self.done += n
        self._show()

    def note(self, text: str) -> None:
        """Say what is being worked on now."""
        self._note = text
        self._show()

    def _show(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if self._terminal:
            if force or now - self._drawn >= REDRAW_SECONDS:
                self._drawn = now
                self._draw()
        else:
            self._log(now, force)

    def _log(self, now: float, force: bool) -> None:
        if self.total:
            due = self._percent() >= self._logged_percent + LOG_STEP_PERCENT
        else:
            due = now - self._drawn >= LOG_STEP_SECONDS
        if not force and not due:
            return
        self._drawn = now
        self._logged_percent = self._percent() // LOG_STEP_PERCENT * LOG_STEP_PERCENT
        self._stream.write(f"{self._line()}\n")
        self._stream.flush()

    def _draw(self) -> None:
        self._stream.write(f"\r\x1b[K{self._line()}")
        self._stream.flush()

    def _line(self) -> str:
        parts = [self.label]
        if self.total:
            if self._terminal:
                full = BAR_COLUMNS * self._percent() // 100
                parts.append(f"[{'#' * full}{'.' * (BAR_COLUMNS - full)}]")
            parts.append(f"{self._percent():3d} %")
        if self.done:
            parts.append(self._amount())
        if self._note:
            parts.append(self._note)
        return " ".join(parts)

    def _percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total else 0

    def _amount(self) -> str:
        return scaled_bytes(self.done) if self.unit == "B" else f"{self.done} {self.unit}"


def scaled_bytes(count: int) -> str:
    """Return `count` bytes for a reader: 1536 -> '1.5 KiB'."""
    if count < 1024:
        return f"{count} B"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / (1 << 10 * power):.1f} {('KiB', 'MiB', 'GiB', 'TiB')[power - 1]}"
