# SPDX-License-Identifier: Apache-2.0
"""An NVMe controller that lies: its queue is stopped, and nothing is touched that isn't its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("gcc", "x86_64")

CHECKOUT = Path(__file__).resolve().parents[3]
DRIVER = CHECKOUT / "enclave/libos/overlay/drivers/nvme/rktio"
NOT_IN_FLIGHT = "it completed a command that is not in flight"
NOT_GIVEN = "it took a command that was not given"
OTHER_QUEUE = "it completed a command of another queue"
WELL = "all is well"

LIES = {
    "honest": WELL,
    "full": WELL,
    "unknown-id": NOT_IN_FLIGHT,
    "id-out-of-range": NOT_IN_FLIGHT,
    "duplicate": NOT_IN_FLIGHT,
    "duplicate-of-reused": NOT_IN_FLIGHT,
    "wrong-queue": OTHER_QUEUE,
    "head-ahead": NOT_GIVEN,
    "head-out-of-range": NOT_GIVEN,
    "wrong-phase": WELL,
    "all-ones": OTHER_QUEUE,
    "status-garbage": WELL,
    "stuck-doorbells": WELL,
    "forgotten": NOT_IN_FLIGHT,
    "late-after-reset": NOT_IN_FLIGHT,
    "race": "survived",
    "capabilities": "each was found out",
}


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("nvme") / "liar"
    source = Path(__file__).with_name("programs") / "liar.c"
    subprocess.run(
        [
            *("gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"),
            *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
            *(f"-I{DRIVER}", str(source), str(DRIVER / "ring.c"), "-o", str(program)),
        ],
        check=True,
    )
    return program


@pytest.mark.parametrize(("case", "verdict"), LIES.items(), ids=LIES)
def test_a_lie_stops_the_queue_and_nothing_else_does(liar: Path, case: str, verdict: str) -> None:
    done = subprocess.run([liar, case], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout.strip()) == (0, verdict), done.stderr
