# SPDX-License-Identifier: Apache-2.0
"""What this machine has: probed once, printed, and asked for by tests.

`@pytest.mark.needs("root", "tun")` skips a test, and says why, where something is absent;
`--require=NAME` (or `--require=all`) turns that skip into a failure.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from rktio.host import machine

CHECKOUT = Path(__file__).resolve().parents[1]

# Programs that tests use, by the Debian package that brings each.
PROGRAMS = {
    "busybox": "busybox-static",
    "chromium": "chromium",
    "clang": "clang",
    "cryptsetup": "cryptsetup-bin",
    "curl": "curl",
    "debugfs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "gcc": "gcc",
    "ip": "iproute2",
    "iperf3": "iperf3",
    "mmdebstrap": "mmdebstrap",
    "musl-gcc": "musl-tools",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "perf": "linux-perf",
    "pkcs11-tool": "opensc",
    "objdump": "binutils",
    "qemu-storage-daemon": "qemu-system-common",
    "qemu-system-x86_64": "qemu-system-x86",
    "redis-benchmark": "redis-tools",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
    "softhsm2-util": "softhsm2",
    "sqlite3": "sqlite3",
    "sshd": "openssh-server",
    "systemd-dissect": "systemd-container",
    "veritysetup": "cryptsetup-bin",
    "strace": "strace",
    "wg": "wireguard-tools",
    "wireguard-go": "wireguard-go",
    "wrk": "wrk",
}


def _without_root() -> str | None:
    return None if os.geteuid() == 0 else "not running as root"


def _without_tun() -> str | None:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    return _without_root()


def _without_loop() -> str | None:
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    return _without_root()


def _without_pkcs11() -> str | None:
    libraries = Path("/usr/lib").glob("*/engines-*/pkcs11.so")
    if not any(libraries):
        return "openssl has no pkcs11 engine (sudo apt-get install libengine-pkcs11-openssl)"
    return None


def _without_enclave() -> str | None:
    if (CHECKOUT / "build" / "rkt-io-enclave").is_file():
        return None
    return "build/rkt-io-enclave is not built"


def _without_x86_64() -> str | None:
    return None if platform.machine() == "x86_64" else f"this is {platform.machine()}"


def _without_fsgsbase() -> str | None:
    return None if machine.has_fsgsbase() else "user space may not use FSGSBASE"


def _without_dispatch() -> str | None:
    return None if machine.has_syscall_user_dispatch() else "needs Linux 5.11"


def _without_two_cpus() -> str | None:
    return None if len(os.sched_getaffinity(0)) >= 2 else "one CPU only"


def _without_postgresql() -> str | None:
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "PostgreSQL is not installed (sudo apt-get install postgresql)"
    return None


FACTS: dict[str, Callable[[], str | None]] = {
    "root": _without_root,
    "tun": _without_tun,
    "loop": _without_loop,
    "pkcs11": _without_pkcs11,
    "enclave": _without_enclave,
    "x86_64": _without_x86_64,
    "fsgsbase": _without_fsgsbase,
    "dispatch": _without_dispatch,
    "two-cpus": _without_two_cpus,
    "postgresql": _without_postgresql,
}


@cache
def absent(name: str) -> str | None:
    """Return why the machine lacks `name`, or None where it has it."""
    if name in FACTS:
        return FACTS[name]()
    package = PROGRAMS[name]
    if shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin"):
        return None
    return f"{name} is not installed (sudo apt-get install {package})"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require",
        action="append",
        default=[],
        metavar="NAME",
        help=f"fail instead of skipping for lack of NAME: {', '.join((*FACTS, *PROGRAMS))}, or all",
    )
    parser.addoption(
        "--fuzz-seconds", type=int, default=1, help="how long tests/fuzz tries, per target"
    )


def pytest_configure(config: pytest.Config) -> None:
    unknown = set(config.getoption("--require")) - {"all", *FACTS, *PROGRAMS}
    if unknown:
        raise pytest.UsageError(f"--require={', '.join(sorted(unknown))}: no such thing")


def pytest_report_header() -> list[str]:
    found = {name: absent(name) for name in (*FACTS, *PROGRAMS)}
    lines = [f"  {name}: {why}" for name, why in found.items() if why is not None]
    return ["absent on this machine:", *lines] if lines else ["absent on this machine: nothing"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = set(item.config.getoption("--require"))
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            why = absent(name)
            if why is None:
                continue
            if required & {name, "all"}:
                pytest.fail(f"--require={name}: {why}", pytrace=False)
            pytest.skip(why)
