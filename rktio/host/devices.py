# SPDX-License-Identifier: Apache-2.0
"""Which devices an enclave can have, what stands in the way, and lending them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host import hugepages, loans
from rktio.host.claims import (
    Host,
    block_devices,
    claim_on_disks,
    claim_on_network,
    network_interfaces,
)
from rktio.host.pci import (
    BASE_CLASS_NETWORK,
    CLASS_NVME,
    SYS,
    VFIO_DRIVER,
    Function,
    find,
    functions,
)


class Kind(StrEnum):
    """What an enclave knows how to drive."""

    NVME = "nvme"
    NIC = "nic"


@dataclass(frozen=True)
class Place:
    """The host that functions here work on; tests make their own."""

    sys: Path = SYS
    loans: Path = loans.FOLDER
    host: Host = field(default_factory=Host)

    @property
    def groups(self) -> Path:
        """Where VFIO's groups are."""
        return self.host.dev / "vfio"


HERE = Place()


@dataclass(frozen=True)
class Device:
    """One device, for `rkt-io devices`. `obstacle` is None where it is usable as it is said."""

    address: str
    kind: Kind
    ids: str
    names: tuple[str, ...]
    driver: str | None
    iommu_group: str | None
    use: str | None
    obstacle: str | None


def kind_of(function: Function) -> Kind | None:
    """Return what the function is to an enclave."""
    if function.pci_class == CLASS_NVME:
        return Kind.NVME
    return Kind.NIC if function.pci_class >> 16 == BASE_CLASS_NETWORK else None


def devices(place: Place = HERE) -> Iterator[Device]:
    """Yield every NVMe controller and NIC."""
    for function in functions(place.sys):
        kind = kind_of(function)
        if kind is not None:
            yield _describe(function, kind, place)


def _describe(function: Function, kind: Kind, place: Place) -> Device:
    names = (
        tuple(path.name for path in block_devices(function))
        if kind is Kind.NVME
        else tuple(network_interfaces(function))
    )
    obstacle = obstacle_to(function, place)
    use = f"--disk nvme:{function.address}" if kind is Kind.NVME else None
    if kind is Kind.NIC and obstacle is None:
        obstacle = "enclaves have no driver for NICs yet; use --net tap or virtio-user"
    return Device(
        function.address,
        kind,
        function.ids,
        names,
        function.driver,
        function.iommu_group,
        None if obstacle else use,
        obstacle,
    )


def obstacle_to(function: Function, place: Place = HERE) -> str | None:
    """Return what keeps the function from an enclave, and the remedy; None: nothing."""
    claim = claim_on_disks(function, place.host) or claim_on_network(function, place.host)
    if claim is not None:
        return claim
    if function.iommu_group is None:
        return (
            "it has no IOMMU: switch it on in the firmware (VT-d, AMD-Vi) and boot the host with"
            " intel_iommu=on or amd_iommu=on"
        )
    others = function.obstacles_in_group()
    if others:
        listed = ", ".join(f"{other.address} ({other.driver})" for other in others)
        return (
            f"the IOMMU can't tell it from {listed}: bind these to vfio-pci too, or move the card"
            " to another slot"
        )
    if function.driver != VFIO_DRIVER and not (place.sys / "bus/pci/drivers/vfio-pci").is_dir():
        return "the driver vfio-pci is not loaded: sudo modprobe vfio-pci"
    if is_lent(function, place):
        return "an enclave has it"
    return None


def is_lent(function: Function, place: Place = HERE) -> bool:
    """Return whether somebody has the function's group open: only one can."""
    if function.driver != VFIO_DRIVER or function.iommu_group is None:
        return False
    try:
        os.close(os.open(place.groups / function.iommu_group, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def bind(address: str, place: Place = HERE) -> str:
    """Give a function to vfio-pci, and return the driver it had (perhaps vfio-pci already)."""
    function = find(address, place.sys)
    if kind_of(function) is None:
        raise RktioError(
            f"{function.address} is neither an NVMe controller nor a NIC",
            hint="`rkt-io devices` lists those",
        )
    with loans.changed(place.loans) as list_:
        obstacle = obstacle_to(function, place)
        if obstacle is not None:
            raise RktioError(f"{function.address} can't be used: {obstacle}")
        had = function.driver or ""
        if had == VFIO_DRIVER:
            return had
        list_.functions.setdefault(function.address, loans.Binding(had, function.override))
        loans.save(list_, place.loans)
        function.bind(VFIO_DRIVER, VFIO_DRIVER)
        return had


def restore(
    addresses: Iterable[str] | None = None, *, wait: bool = False, place: Place = HERE
) -> list[str]:
    """Give functions back to the drivers they had; None: all, and the huge pages too.

    Returns a line for each thing that was done. Raises RktioError, at the end, for what an
    enclave still has; with `wait` it waits for that enclave's end.
    """
    done: list[str] = []
    kept: list[str] = []
    with loans.changed(place.loans) as list_:
        wanted = list(list_.functions) if addresses is None else list(addresses)
        for address in wanted:
            if address in list_.functions:
                _restore_one(address, list_, place, done, None if wait else kept)
        if addresses is None and list_.huge_pages:
            given = hugepages.release(list_, place.sys)
            done.append(f"{given} huge pages released")
    if kept:
        raise RktioError(f"{', '.join(kept)}: still with an enclave", hint="end it first")
    return done


def _restore_one(
    address: str, list_: loans.Loans, place: Place, done: list[str], kept: list[str] | None
) -> None:
    function = Function(address, place.sys)
    was = list_.functions[address]
    if not function.is_there:
        done.append(f"{address}: unplugged")
    elif function.driver == VFIO_DRIVER:
        # To unbind it waits until nobody has it open.
        if kept is not None and is_lent(function, place):
            kept.append(address)
            return
        function.bind(was.driver, was.override)
        done.append(f"{address}: {VFIO_DRIVER} -> {was.driver or 'no driver'}")
    else:
        done.append(f"{address}: {function.driver or 'no driver'} has it already")
    del list_.functions[address]
