# SPDX-License-Identifier: Apache-2.0
"""Devices lent to one enclave: bound and opened before it starts, given back after its end."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import detach
from rktio.host import devices, vfio
from rktio.host.nvme import NvmeDisk
from rktio.host.pci import CLASS_NVME, VFIO_DRIVER, find
from rktio.host.record import OpenNvme


def open_controllers(wanted: tuple[NvmeDisk, ...], stack: ExitStack) -> list[OpenNvme]:
    """Bind and open the controllers; `stack` closes them again.

    A controller that was not with vfio-pci goes back to its driver when the enclave ends,
    however it does. Raises RktioError.
    """
    addresses = [disk.address for disk in wanted]
    if len(set(addresses)) < len(addresses):
        raise RktioError("an NVMe controller is given twice", hint="one --disk for each")
    found = []
    for disk in wanted:
        function = find(disk.address)
        if function.pci_class != CLASS_NVME:
            raise RktioError(f"{disk.address} is no NVMe controller")
        held = None
        if devices.bind(disk.address) != VFIO_DRIVER:
            held = _watch(disk.address)
            stack.callback(os.close, held)
        opened = vfio.open_function(function)
        stack.callback(os.close, opened.device)
        stack.callback(os.close, opened.container)
        found.append(OpenNvme(opened.device, opened.container, disk.read_only, disk.address, held))
    return found


def _watch(address: str) -> int:
    """Start who gives the device back once nobody has the returned descriptor any more.

    The launcher becomes the enclave by exec, and the enclave may be killed: neither can do it.
    """
    waits, held = os.pipe()
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1));"
        "from rktio.host.custodian import main; raise SystemExit(main())"
    )
    root = Path(__file__).resolve().parents[2]
    try:
        detach(
            [sys.executable, "-P", "-S", "-c", code, root, str(waits), address], pass_fds=(waits,)
        )
    finally:
        os.close(waits)
    return held
