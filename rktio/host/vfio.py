# SPDX-License-Identifier: Apache-2.0
"""VFIO: a function's descriptors, open for an enclave (linux/vfio.h)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host.pci import Function

GROUPS = Path("/dev/vfio")

# _IO(';', 100 + n)
CHECK_EXTENSION = 0x3B65
SET_IOMMU = 0x3B66
GROUP_GET_STATUS = 0x3B67
GROUP_SET_CONTAINER = 0x3B68
GROUP_GET_DEVICE_FD = 0x3B6A
GROUP_VIABLE = 1
TYPE1V2_IOMMU = 3


@dataclass(frozen=True)
class OpenFunction:
    """Descriptors of one function: its device, and the container that its memory is mapped by."""

    device: int
    container: int


def open_function(function: Function, folder: Path = GROUPS) -> OpenFunction:
    """Open a function that vfio-pci has. The caller owns the descriptors. Raises RktioError."""
    with ExitStack() as stack:
        container = _open(folder / "vfio", function)
        stack.callback(os.close, container)
        # The device keeps its group open; nobody needs the descriptor further.
        group = _open(folder / str(function.iommu_group), function)
        try:
            _check_viable(group, function)
            device = _attach(container, group, function)
        finally:
            os.close(group)
        stack.pop_all()
    return OpenFunction(device, container)


def _open(path: Path, function: Function) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise RktioError(
                f"{function.address} is in use by another enclave or virtual machine",
                hint="wait for it to end",
            ) from error
        hint = None
        if error.errno == errno.ENOENT:
            hint = "sudo modprobe vfio-pci"
        elif error.errno in (errno.EACCES, errno.EPERM):
            hint = f"run it as root, or sudo chown {os.environ.get('USER', 'YOU')} {path}"
        raise RktioError(f"cannot open {path}: {error.strerror}", hint=hint) from error


def _check_viable(group: int, function: Function) -> None:
    status = bytearray(struct.pack("=II", 8, 0))
    fcntl.ioctl(group, GROUP_GET_STATUS, status)
    if not struct.unpack("=II", status)[1] & GROUP_VIABLE:
        others = ", ".join(other.address for other in function.obstacles_in_group())
        raise RktioError(
            f"{function.address}: its IOMMU group is not free of the host's drivers",
            hint=f"bind the rest too: rkt-io devices bind {others}" if others else None,
        )


def _attach(container: int, group: int, function: Function) -> int:
    try:
        fcntl.ioctl(group, GROUP_SET_CONTAINER, struct.pack("=i", container))
        fcntl.ioctl(container, SET_IOMMU, TYPE1V2_IOMMU)
        name = bytearray(function.address.encode() + b"\0")
        return int(fcntl.ioctl(group, GROUP_GET_DEVICE_FD, name, True))
    except OSError as error:
        raise RktioError(
            f"{function.address} can't be opened by VFIO: {error.strerror}",
            hint="look into the host's kernel log (dmesg)",
        ) from error
