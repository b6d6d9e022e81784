# SPDX-License-Identifier: Apache-2.0
"""The queue of the switchless baseline, under threads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCE = Path(__file__).parent / "programs" / "queue_stress.c"
INCLUDE = CHECKOUT / "enclave" / "baseline"

pytestmark = pytest.mark.needs("gcc", "x86_64")


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-g", "-fsanitize=thread")])
def test_every_item_arrives_once_and_in_order(tmp_path: Path, flags: tuple[str, ...]) -> None:
    program = tmp_path / "stress"
    words = ["-std=gnu11", "-Wall", "-Werror", "-pthread", f"-I{INCLUDE}"]
    subprocess.run(["gcc", *words, *flags, SOURCE, "-o", program], check=True)

    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr
