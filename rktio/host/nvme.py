# SPDX-License-Identifier: Apache-2.0
"""NVMe controllers of an enclave, as `--disk nvme:...` names them."""

from __future__ import annotations

from dataclasses import dataclass

from rktio.common.errors import RktioError
from rktio.host.pci import check_address

PREFIX = "nvme:"
FORM = "nvme:0000:BB:DD.F[,ns=1][,ro][,mount=/PATH]"
NAMESPACE_MAX = 0xFFFFFFFE
CONTROLLERS_MAX = 4  # RT_NVME_MAX of asm/runtime_nvme.h


@dataclass(frozen=True)
class NvmeDisk:
    """A namespace of a controller that the enclave drives itself.

    The whole controller is the enclave's; `namespace` says which of its disks is mounted.
    """

    address: str
    namespace: int = 1
    read_only: bool = False
    mount: str | None = None

    def __post_init__(self) -> None:
        from rktio.host.options import check_inside_path

        object.__setattr__(self, "address", check_address(self.address))
        if not 1 <= self.namespace <= NAMESPACE_MAX:
            raise RktioError(f"namespace {self.namespace} is not between 1 and {NAMESPACE_MAX}")
        if self.mount is not None:
            check_inside_path("a disk's mount point", self.mount)

    @classmethod
    def parse(cls, text: str) -> NvmeDisk:
        """Read `nvme:0000:BB:DD.F[,ns=1][,ro][,mount=/PATH]`."""
        address, *words = text.removeprefix(PREFIX).split(",")
        namespace = 1
        read_only = False
        mount = None
        for word in words:
            name, _, value = word.partition("=")
            if word == "ro":
                read_only = True
            elif name == "mount":
                mount = value
            elif name == "ns" and value.isdecimal():
                namespace = int(value)
            else:
                raise RktioError(f"disk {text!r}: unknown word {word!r}", hint=f"write {FORM}")
        return cls(address, namespace, read_only, mount)
