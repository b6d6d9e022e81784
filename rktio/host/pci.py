# SPDX-License-Identifier: Apache-2.0
"""PCI functions as sysfs shows them, and their binding to drivers.

Sources: Documentation/ABI/testing/sysfs-bus-pci, Documentation/driver-api/vfio.rst.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError

SYS = Path("/sys")
ADDRESS = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$")

CLASS_NVME = 0x010802
BASE_CLASS_NETWORK = 0x02
BASE_CLASS_BRIDGE = 0x06

VFIO_DRIVER = "vfio-pci"
# What may share an IOMMU group with a device in an enclave's hands.
HARMLESS_DRIVERS = (VFIO_DRIVER, "pci-stub")


def check_address(text: str) -> str:
    """Return a function's address as sysfs writes it; `02:00.0` means domain 0."""
    address = text.lower()
    if address.count(":") == 1:
        address = f"0000:{address}"
    if not ADDRESS.match(address):
        raise RktioError(
            f"{text!r} is no PCI address", hint="write 0000:BB:DD.F; `rkt-io devices` lists them"
        )
    return address


@dataclass(frozen=True)
class Function:
    """One PCI function. `sys` is where sysfs is mounted: tests make their own."""

    address: str
    sys: Path = SYS

    @property
    def path(self) -> Path:
        """Its folder in sysfs."""
        return self.sys / "bus/pci/devices" / self.address

    @property
    def is_there(self) -> bool:
        """Whether the machine has it now."""
        return self.path.exists()

    @property
    def pci_class(self) -> int:
        """Class, subclass and programming interface: 24 bits."""
        return int(self._read("class") or "0", 16)

    @property
    def ids(self) -> str:
        """Vendor and device, as lspci -n writes them."""
        return ":".join(
            (self._read(name) or "").removeprefix("0x") for name in ("vendor", "device")
        )

    @property
    def driver(self) -> str | None:
        """The driver it is bound to."""
        return _link_name(self.path / "driver")

    @property
    def override(self) -> str:
        """The one driver that may bind to it; empty: any that knows it."""
        text = self._read("driver_override") or ""
        return "" if text == "(null)" else text

    @property
    def iommu_group(self) -> str | None:
        """The number of its IOMMU group; None without an IOMMU."""
        return _link_name(self.path / "iommu_group")

    @property
    def is_bridge(self) -> bool:
        """Whether it only connects others: no IOMMU isolates it, and nobody gives it away."""
        return self.pci_class >> 16 == BASE_CLASS_BRIDGE

    def companions(self) -> list[Function]:
        """Return the other functions of its IOMMU group; the IOMMU can't tell them apart."""
        group = self.path / "iommu_group" / "devices"
        names = sorted(entry.name for entry in group.iterdir()) if group.is_dir() else []
        return [Function(name, self.sys) for name in names if name != self.address]

    def obstacles_in_group(self) -> list[Function]:
        """Return the companions that a driver of the host still works with."""
        return [
            other
            for other in self.companions()
            if not other.is_bridge and other.driver not in (None, *HARMLESS_DRIVERS)
        ]

    def bind(self, driver: str, override: str) -> None:
        """Have `driver` take the function over from whichever has it now.

        With an empty `driver` none takes it. `override` stays behind as its driver_override.
        """
        self._write(self.path / "driver_override", driver)
        if self.driver is not None and self.driver != driver:
            self._write(self.path / "driver" / "unbind", self.address)
        if driver and self.driver != driver:
            self._write(self.sys / "bus/pci/drivers_probe", self.address)
        if override != driver:
            self._write(self.path / "driver_override", override)
        if (self.driver or "") != driver:
            raise RktioError(
                f"{self.address}: {driver or 'no driver'} was wanted, {self.driver} has it",
                hint=f"sudo modprobe {driver}" if driver else None,
            )

    def _read(self, name: str) -> str | None:
        try:
            return (self.path / name).read_text().strip()
        except OSError:
            return None

    def _write(self, path: Path, text: str) -> None:
        try:
            # An empty write() would be none at all.
            path.write_text(f"{text}\n")
        except OSError as error:
            raise RktioError(
                f"{self.address}: cannot write {path}: {error.strerror}",
                hint="run it as root" if os.geteuid() else None,
            ) from error


def functions(sys: Path = SYS) -> Iterator[Function]:
    """Yield every function of this machine, by address."""
    folder = sys / "bus/pci/devices"
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    for name in names:
        yield Function(name, sys)


def find(text: str, sys: Path = SYS) -> Function:
    """Return the function at an address; RktioError where there is none."""
    function = Function(check_address(text), sys)
    if not function.is_there:
        raise RktioError(
            f"there is no PCI function {function.address}", hint="`rkt-io devices` lists them"
        )
    return function


def _link_name(link: Path) -> str | None:
    try:
        return link.readlink().name
    except OSError:
        return None
