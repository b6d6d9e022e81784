# SPDX-License-Identifier: Apache-2.0
"""What this machine has: facts from /proc, /sys and the auxiliary vector, and what a run needs."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host.options import RunOptions

AT_HWCAP2 = 26
HWCAP2_FSGSBASE = 1 << 1  # arch/x86/include/uapi/asm/hwcap2.h

KERNEL_MINIMUM = (5, 11)  # Syscall User Dispatch on x86

# What an enclave takes beside its RAM: kernel image, DMA region, DPDK.
OVERHEAD_BYTES = 64 << 20


def check(options: RunOptions) -> None:
    """Refuse a machine that can't run what `options` ask for."""
    check_processor()
    cpus = len(os.sched_getaffinity(0))
    if options.cpus > cpus:
        raise RktioError(
            f"{options.cpus} CPUs asked for, {cpus} usable here", hint=f"--cpus {cpus} or fewer"
        )
    check_memory(options.memory_bytes)


def check_processor() -> None:
    """Refuse a processor or host kernel without what the runtime is built on."""
    machine = os.uname().machine
    if machine != "x86_64":
        raise RktioError(f"this machine is {machine}; rkt-io runs on x86_64")
    if not has_fsgsbase():
        raise RktioError(
            "user space may not use FSGSBASE here",
            hint="use Linux 5.9 or later without `nofsgsbase`, on a processor since 2013",
        )
    if not has_syscall_user_dispatch():
        raise RktioError(
            f"Linux {os.uname().release} has no Syscall User Dispatch",
            hint="use Linux 5.11 or later (Debian 12 has 6.1)",
        )


def check_memory(memory_bytes: int) -> None:
    """Refuse to start what the host would have to kill later."""
    available = memory_available_bytes()
    if memory_bytes + OVERHEAD_BYTES <= available:
        return
    fitting = max(available - OVERHEAD_BYTES, 0) >> 20
    raise RktioError(
        f"not enough memory: {memory_bytes >> 20} MiB asked for, {fitting} MiB available",
        hint=f"--memory {fitting // 2 * 2}M or less" if fitting >= 32 else "free some first",
    )


def memory_available_bytes() -> int:
    """Return what can be taken now, within the limits of this control group."""
    limits = [meminfo().get("MemAvailable", 0)]
    limits += [limit - used for limit, used in _cgroup_memory()]
    return max(0, min(limits))


def meminfo() -> dict[str, int]:
    """Return /proc/meminfo; sizes in bytes, counts as they are."""
    found = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        found[name] = int(number) * (1024 if unit == "kB" else 1)
    return found


def _cgroup_memory() -> list[tuple[int, int]]:
    """Return (limit, used) bytes of this process's control groups, v2, up to the root."""
    found = []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line[3:] for line in lines if line.startswith("0::"))
        group = Path("/sys/fs/cgroup") / own.lstrip("/")
        while group != Path("/sys/fs/cgroup"):
            limit = (group / "memory.max").read_text().strip()
            if limit != "max":
                used = int((group / "memory.current").read_text())
                found.append((int(limit), used))
            group = group.parent
    except (OSError, StopIteration):
        pass  # no control groups, or not the memory controller
    return found


def kernel_version() -> tuple[int, int]:
    """Return the host kernel's version, its first two parts."""
    major, minor = os.uname().release.split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def has_syscall_user_dispatch() -> bool:
    """Return whether the host kernel has it: on x86 always, since 5.11."""
    return kernel_version() >= KERNEL_MINIMUM


def has_fsgsbase() -> bool:
    """Return whether user space may use rdfsbase and friends (the kernel says so in HWCAP2)."""
    return bool(auxiliary_vector().get(AT_HWCAP2, 0) & HWCAP2_FSGSBASE)


def auxiliary_vector() -> dict[int, int]:
    """Return this process's auxiliary vector (getauxval(3))."""
    raw = Path("/proc/self/auxv").read_bytes()
    return dict(struct.iter_unpack("=QQ", raw[: len(raw) // 16 * 16]))


def cpu_flags() -> frozenset[str]:
    """Return the features of the first processor."""
    with Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            if line.startswith("flags"):
                return frozenset(line.partition(":")[2].split())
    return frozenset()
