# SPDX-License-Identifier: Apache-2.0
"""QEMU's NVMe controller in an enclave's hands, through VFIO and an emulated IOMMU."""

from __future__ import annotations

import re

import pytest

from tests.device.conftest import CONTROLLER, DEVICES, ROOT, RUN, Machine

pytestmark = [
    pytest.mark.device,
    pytest.mark.needs("enclave", "qemu-system-x86_64", "busybox", "mmdebstrap"),
]

# The kernel numbers disks as it finds them, several at a time: $two is namespace 2.
FIND_TWO = (
    "for disk in /sys/block/nvme0n*; do read id <$disk/nsid;"
    " if [ $id = 2 ]; then two=/dev/${disk##*/}; fi; done;"
)


def test_each_controller_is_listed_with_its_use(machine: Machine) -> None:
    machine.until_restored()
    found = machine.devices()[CONTROLLER]
    assert found["use"] == f"--disk nvme:{CONTROLLER}"
    assert (found["kind"], found["driver"]) == ("nvme", "nvme")
    assert found["names"] == ["nvme1n1", "nvme1n2"]


def test_a_mounted_disk_is_not_given_away(machine: Machine) -> None:
    machine.until_restored()
    done = machine.run(
        "mke2fs -q /dev/nvme1n2 && mount /dev/nvme1n2 /mnt || exit 99\n"
        f"sh {RUN} --net none --disk nvme:{CONTROLLER} {ROOT} /bin/true; status=$?\n"
        "umount /mnt; exit $status"
    )
    assert done.status == 125
    assert "/dev/nvme1n2 is mounted on /mnt" in done.output


def test_synced_data_is_there_for_the_next_enclave(machine: Machine) -> None:
    machine.until_restored()
    written = machine.enclave(
        "dd if=/dev/urandom of=/mnt/file bs=1M count=8 conv=fsync status=none;"
        " sha256sum </mnt/file",
        ",mount=/mnt",
        "--stats --cpus 2",
    )
    numbers = re.search(r"NVMe commands (\d+), .*written (\d+) bytes, flushes (\d+)", written)
    assert numbers and int(numbers[2]) >= 8 << 20 and int(numbers[3]) >= 1
    read = machine.enclave("sha256sum </mnt/file", ",ro,mount=/mnt")
    assert read.split()[0] == written.split()[0]


def test_the_driver_of_the_host_has_it_again(machine: Machine) -> None:
    machine.enclave("true")
    machine.until_restored()
    machine.output("cat /dev/nvme1n1 | head -c 4096 >/dev/null; test ! -e /run/rkt-io/devices.json")


def test_a_killed_enclave_gives_it_back_too(machine: Machine) -> None:
    machine.output(
        f"sh {RUN} --read-only --memory 256M --net none --disk nvme:{CONTROLLER} {ROOT}"
        " /bin/bash -c 'echo up; exec sleep 1000' >/tmp/log & enclave=$!\n"
        "until grep -q up /tmp/log; do kill -0 $enclave || exit 1; usleep 50000; done\n"
        f"sh {DEVICES} --json | grep -q 'an enclave has it' || exit 2\n"
        "kill -9 $enclave"
    )
    machine.until_restored()


def test_the_second_namespace_is_another_disk(machine: Machine) -> None:
    machine.until_restored()
    machine.output(
        "mke2fs -q /dev/nvme1n2 && mount /dev/nvme1n2 /mnt && echo two >/mnt/name; umount /mnt"
    )
    assert machine.enclave("cat /mnt/name", ",ns=2,ro,mount=/mnt").splitlines()[-1] == "two"


def test_a_missing_namespace_is_named(machine: Machine) -> None:
    done = machine.run(
        f"sh {RUN} --read-only --net none --disk nvme:{CONTROLLER},ns=9,mount=/mnt {ROOT} /bin/true"
    )
    assert done.status == 125
    assert "has no namespace 9" in done.output


def test_a_read_only_controller_is_not_written_to(machine: Machine) -> None:
    out = machine.enclave(
        f"{FIND_TWO} dd if=/dev/zero of=$two bs=4k count=1 oflag=direct 2>&1 || echo refused", ",ro"
    )
    assert "refused" in out


def test_discard_and_zeroes_reach_the_device(machine: Machine) -> None:
    out = machine.enclave(
        f"{FIND_TWO} dd if=/dev/urandom of=$two bs=1M count=4 oflag=direct status=none;"
        "blkdiscard -z -l 1048576 $two; blkdiscard -o 1048576 -l 1048576 $two;"
        "cmp -n 1048576 $two /dev/zero && echo zeroed"
    )
    assert "zeroed" in out


def test_a_reset_under_load_loses_nothing(machine: Machine) -> None:
    out = machine.enclave(
        f"{FIND_TWO} dd if=/dev/urandom of=/run/data bs=1M count=16 status=none;"
        "dd if=/run/data of=$two bs=64k oflag=direct status=none & writer=$!;"
        "for i in 1 2 3; do echo 1 >/sys/class/nvme/nvme0/reset_controller; done;"
        "wait $writer; cmp -n 16777216 /run/data $two && echo same",
        options="--log-level 5",
    )
    assert "same" in out
    assert "the controller was reset" in out
