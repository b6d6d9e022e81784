# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest

from rktio.common.progress import Progress, scaled_bytes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_per_ten_percent() -> None:
    log = io.StringIO()
    with Progress("copying", 1000, stream=log) as progress:
        for _ in range(100):
            progress.advance(10)
    lines = log.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[1] == "copying  10 % 100 B"
    assert lines[-1].startswith("copying: done, 1000 B in ")


def test_a_terminal_gets_one_line_that_is_redrawn() -> None:
    terminal = Terminal()
    with Progress("building", 4, "files", stream=terminal) as progress:
        progress.note("a.c")
        progress.advance(4)
    text = terminal.getvalue()
    assert text.count("\n") == 1
    assert text.endswith(f"building [{'#' * 24}] 100 % 4 files a.c\n")


def test_an_unknown_total_is_no_error() -> None:
    log = io.StringIO()
    with Progress("reading", None, stream=log) as progress:
        progress.advance(2048)
    assert log.getvalue().splitlines()[0] == "reading"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (3 << 20, "3.0 MiB"),
        (5 << 30, "5.0 GiB"),
        (7 << 50, "7168.0 TiB"),
    ],
)
def test_bytes_are_scaled_for_readers(count: int, text: str) -> None:
    assert scaled_bytes(count) == text
