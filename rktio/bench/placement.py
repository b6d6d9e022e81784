# SPDX-License-Identifier: Apache-2.0
"""Where a measured process runs: the same cores on both sides, and never longer than we do."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import require

STOP_SECONDS = 5.0
MARK = "RKT_IO_BENCH_RUN"  # in the environment of a native program and of all that it starts


def server_cores(count: int) -> tuple[int, ...]:
    """Return the last `count` cores that this process may use; the first take most interrupts."""
    usable = sorted(os.sched_getaffinity(0))
    if not 1 <= count <= len(usable):
        raise RktioError(
            f"{count} cores were asked for; this process may use {len(usable)}",
            hint=f"--cpus {len(usable)} at most",
        )
    return tuple(usable[-count:])


def client_cores(server: Sequence[int]) -> tuple[int, ...]:
    """Return the usable cores that the server does not have."""
    others = sorted(os.sched_getaffinity(0) - set(server))
    if not others:
        raise RktioError("client and server need a core each", hint="a machine of 2 cores or more")
    return tuple(others)


def placed(argv: Sequence[str | Path], cores: Sequence[int]) -> list[str | Path]:
    """Return a command that runs `argv` on `cores` and is killed when this process ends."""
    setpriv, taskset = require("setpriv", "util-linux"), require("taskset", "util-linux")
    return [setpriv, "--pdeathsig", "KILL", taskset, "-c", listed(cores), *argv]


def listed(cores: Sequence[int]) -> str:
    """Return the cores as taskset reads them."""
    return ",".join(map(str, cores))


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that we started: politely, then not."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill_marked(mark: str) -> None:
    """Kill what a native program left behind, such as daemons; an enclave takes its own along."""
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                continue  # it ended meanwhile
