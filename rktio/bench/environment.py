# SPDX-License-Identifier: Apache-2.0
"""What of the machine decides figures, written down with every session."""

from __future__ import annotations

import hashlib
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import rktio
from rktio.common.paths import checkout, enclave_binary
from rktio.common.run import run

CPU_FOLDER = Path("/sys/devices/system/cpu")
HOST_SETTINGS = (
    "net/ipv4/tcp_congestion_control",
    "net/core/default_qdisc",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/core/busy_poll",
    "kernel/sched_rt_runtime_us",
    "vm/swappiness",
)


def now() -> str:
    """Return the time as results have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load() -> list[float]:
    """Return the load averages of 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def session() -> dict[str, Any]:
    """Return the record of a session that starts now."""
    return {
        "started": now(),
        "machine": _machine(),
        "rkt_io": {"version": rktio.__version__, "commit": _commit(), "enclave": _enclave()},
        "python": platform.python_version(),
    }


def _machine() -> dict[str, Any]:
    return {
        "kernel": platform.release(),
        "os": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "cpu": _field(Path("/proc/cpuinfo"), "model name"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "hypervisor": "hypervisor" in _field(Path("/proc/cpuinfo"), "flags").split(),
        "mitigations": {
            path.name: _text(path) for path in sorted((CPU_FOLDER / "vulnerabilities").glob("*"))
        },
        "governor": _text(CPU_FOLDER / "cpu0/cpufreq/scaling_governor"),
        "transparent_hugepage": _text(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "clocksource": _text(
            Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
        ),
        "settings": {name: _text(Path("/proc/sys") / name) for name in HOST_SETTINGS},
        "load": load(),
    }


def _commit() -> str:
    root = checkout()
    if root is None:
        return "none"
    done = run(
        ["git", "-c", "safe.directory=*", "-C", root, "describe", "--always", "--dirty"],
        check=False,
    )
    return done.stdout.decode().strip() or "none"


def _enclave() -> str:
    """Return a short name of the enclave's executable by its contents."""
    return hashlib.sha256(enclave_binary().read_bytes()).hexdigest()[:16]


def _field(path: Path, name: str) -> str:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "absent"
