# SPDX-License-Identifier: Apache-2.0
"""CPU time counts children that live, and those that were waited for."""

from __future__ import annotations

import subprocess
import time

from rktio.bench import cputime

BURN = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"


def test_children_that_live_are_counted() -> None:
    # The inner shell burns CPU and then waits for its input, below a shell that only waits.
    command = ["sh", "-c", f"sh -c '{BURN}; echo done; read x'; :"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"

        assert cputime.tree_seconds(process.pid) > 0.02

        process.communicate(b"\n")


def test_process_that_ended_has_no_time() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    assert cputime.tree_seconds(process.pid) == 0


def test_children_that_ended_are_counted() -> None:
    before, started = cputime.children_seconds(), time.monotonic()

    subprocess.run(["sh", "-c", BURN], check=True)

    spent = cputime.children_seconds() - before
    assert 0 < spent <= time.monotonic() - started + 0.1
