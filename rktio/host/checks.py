# SPDX-License-Identifier: Apache-2.0
"""What `rkt-io doctor` looks at: each thing this machine has or lacks, and what mends it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.paths import checkout, enclave_binary
from rktio.common.progress import scaled_bytes
from rktio.host import machine

MAPS_RECOMMENDED = 262144  # host VMAs: the library OS flushes and refills beyond the limit
MEMORY_RECOMMENDED_BYTES = 2 << 30

# CPU features and who uses them. The first is required.
CPU_FEATURES = (
    ("fsgsbase", "switches without system calls"),
    ("constant_tsc", "clock without system calls"),
    ("aes", "disk and network encryption"),
    ("avx2", "crypto and checksums"),
    ("vaes", "faster disk encryption"),
    ("sha_ni", "verity"),
)
# What a user of the wheel needs: package, a program of it, its use.
IMAGE_PACKAGES = (
    ("e2fsprogs", "mke2fs", "images"),
    ("mmdebstrap", "mmdebstrap", "images from Debian packages"),
)
# What a checkout needs: one package a line, or "a | b".
PACKAGE_LIST = "packages.txt"
DPKG_INFO = Path("/var/lib/dpkg/info")


class State(StrEnum):
    """`MISSING` stops rkt-io; `ABSENT` costs speed or an option."""

    OK = "ok"
    ABSENT = "absent"
    MISSING = "missing"


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, what was found, what mends it."""

    name: str
    state: State
    found: str
    remedy: str | None = None


def all_checks() -> list[Check]:
    """Look at everything, required things first."""
    found: list[Check] = []
    for look in REQUIRED + OPTIONAL:
        found += look()
    return found


def _check(
    name: str, good: bool, found: str, remedy: str | None, *, required: bool = False
) -> list[Check]:
    if good:
        return [Check(name, State.OK, found)]
    return [Check(name, State.MISSING if required else State.ABSENT, found, remedy)]


def _kernel() -> list[Check]:
    release = os.uname().release
    remedy = "sudo apt-get install linux-image-amd64, then reboot"
    good = os.uname().machine == "x86_64" and machine.has_syscall_user_dispatch()
    version = f"Linux {release} on {os.uname().machine}"
    newer = machine.kernel_version() >= machine.KERNEL_MINIMUM
    dispatch = "yes" if newer else "needs Linux 5.11"
    seccomp = Path("/proc/sys/kernel/seccomp/actions_avail").exists()
    return [
        *_check("kernel", good, version, remedy, required=True),
        *_check("syscall user dispatch", newer, dispatch, remedy, required=True),
        *_check(
            "seccomp filters",
            seccomp,
            "yes" if seccomp else "no",
            "use a kernel with CONFIG_SECCOMP_FILTER (every Debian kernel has it)",
            required=True,
        ),
    ]


def _fsgsbase() -> list[Check]:
    good = machine.has_fsgsbase()
    return _check(
        "FSGSBASE",
        good,
        "enabled for user space" if good else "not enabled for user space",
        "remove nofsgsbase from the kernel command line; in a VM use the host's CPU model",
        required=True,
    )


def _tun() -> list[Check]:
    device = Path("/dev/net/tun")
    if not device.exists():
        found, remedy = f"{device} does not exist", "sudo modprobe tun"
    elif not os.access(device, os.R_OK | os.W_OK):
        found, remedy = f"{device} is not writable", f"sudo chmod 666 {device}"
    elif not _has_net_admin():
        found = "this user may not make taps"
        remedy = 'sudo, or sudo ip tuntap add dev rkt0 mode tap user "$USER" and --tap-name rkt0'
    else:
        return _check("TUN", True, str(device), None)
    return _check("TUN", False, found, remedy)


def _has_net_admin() -> bool:
    status = Path("/proc/self/status").read_text().splitlines()
    effective = next(line.split()[1] for line in status if line.startswith("CapEff:"))
    return bool(int(effective, 16) >> 12 & 1)  # CAP_NET_ADMIN


def _memory() -> list[Check]:
    available = machine.memory_available_bytes()
    return _check(
        "memory",
        available >= MEMORY_RECOMMENDED_BYTES,
        f"{scaled_bytes(available)} available",
        "free some, or run with --memory 512M",
    )


def _cpus() -> list[Check]:
    count = len(os.sched_getaffinity(0))
    return _check("CPUs", count >= 2, str(count), "2 or more are recommended")


def _cpu_features() -> list[Check]:
    flags = machine.cpu_flags()
    found = []
    for name, use in CPU_FEATURES[1:]:
        good = name in flags
        remedy = f"{use}: in a VM use the host's CPU model; else nothing is lost but speed"
        found += _check(f"CPU {name}", good, use if good else "no", remedy)
    return found


def _maps() -> list[Check]:
    count = int(Path("/proc/sys/vm/max_map_count").read_text())
    return _check(
        "vm.max_map_count",
        count >= MAPS_RECOMMENDED,
        str(count),
        f"sudo sysctl -w vm.max_map_count={MAPS_RECOMMENDED}",
    )


def _huge_pages() -> list[Check]:
    info = machine.meminfo()
    free = info.get("HugePages_Free", 0)
    setting = Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled")
    choice = _bracketed(setting)
    return [
        *_check(
            "hugepages",
            free >= 64,
            f"{free} free of {info.get('HugePages_Total', 0)}",
            "sudo sysctl -w vm.nr_hugepages=256 (for DPDK; it works without)",
        ),
        *_check(
            "THP for shared memory",
            choice in ("always", "within_size", "advise", "force") or os.geteuid() == 0,
            f"shmem_enabled={choice}" + (", own tmpfs as root" if os.geteuid() == 0 else ""),
            f"echo advise | sudo tee {setting}",
        ),
    ]


def _bracketed(setting: Path) -> str:
    try:
        return setting.read_text().partition("[")[2].partition("]")[0]
    except OSError:
        return "not supported"


def _vfio() -> list[Check]:
    groups = Path("/sys/kernel/iommu_groups")
    count = len(list(groups.iterdir())) if groups.is_dir() else 0
    vfio = Path("/dev/vfio/vfio").exists()
    return [
        *_check(
            "IOMMU",
            count > 0,
            f"{count} groups",
            "enable VT-d or AMD-Vi in the firmware, then boot with intel_iommu=on",
        ),
        *_check("VFIO", vfio, "yes" if vfio else "no /dev/vfio/vfio", "sudo modprobe vfio-pci"),
    ]


def _memfd_secret() -> list[Check]:
    enabled = Path("/sys/module/secretmem/parameters/enable")
    try:
        good = enabled.read_text().strip() in ("Y", "1")
    except PermissionError:
        good = machine.kernel_version() >= (6, 5)  # only root may read it; on by default since
    except OSError:
        good = False
    return _check(
        "memfd_secret",
        good,
        "enabled" if good else "not enabled",
        "boot with secretmem.enable=1 (Linux 5.14 or later)",
    )


def _user_namespaces() -> list[Check]:
    limit = Path("/proc/sys/user/max_user_namespaces")
    clone = Path("/proc/sys/kernel/unprivileged_userns_clone")
    allowed = limit.exists() and int(limit.read_text()) > 0
    if allowed and clone.exists():
        allowed = clone.read_text().strip() == "1"
    return _check(
        "user namespaces",
        allowed,
        "yes" if allowed else "no (images from packages then need root)",
        "sudo sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1",
    )


def _tee() -> list[Check]:
    devices = {"SEV-SNP": "/dev/sev-guest", "TDX": "/dev/tdx_guest"}
    present = [name for name, device in devices.items() if Path(device).exists()]
    tsm = Path("/sys/kernel/config/tsm/report").is_dir()
    remedy = "run inside a confidential VM; without one the enclave is a plain process"
    return [
        *_check("TEE", bool(present), ", ".join(present) or "none", remedy),
        *_check(
            "configfs-tsm",
            tsm,
            "yes" if tsm else "no",
            "sudo mount -t configfs none /sys/kernel/config (in a confidential VM, Linux 6.7)",
        ),
    ]


def _packages() -> list[Check]:
    root = checkout()
    if root is not None:
        return _listed_packages(root / PACKAGE_LIST)
    found = []
    for package, program, use in IMAGE_PACKAGES:
        here = bool(shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin"))
        told = f"for {use}" if here else f"not installed; for {use}"
        found += _check(f"package {package}", here, told, f"sudo apt-get install {package}")
    return found


def _listed_packages(listing: Path) -> list[Check]:
    if not listing.is_file() or not DPKG_INFO.is_dir():
        return []
    lines = (line.partition("#")[0].strip() for line in listing.read_text().splitlines())
    wanted = [[name.strip() for name in line.split("|")] for line in lines if line]
    missing = [names[0] for names in wanted if not any(map(_installed, names))]
    told = f"{len(missing)} of {len(wanted)} not installed" if missing else f"all {len(wanted)}"
    return _check("Debian packages", not missing, told, f"sudo apt-get install {' '.join(missing)}")


def _installed(package: str) -> bool:
    return any((DPKG_INFO / f"{package}{end}").exists() for end in (".list", ":amd64.list"))


def _enclave() -> list[Check]:
    try:
        binary = enclave_binary()
    except RktioError as error:
        return _check("enclave", False, error.message, error.hint, required=True)
    size = scaled_bytes(binary.stat().st_size)
    return _check("enclave", os.access(binary, os.X_OK), f"{binary} ({size})", f"chmod +x {binary}")


Look = Callable[[], list[Check]]

REQUIRED: tuple[Look, ...] = (_kernel, _fsgsbase, _enclave)
OPTIONAL: tuple[Look, ...] = (
    _tun,
    _memory,
    _cpus,
    _cpu_features,
    _maps,
    _huge_pages,
    _user_namespaces,
    _memfd_secret,
    _vfio,
    _tee,
    _packages,
)
