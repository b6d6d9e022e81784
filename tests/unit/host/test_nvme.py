# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.cli.run import options_from, parser
from rktio.common.errors import RktioError
from rktio.host.config import options_of_file
from rktio.host.nvme import NvmeDisk
from rktio.host.options import NetOptions, RunOptions
from rktio.host.record import LaunchRecord, OpenDisk, OpenNvme


def test_all_words_are_read() -> None:
    disk = NvmeDisk.parse("nvme:0000:02:00.0,ns=3,ro,mount=/data")
    assert disk == NvmeDisk("0000:02:00.0", 3, True, "/data")


def test_the_first_namespace_is_the_default() -> None:
    assert NvmeDisk.parse("nvme:02:00.0") == NvmeDisk("0000:02:00.0", 1, False, None)


@pytest.mark.parametrize(
    "text",
    ["nvme:", "nvme:/dev/nvme0", "nvme:02:00.0,ns=0", "nvme:02:00.0,ns=x", "nvme:02:00.0,rw"],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(RktioError):
        NvmeDisk.parse(text)


def test_the_command_line_tells_controllers_from_files() -> None:
    options = options_from(
        parser().parse_args(["--disk", "nvme:02:00.0", "--disk", "a.img,ro", "i.img", "/bin/true"])
    )
    assert [disk.address for disk in options.nvme] == ["0000:02:00.0"]
    assert [disk.path for disk in options.disks] == [Path("a.img")]


def test_the_record_names_descriptors_and_mounts_by_namespace() -> None:
    options = RunOptions(
        Path("i.img"),
        "/bin/true",
        net=NetOptions.none(),
        nvme=(NvmeDisk("02:00.0", 2, True, "/data"), NvmeDisk("03:00.0")),
    )
    opened = (OpenNvme(5, 6, True, "0000:02:00.0"), OpenNvme(7, 8, False, "0000:03:00.0", 9))
    record = LaunchRecord(options, (OpenDisk(3, False, True),), None, nvme=opened)
    pairs = list(record.pairs())
    assert ("nvme", "5:6:ro:0000:02:00.0") in pairs
    assert ("nvme", "7:8:rw:0000:03:00.0") in pairs
    assert ("mount", "nvme0n2:/data:ext4:ro") in pairs


def test_a_file_names_controllers_too(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'image = "i.img"\nprogram = "/bin/true"\n[[disk]]\nfile = "a.img"\n'
        '[[disk]]\nnvme = "02:00.0"\nnamespace = 2\nmount = "/data"\n'
    )
    options = options_of_file(path)
    assert options.nvme == (NvmeDisk("0000:02:00.0", 2, False, "/data"),)
    assert [disk.path.name for disk in options.disks] == ["a.img"]


def test_a_disk_of_a_file_is_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'image = "i.img"\nprogram = "/bin/true"\n[[disk]]\nfile = "a.img"\nnvme = "02:00.0"\n'
    )
    with pytest.raises(RktioError, match="left out where there is nvme"):
        options_of_file(path)
