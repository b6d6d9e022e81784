# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host.config import options_of_file, read_config
from rktio.host.options import Disk, NetMode, NetOptions, Poll

FULL = """
image = "app.img"
program = "/usr/bin/redis-server"
args = ["--bind", "10.0.5.1"]
memory = "512M"
cpus = 2
read-only = true
buffered = true
tmpfs = ["/tmp"]
cwd = "/var/lib/redis"
hostname = "redis"
poll = "busy"
stats = true
log-level = 6

[env]
LANG = "C.UTF-8"
THREADS = 4

[sysctl]
"net.core.somaxconn" = 1024

[net]
mode = "tap"
tap-name = "redis0"
address = ["10.0.5.1/24"]
host-address = ["10.0.5.2/24"]
gateway = ["none"]
dns = ["9.9.9.9"]
mtu = 9000
mac = "02:00:00:00:00:05"

[[disk]]
file = "data.img"
mount = "/data"

[[disk]]
file = "/srv/model.img"
read-only = true
buffered = true
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "app.toml"
    path.write_text(text)
    return path


def test_every_key_reaches_its_option(tmp_path: Path) -> None:
    options = options_of_file(written(tmp_path, FULL))
    assert options.image == tmp_path / "app.img"
    assert options.args == ("--bind", "10.0.5.1")
    assert (options.memory_bytes, options.cpus) == (512 << 20, 2)
    assert (options.read_only, options.buffered, options.stats) == (True, True, True)
    assert (options.tmpfs, options.cwd, options.hostname) == (("/tmp",), "/var/lib/redis", "redis")
    assert (options.poll, options.log_level) == (Poll.BUSY, 6)
    assert options.env == {"LANG": "C.UTF-8", "THREADS": "4"}
    assert options.sysctl == {"net.core.somaxconn": "1024"}
    assert options.disks == (
        Disk(tmp_path / "data.img", mount="/data"),
        Disk(Path("/srv/model.img"), read_only=True, buffered=True),
    )
    assert options.net == NetOptions(
        mode=NetMode.TAP,
        tap_name="redis0",
        addresses=("10.0.5.1/24",),
        host_addresses=("10.0.5.2/24",),
        gateways=(),
        dns=("9.9.9.9",),
        mtu=9000,
        mac="02:00:00:00:00:05",
    )


def test_absent_keys_keep_their_defaults(tmp_path: Path) -> None:
    options = options_of_file(written(tmp_path, 'image = "a.img"\nprogram = "true"'))
    assert options.net == NetOptions()
    assert options.memory_bytes == 1 << 30


def test_no_network_excludes_its_settings(tmp_path: Path) -> None:
    text = 'image = "a"\nprogram = "b"\n[net]\nmode = "none"\n'
    assert options_of_file(written(tmp_path, text)).net == NetOptions.none()
    with pytest.raises(RktioError, match="net is none, and mtu"):
        options_of_file(written(tmp_path, text + "mtu = 1400\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('memory = "lots"', r"memory must be a size .*'lots'"),
        ("memory = 5", "memory must be a string"),
        ("[[disk]]\nread-only = true", r"disk\.file must be the path"),
        ("[[disk]]\npath = 'x'", r"unknown key 'disk\.path'"),
        ("[net]\nadress = []", r"unknown key 'net\.adress'"),
        ("imge = 'x'", "unknown key 'imge'"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RktioError, match=message):
        read_config(written(tmp_path, text))


def test_a_file_without_image_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="no 'image'"):
        options_of_file(written(tmp_path, 'program = "b"'))


def test_a_disk_is_a_file_or_a_back_end(tmp_path: Path) -> None:
    text = 'image = "a"\nprogram = "/p"\n[[disk]]\nvhost-user = "d.sock"\nread-only = true\n'
    (disk,) = options_of_file(written(tmp_path, text)).disks
    assert disk == Disk(tmp_path / "d.sock", read_only=True, vhost_user=True)
    with pytest.raises(RktioError, match="left out where there is a file"):
        options_of_file(written(tmp_path, text + 'file = "data.img"\n'))
