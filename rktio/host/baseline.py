# SPDX-License-Identifier: Apache-2.0
"""The baselines that rkt-io is measured against, as options of a run (docs/baselines.md)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError

# The lower end of the 8,200 to 17,000 cycles that a call out of SGX adds.
DEFAULT_WORLD_SWITCH_CYCLES = 8200
WORLD_SWITCH_SOURCE = "Weisse et al., HotCalls, ISCA 2017, DOI 10.1145/3140659.3080208"
WORLD_SWITCH_CYCLES_MAX = 10_000_000  # abi/launch.h
IO_THREADS_MAX = 64
IO_THREADS_DEFAULT = {"switchless": 2}  # libos-host: one for the disks, beside two for the tap


class Io(StrEnum):
    """Who does a program's input and output."""

    DIRECT = "direct"
    LIBOS_HOST = "libos-host"
    SWITCHLESS = "switchless"
    SYNC = "sync"

    @property
    def on_host_kernel(self) -> bool:
        """Whether system calls go to the host's kernel: there is no library OS to set up."""
        return self in (Io.SWITCHLESS, Io.SYNC)


def check_io_settings(io: Io, cycles: int | None, threads: int | None) -> tuple[int, int]:
    """Return cycles and threads with their defaults. Raises RktioError."""
    if io is Io.DIRECT and (cycles is not None or threads is not None):
        raise RktioError(
            "world-switch cycles and I/O threads are of the baselines; --io direct has neither",
            hint="--io libos-host, switchless or sync",
        )
    if io is Io.SYNC and threads is not None:
        raise RktioError("--io sync has no I/O threads", hint="leave --io-threads out")
    cycles = DEFAULT_WORLD_SWITCH_CYCLES if cycles is None else cycles
    threads = IO_THREADS_DEFAULT.get(io, 1) if threads is None else threads
    if not 0 <= cycles <= WORLD_SWITCH_CYCLES_MAX:
        raise RktioError(f"{cycles} world-switch cycles: not 0 to {WORLD_SWITCH_CYCLES_MAX}")
    if not 1 <= threads <= IO_THREADS_MAX:
        raise RktioError(f"{threads} I/O threads: not 1 to {IO_THREADS_MAX}")
    return cycles, threads


def check_no_library_os(io: Io, given: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse settings of a library OS that is not there: name -> (value, default)."""
    for name, (value, default) in given.items():
        if value != default:
            raise RktioError(
                f"{name} is the library OS's, and --io {io} runs the program on the host's kernel",
                hint="leave it out: network, memory and CPUs are those of this shell",
            )


def check_tree(io: Io, tree: Path | None) -> None:
    """Refuse a run on the host's kernel that has no files. Raises RktioError."""
    if io.on_host_kernel and tree is None:
        raise RktioError(f"--io {io} needs the image's files in a folder", hint="tree=FOLDER")


def notice(io: Io, cycles: int) -> str:
    """Return the line that says what a baseline is not, and what its cost is made of."""
    source = WORLD_SWITCH_SOURCE if cycles == DEFAULT_WORLD_SWITCH_CYCLES else "as asked for"
    return (
        f"--io {io} is a baseline for measurements, not shielded; a world switch is simulated "
        f"by {cycles} cycles ({source})"
    )
