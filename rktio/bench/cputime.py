# SPDX-License-Identifier: Apache-2.0
"""CPU time and memory of processes, from /proc (proc_pid_stat(5)) and getrusage(2)."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from pathlib import Path

PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12  # fields after the name, from 0


def tree_seconds(pid: int) -> float:
    """Return user and system time of a process and of all below it that live."""
    stats = _all_stats()
    ticks = sum(
        int(stats[found][USER_TICKS]) + int(stats[found][SYSTEM_TICKS])
        for found in _tree(pid, stats)
    )
    return ticks / os.sysconf("SC_CLK_TCK")


def tree_memory_bytes(pid: int) -> int:
    """Return the proportional set size of a process and of all below it (proc_pid_smaps(5))."""
    total = 0
    for found in _tree(pid, _all_stats()):
        try:
            text = Path(f"/proc/{found}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended meanwhile
        total += sum(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")
    return total << 10


def children_seconds() -> float:
    """Return user and system time of all our children that ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _all_stats() -> dict[int, list[str]]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            found[int(folder.name)] = text[text.rindex(")") + 2 :].split()
    return found


def _tree(pid: int, stats: Mapping[int, list[str]]) -> list[int]:
    found = [pid] if pid in stats else []
    for parent in found:  # grows while it is walked
        found += [child for child, fields in stats.items() if int(fields[PARENT]) == parent]
    return found
