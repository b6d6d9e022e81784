# SPDX-License-Identifier: Apache-2.0
"""A sysfs of files: functions in IOMMU groups, and drivers that bind as the kernel's do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rktio.host.claims import Host
from rktio.host.devices import Place
from rktio.host.pci import Function

NVME = 0x010802
NIC = 0x020000
BRIDGE = 0x060400


@dataclass
class Machine:
    """A machine in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("sys/bus/pci/devices", "proc/self", "proc/net", "dev/vfio", "sys/class/net"):
            (self.folder / name).mkdir(parents=True)
        for name in ("self/mountinfo", "swaps", "net/route", "net/ipv6_route"):
            (self.folder / "proc" / name).touch()
        for name in ("vfio-pci", "nvme", "e1000e"):
            self.driver(name)
        (self.sys / "bus/pci/drivers_probe").touch()

    @property
    def sys(self) -> Path:
        return self.folder / "sys"

    @property
    def place(self) -> Place:
        host = Host(self.folder / "proc", self.folder / "dev")
        return Place(self.sys, self.folder / "run", host)

    def driver(self, name: str) -> Path:
        path = self.sys / "bus/pci/drivers" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "unbind").touch()
        return path

    def function(
        self, address: str, pci_class: int, driver: str | None = None, group: str | None = "7"
    ) -> Path:
        path = self.sys / "bus/pci/devices" / address
        path.mkdir()
        (path / "class").write_text(f"{pci_class:#08x}\n")
        (path / "vendor").write_text("0x1b36\n")
        (path / "device").write_text("0x0010\n")
        (path / "driver_override").write_text("(null)\n")
        if driver is not None:
            (path / "driver").symlink_to(self.driver(driver))
        if group is not None:
            members = self.sys / "kernel/iommu_groups" / group / "devices"
            members.mkdir(parents=True, exist_ok=True)
            (members / address).symlink_to(path)
            (path / "iommu_group").symlink_to(members.parent)
            (self.folder / "dev/vfio" / group).touch()
        return path

    def disk(self, controller: Path, name: str = "nvme0n1", number: str = "259:0") -> Path:
        """Give a controller a disk of two partitions, as a kernel without multipath shows it."""
        disk = controller / "nvme" / "nvme0" / name
        for part, minor in ((disk, number), *((disk / f"{name}p{i}", f"259:{i}") for i in (1, 2))):
            (part / "holders").mkdir(parents=True)
            (part / "dev").write_text(f"{minor}\n")
            (part / "size").write_text("1000\n")
        for i in (1, 2):
            (disk / f"{name}p{i}" / "partition").write_text(f"{i}\n")
        return disk

    def interface(self, function: Path, name: str) -> None:
        (function / "net" / name).mkdir(parents=True)
        (self.sys / "class/net" / name).mkdir()

    def proc(self, name: str, text: str) -> None:
        (self.folder / "proc" / name).write_text(text)


class FakeBinding:
    """The kernel's part in binding: what a write to these files does."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.log: list[str] = []

    def write(self, function: Function, path: Path, text: str) -> None:
        """Stand in for Function._write."""
        link = function.path / "driver"
        self.log.append(f"{path.name} {text}".strip())
        if path.name == "driver_override":
            path.write_text(f"{text or '(null)'}\n")
        elif path.name == "unbind":
            link.unlink()
        elif path.name == "drivers_probe":
            wanted = function.override or ("nvme" if function.pci_class == NVME else "e1000e")
            link.symlink_to(self.machine.driver(wanted))
