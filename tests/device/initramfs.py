# SPDX-License-Identifier: Apache-2.0
"""What a guest consists of: busybox, modules, Python, this checkout and its enclave."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tests.device.cpio import Archive
from tests.device.kernel import Kernel

CHECKOUT = Path(__file__).resolve().parents[2]

# In the order of their dependencies. What is missing is built in, or of another release.
MODULES = (
    *("irqbypass", "vfio_virqfd", "vfio", "iommufd", "vfio_iommu_type1"),
    *("vfio-pci-core", "vfio-pci"),
    *("virtio_ring", "virtio", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci"),
    *("failover", "net_failover", "virtio_net"),
)
PROGRAMS = ("ip", "iperf3", "redis-cli")
STDLIB_LEFT_OUT = re.compile(
    r"/(test|idlelib|tkinter|lib2to3|ensurepip|pydoc_data|dist-packages|config-[^/]*)(/|$)"
)


def write(output: Path, kernel: Kernel, enclave: Path) -> None:
    """Write the archive."""
    with output.open("wb") as file:
        archive = Archive(file)
        archive.add_file(Path(__file__).with_name("guest") / "init", "init")
        archive.add_file(Path("/bin/busybox"), "bin/busybox")
        _add_modules(archive, kernel)
        _add_python(archive)
        for name in PROGRAMS:
            path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
            assert path, f"{name} is not installed"
            _add_program(archive, Path(path))
        _add_checkout(archive, enclave)
        archive.close()


def _add_modules(archive: Archive, kernel: Kernel) -> None:
    for number, name in enumerate(MODULES):
        module = kernel.module(name)
        if module is not None:
            archive.add_bytes(f"modules/{number:02}-{name}.ko", module)


def _add_program(archive: Archive, path: Path) -> None:
    archive.add_file(path.resolve(), f"usr/bin/{path.name}")
    _add_libraries(archive, path)


def _add_libraries(archive: Archive, path: Path) -> None:
    listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
    for found in re.finditer(r"(/\S+) \(0x", listed):
        archive.add_file(Path(found[1]))


def _add_python(archive: Archive) -> None:
    """Add Debian's Python: that of a virtual environment links to it."""
    version = f"python{sysconfig.get_python_version()}"
    _add_program(archive, Path("/usr/bin", version))
    archive.add_link("usr/bin/python3", version)
    archive.add_link("usr/bin/env", "/bin/busybox")
    library = Path("/usr/lib", version)
    for path in sorted(library.rglob("*")):
        if path.is_file() and not STDLIB_LEFT_OUT.search(str(path)):
            archive.add_file(path)
            if path.name.startswith(("_ctypes", "_struct", "fcntl", "_json", "_socket")):
                _add_libraries(archive, path)


def _add_checkout(archive: Archive, enclave: Path) -> None:
    for name in ("rktio", "bin", "abi"):
        for path in sorted((CHECKOUT / name).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.add_file(path, f"rkt-io/{path.relative_to(CHECKOUT)}")
    archive.add_file(enclave, "rkt-io/build/rkt-io-enclave")
