# SPDX-License-Identifier: Apache-2.0
"""Devices on a machine of files: what is usable, what is refused, and that all goes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rktio.cli.devices import table
from rktio.common.errors import RktioError
from rktio.host import devices, loans
from rktio.host.pci import Function, check_address
from tests.unit.host.fake_sysfs import BRIDGE, NIC, NVME, FakeBinding, Machine

DISK = "0000:02:00.0"
OTHER = "0000:02:00.1"
DEFAULT_ROUTE = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    "{}\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def kernel(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> FakeBinding:
    kernel = FakeBinding(machine)
    monkeypatch.setattr(Function, "_write", lambda *args: kernel.write(*args))
    return kernel


def obstacle(machine: Machine, address: str = DISK) -> str:
    found = {device.address: device.obstacle for device in devices.devices(machine.place)}
    return found[address] or ""


def driver(machine: Machine, address: str = DISK) -> str | None:
    return Function(address, machine.sys).driver


def test_an_idle_controller_is_usable(machine: Machine) -> None:
    machine.disk(machine.function(DISK, NVME, "nvme"))
    (found,) = devices.devices(machine.place)
    assert found.use == f"--disk nvme:{DISK}"
    assert found.obstacle is None
    assert (found.names, found.driver, found.iommu_group) == (("nvme0n1",), "nvme", "7")
    assert "usable: --disk nvme:0000:02:00.0" in table([found])


def test_a_mounted_partition_stands_in_the_way(machine: Machine) -> None:
    machine.disk(machine.function(DISK, NVME, "nvme"))
    machine.proc("self/mountinfo", "30 1 259:2 / /srv/data rw - ext4 /dev/nvme0n1p2 rw\n")
    assert obstacle(machine) == "/dev/nvme0n1p2 is mounted on /srv/data"


def test_swap_stands_in_the_way(machine: Machine) -> None:
    machine.disk(machine.function(DISK, NVME, "nvme"))
    machine.proc("swaps", "Filename Type Size\n/dev/nvme0n1p1 partition 1\n")
    assert obstacle(machine) == "/dev/nvme0n1p1 is swap space"


def test_a_holder_such_as_lvm_stands_in_the_way(machine: Machine) -> None:
    disk = machine.disk(machine.function(DISK, NVME, "nvme"))
    (disk / "nvme0n1p1" / "holders" / "dm-0").touch()
    assert obstacle(machine) == "/dev/nvme0n1p1 is held by dm-0"


def test_a_disk_of_a_multipath_kernel_is_found(machine: Machine) -> None:
    path = machine.function(DISK, NVME, "nvme")
    (path / "nvme/nvme0").mkdir(parents=True)
    head = machine.sys / "class/nvme-subsystem/nvme-subsys0/nvme0n1"
    (head / "holders").mkdir(parents=True)
    (head / "dev").write_text("259:3\n")
    (head / "size").write_text("1\n")
    (head.parent / "nvme0").symlink_to(path / "nvme/nvme0")
    machine.proc("self/mountinfo", "30 1 259:3 / / rw - ext4 /dev/nvme0n1 rw\n")
    assert obstacle(machine) == "/dev/nvme0n1 is mounted on /"


def test_the_nic_of_the_default_route_stands_in_the_way(machine: Machine) -> None:
    machine.interface(machine.function(DISK, NIC, "e1000e"), "eth0")
    machine.proc("net/route", DEFAULT_ROUTE.format("eth0"))
    assert obstacle(machine) == "the default route is over eth0"


def test_a_bridge_over_the_nic_counts_too(machine: Machine) -> None:
    machine.interface(machine.function(DISK, NIC, "e1000e"), "eth0")
    (machine.sys / "class/net/eth0/upper_br0").mkdir()
    machine.proc("net/route", DEFAULT_ROUTE.format("br0"))
    assert obstacle(machine) == "the default route is over eth0 (over br0)"


def test_without_an_iommu_nothing_is_given_away(machine: Machine) -> None:
    machine.function(DISK, NVME, "nvme", group=None)
    assert "it has no IOMMU" in obstacle(machine)


def test_a_working_companion_of_the_group_is_named(machine: Machine) -> None:
    machine.function(DISK, NVME, "nvme")
    machine.function(OTHER, NIC, "e1000e")
    machine.function("0000:02:00.2", BRIDGE, "nvme")  # bridges don't count
    assert "0000:02:00.1 (e1000e)" in obstacle(machine)
    assert "0000:02:00.2" not in obstacle(machine)


def test_without_vfio_pci_the_remedy_is_modprobe(machine: Machine) -> None:
    machine.function(DISK, NVME, "nvme")
    (machine.sys / "bus/pci/drivers/vfio-pci/unbind").unlink()
    (machine.sys / "bus/pci/drivers/vfio-pci").rmdir()
    assert "modprobe vfio-pci" in obstacle(machine)


def test_binding_is_undone(machine: Machine, kernel: FakeBinding) -> None:
    machine.function(DISK, NVME, "nvme")
    assert devices.bind(DISK, machine.place) == "nvme"
    assert driver(machine) == "vfio-pci"
    assert devices.restore(place=machine.place) == [f"{DISK}: vfio-pci -> nvme"]
    assert driver(machine) == "nvme"
    assert Function(DISK, machine.sys).override == ""
    assert not (machine.place.loans / loans.NAME).exists()


def test_a_function_without_a_driver_has_none_again(machine: Machine, kernel: FakeBinding) -> None:
    machine.function(DISK, NVME)
    assert devices.bind(DISK, machine.place) == ""
    devices.restore([DISK], place=machine.place)
    assert driver(machine) is None


def test_a_second_bind_forgets_nothing(machine: Machine, kernel: FakeBinding) -> None:
    machine.function(DISK, NVME, "nvme")
    devices.bind(DISK, machine.place)
    assert devices.bind(DISK, machine.place) == "vfio-pci"
    assert loans.read(machine.place.loans).functions[DISK].driver == "nvme"


def test_the_list_is_written_before_the_host_is_changed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.function(DISK, NVME, "nvme")

    def crash(*_: object) -> None:
        raise SystemExit("power cut")

    monkeypatch.setattr(Function, "bind", crash)
    with pytest.raises(SystemExit):
        devices.bind(DISK, machine.place)
    assert json.loads((machine.place.loans / loans.NAME).read_text())["functions"][DISK] == {
        "driver": "nvme",
        "override": "",
    }


def test_what_was_never_bound_after_a_crash_is_left_alone(
    machine: Machine, kernel: FakeBinding
) -> None:
    machine.function(DISK, NVME, "nvme")
    with loans.changed(machine.place.loans) as list_:
        list_.functions[DISK] = loans.Binding("nvme", "")
    assert devices.restore(place=machine.place) == [f"{DISK}: nvme has it already"]
    assert kernel.log == []


def test_an_unplugged_function_is_forgotten(machine: Machine, kernel: FakeBinding) -> None:
    with loans.changed(machine.place.loans) as list_:
        list_.functions[DISK] = loans.Binding("nvme", "")
    assert devices.restore(place=machine.place) == [f"{DISK}: unplugged"]
    assert loans.read(machine.place.loans) == loans.Loans()


def test_an_enclaves_device_is_not_taken_from_it(
    machine: Machine, kernel: FakeBinding, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.function(DISK, NVME, "nvme")
    devices.bind(DISK, machine.place)
    monkeypatch.setattr(devices, "is_lent", lambda *_: True)
    with pytest.raises(RktioError, match="still with an enclave"):
        devices.restore(place=machine.place)
    assert driver(machine) == "vfio-pci"
    assert DISK in loans.read(machine.place.loans).functions


def test_what_is_in_the_way_refuses_the_binding(machine: Machine, kernel: FakeBinding) -> None:
    machine.disk(machine.function(DISK, NVME, "nvme"))
    machine.proc("self/mountinfo", "30 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n")
    with pytest.raises(RktioError, match="mounted on /"):
        devices.bind(DISK, machine.place)
    assert kernel.log == []
    assert driver(machine) == "nvme"


def test_neither_a_disk_nor_a_nic_is_refused(machine: Machine) -> None:
    machine.function(DISK, BRIDGE)
    with pytest.raises(RktioError, match="neither an NVMe controller nor a NIC"):
        devices.bind(DISK, machine.place)


def test_a_broken_list_is_named(machine: Machine) -> None:
    machine.place.loans.mkdir()
    (machine.place.loans / loans.NAME).write_text("{")
    with pytest.raises(RktioError, match=r"devices\.json can't be read"):
        devices.restore(place=machine.place)


@pytest.mark.parametrize(
    ("text", "address"), [("02:00.0", DISK), ("0000:02:00.0", DISK), ("0000:AB:00.7", None)]
)
def test_addresses_are_read_as_lspci_writes_them(text: str, address: str | None) -> None:
    assert check_address(text) == (address or text.lower())


@pytest.mark.parametrize("text", ["", "02:00", "0000:02:00.8", "0000:02:00.0,ns=1", "../.."])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RktioError, match="no PCI address"):
        check_address(text)
