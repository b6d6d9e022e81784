# SPDX-License-Identifier: Apache-2.0
"""The systems that direct is measured against beside native: docs/baselines.md has them.

sync and switchless run where native runs: the same files, namespace and cores. libos-host runs as
direct does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rktio.common.run import require
from rktio.host.baseline import DEFAULT_WORLD_SWITCH_CYCLES, Io

NAMES = tuple(str(io) for io in Io if io is not Io.DIRECT)
ON_HOST_KERNEL = tuple(str(io) for io in Io if io.on_host_kernel)
# $1: the guest's files, $2: the folder for /bench; what is mounted here, the baseline takes along.
MOUNTS = (
    'set -e; t=$1; b=$2; shift 2; mount --bind "$t" "$t"; mount --bind "$b" "$t/bench"; exec "$@"'
)


def cycles_paid(systems: Iterable[str], cycles: int | None) -> int | None:
    """Return what a world switch costs in this run; None where no system pays it."""
    if not set(systems) & set(NAMES):
        return None
    return DEFAULT_WORLD_SWITCH_CYCLES if cycles is None else cycles


def same_price(before: int | None, now: int | None) -> bool:
    """Say whether samples of before may stand beside those of now."""
    return before is None or now is None or before == now


@contextmanager
def on_host_kernel(
    system: str,
    image: Path,
    folders: tuple[Path, Path],
    command: Sequence[str],
    env: Mapping[str, str],
    cycles: int | None,
) -> Iterator[tuple[list[str | Path], tuple[int, ...]]]:
    """Give the words that run `command` as a baseline, and the descriptors that these need.

    `folders` are the guest's files and what is to be at /bench.
    """
    from rktio.host.launch import prepared
    from rktio.host.options import RunOptions

    tree, bench = folders
    options = RunOptions(
        image=image,
        program=command[0],
        args=tuple(command[1:]),
        env=env,
        io=Io(system),
        world_switch_cycles=cycles,
        tree=tree,
    )
    with prepared(options) as launch:
        unshare = require("unshare", "util-linux")
        shell: list[str | Path] = [unshare, "--mount", "/bin/sh", "-c", MOUNTS, "sh", tree, bench]
        yield [*shell, *launch.argv], launch.fds
