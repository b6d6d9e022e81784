# SPDX-License-Identifier: Apache-2.0
"""One guest for all tests of devices: its boot is the dear part."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.device import initramfs, kernel
from tests.device.guest import Done, Guest
from tests.functional.conftest import debian_image, enclave_program
from tests.functional.running import host

__all__ = ["debian_image", "enclave_program"]  # fixtures of theirs

MIB = 1 << 20
DISK_BYTES = 256 * MIB
RUN = "/rkt-io/bin/rkt-io-run"
DEVICES = "/rkt-io/bin/rkt-io devices"
# Their order on the command line is that of their addresses.
ROOT = "/dev/nvme0n1"
CONTROLLER = "0000:00:02.0"


def _nvme_devices(image: Path, folder: Path) -> list[str]:
    """The first controller, the guest's own, has the image; the second is for enclaves."""
    words = ["-drive", f"file={image},format=raw,if=none,id=root,snapshot=on"]
    words += ["-device", "nvme,serial=root,drive=root,addr=1"]
    words += ["-device", "nvme,serial=direct,id=direct,max_ioqpairs=4,addr=2"]
    for number in (1, 2):
        disk = folder / f"namespace{number}.img"
        disk.touch()
        os.truncate(disk, DISK_BYTES)
        if number == 1:
            host("/sbin/mkfs.ext4", "-q", "-F", disk)
        words += ["-drive", f"file={disk},format=raw,if=none,id=ns{number},discard=unmap"]
        words += ["-device", f"nvme-ns,drive=ns{number},bus=direct,nsid={number}"]
    return words


class Machine:
    """The guest, as tests use it."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def run(self, script: str) -> Done:
        """Run a script; `rkt-io-run` and `rkt-io` are at hand in it."""
        return self._guest.run(f"export RKT_IO_ENCLAVE=/rkt-io/build/rkt-io-enclave\n{script}")

    def output(self, script: str) -> str:
        done = self.run(script)
        assert done.status == 0, f"status {done.status}\n{script}\n{done.output}"
        return done.output

    def enclave(self, program: str, disk: str = "", options: str = "") -> str:
        """Run a script of bash in an enclave that has the controller; it must be good."""
        self.until_restored()
        return self.output(
            f"sh {RUN} --read-only --memory 256M --net none {options}"
            f" --disk nvme:{CONTROLLER}{disk} {ROOT} /bin/bash -euc '{program}'"
        )

    def devices(self) -> dict[str, dict[str, Any]]:
        listed = json.loads(self.output(f"sh {DEVICES} --json"))["devices"]
        return {each["address"]: each for each in listed}

    def until_restored(self) -> None:
        """Wait for the driver of the host: whoever gives it back outlives the enclave a little."""
        driver = f"/sys/bus/pci/devices/{CONTROLLER}/driver"
        self.output(
            f"for i in $(seq 600); do case $(readlink {driver}) in */nvme)"
            " [ -e /dev/nvme1n2 ] && exit 0;; esac; usleep 100000; done; exit 1"
        )


@pytest.fixture(scope="session")
def machine(
    tmp_path_factory: pytest.TempPathFactory, enclave_program: Path, debian_image: Path
) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("guest")
    booted = kernel.fetch()
    archive = folder / "initramfs"
    initramfs.write(archive, booted, enclave_program)
    with Guest(folder, booted.image, archive, _nvme_devices(debian_image, folder)) as guest:
        yield Machine(guest)
    archive.unlink()
