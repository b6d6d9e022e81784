# SPDX-License-Identifier: Apache-2.0
"""Whatever the host writes into the rings: no wild access, every request ends once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.native.blk.conftest import DATA_PATH, KERNEL_CONTEXT, PROGRAMS, RUNTIME, compiled

pytestmark = pytest.mark.needs("gcc")

NAMES = re.findall(r"^\tCASE\((\w+)\),$", (PROGRAMS / "hostile.c").read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_forged_completion(hostile: Path, name: str) -> None:
    subprocess.run([hostile, name], check=True)


@pytest.mark.parametrize("seed", range(1, 6))
def test_random_lies_end_every_request_once(hostile: Path, seed: int) -> None:
    subprocess.run([hostile, "fuzz", str(seed)], check=True)


@pytest.mark.parametrize("name", DATA_PATH)
def test_data_path_needs_no_libc(tmp_path: Path, name: str) -> None:
    built = compiled(tmp_path / "unit.o", "-c", *KERNEL_CONTEXT, RUNTIME / name)
    listed = subprocess.run(["nm", "-u", built], check=True, capture_output=True, text=True)
    symbols = listed.stdout.replace(" U ", " ").split()
    assert all(symbol.startswith(("rt_blk", "rt_wait_", "hostcall_")) for symbol in symbols)
