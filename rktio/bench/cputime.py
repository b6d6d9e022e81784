# SPDX-License-Identifier: Apache-2.0
"""CPU time of processes, from /proc (proc_pid_stat(5)) and getrusage(2)."""

from __future__ import annotations

import os
import resource
from pathlib import Path

PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12  # fields after the name, from 0


def tree_seconds(pid: int) -> float:
    """Return user and system time of a process and of all below it that live."""
    stats = _all_stats()
    wanted, ticks = [pid], 0
    while wanted:
        current = wanted.pop()
        fields = stats.get(current)
        if fields is not None:
            ticks += int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])
        wanted += [child for child, found in stats.items() if int(found[PARENT]) == current]
    return ticks / os.sysconf("SC_CLK_TCK")


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
