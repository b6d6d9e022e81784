# SPDX-License-Identifier: Apache-2.0
"""An application's TOML file, read into run options. Paths in it are relative to its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rktio.common.errors import RktioError
from rktio.common.toml import Table, read_toml
from rktio.host.nvme import NvmeDisk
from rktio.host.options import (
    Disk,
    NetMode,
    NetOptions,
    RunOptions,
    SealedOptions,
    parse_size,
)

if TYPE_CHECKING:
    from rktio.host.data import DataDisk

KEYS = (
    "image",
    "program",
    "args",
    "memory",
    "cpus",
    "read-only",
    "buffered",
    "disk",
    "data",
    "tmpfs",
    "net",
    "wireguard",
    "env",
    "cwd",
    "hostname",
    "sysctl",
    "poll",
    "stats",
    "log-level",
    "sealed",
)
SEALED_KEYS = ("config", "owner-key", "keys", "tee", "insecure-key-file")
NET_KEYS = (
    "mode",
    "tap-name",
    "address",
    "host-address",
    "gateway",
    "dns",
    "mtu",
    "mac",
    "without",
    "queues",
)
DISK_KEYS = ("file", "vhost-user", "nvme", "namespace", "read-only", "buffered", "mount")


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings that the file has, by their names in RunOptions.

    The key `net` holds the settings of NetOptions. Raises RktioError with file and key.
    """
    file = read_toml(path, KEYS)
    folder = path.parent
    image = file.string("image")
    found: dict[str, Any] = {
        "image": None if image is None else folder / image,
        "program": file.string("program"),
        "args": _tuple(file.strings("args")),
        "memory_bytes": _memory(file),
        "cpus": file.integer("cpus"),
        "read_only": file.boolean("read-only"),
        "buffered": file.boolean("buffered"),
        "disks": _disks(file, folder),
        "nvme": _nvme_disks(file),
        "tmpfs": _tuple(file.strings("tmpfs")),
        "env": file.string_map("env"),
        "cwd": file.string("cwd"),
        "hostname": file.string("hostname"),
        "sysctl": file.string_map("sysctl"),
        "poll": file.string("poll"),
        "stats": file.boolean("stats"),
        "log_level": file.integer("log-level"),
    }
    if "data" in file:
        found["data"] = _data(file, folder)
    if "wireguard" in file:
        # Here and not above: most runs have no tunnel.
        from rktio.common.wireguard import WIREGUARD_KEYS, WireGuard

        found["wireguard"] = WireGuard.of(file.table("wireguard", WIREGUARD_KEYS))
    net = file.table("net", NET_KEYS)
    if net is not None:
        found["net"] = _net(net)
    sealed = file.table("sealed", SEALED_KEYS)
    if sealed is not None:
        found["sealed"] = _sealed(sealed, folder)
    return _present(found)


def _sealed(table: Table, folder: Path) -> dict[str, Any]:
    files = {name: table.string(name) for name in ("config", "owner-key", "insecure-key-file")}
    found: dict[str, Any] = {
        name.replace("-", "_"): None if value is None else folder / value
        for name, value in files.items()
    }
    return _present(found | {"keys": table.string("keys"), "tee": table.string("tee")})


def options_of_file(path: Path) -> RunOptions:
    """Return the run that the file alone describes."""
    settings = read_config(path)
    sealed = settings.pop("sealed", None)
    for key in ("image",) if sealed else ("image", "program"):
        if key not in settings:
            raise RktioError(f"{path}: no {key!r}", hint=f"add {key} = ...")
    net = settings.pop("net", None)
    if sealed is not None:
        settings["sealed"] = sealed_options(sealed)
    return RunOptions(**settings, net=NetOptions() if net is None else net_options(net))


def sealed_options(settings: dict[str, Any]) -> SealedOptions:
    """Return checked options of a sealed image's start."""
    for name in ("config", "owner_key"):
        if name not in settings:
            flag = "--owner-key" if name == "owner_key" else "--sealed-config"
            raise RktioError(
                f"{flag} is missing", hint="a sealed image needs its configuration and its owner"
            )
    return SealedOptions(**settings)


def net_options(settings: dict[str, Any]) -> NetOptions:
    """Return checked options; the mode `none` excludes every other setting."""
    if settings.get("mode") == NetMode.NONE:
        others = sorted(set(settings) - {"mode"})
        if others:
            raise RktioError(
                f"net is none, and {', '.join(others)} can't be set with it",
                hint="leave out one of them",
            )
        return NetOptions.none()
    if settings.get("gateways") == ("none",):
        settings = settings | {"gateways": ()}
    return NetOptions(**settings)


def _memory(file: Table) -> int | None:
    text = file.string("memory")
    if text is None:
        return None
    try:
        return parse_size(text)
    except RktioError as error:
        raise file.wrong("memory", "a size such as '512M' or '2G'") from error


def _disks(file: Table, folder: Path) -> tuple[Disk, ...] | None:
    tables = file.tables("disk", DISK_KEYS)
    if tables is None:
        return None
    return tuple(_disk(table, folder) for table in tables if table.string("nvme") is None)


def _nvme_disks(file: Table) -> tuple[NvmeDisk, ...] | None:
    tables = file.tables("disk", DISK_KEYS)
    if tables is None:
        return None
    return tuple(_nvme_disk(table) for table in tables if table.string("nvme") is not None)


def _nvme_disk(table: Table) -> NvmeDisk:
    for key in ("file", "vhost-user"):
        if table.string(key) is not None:
            raise table.wrong(key, "left out where there is nvme")
    namespace = table.integer("namespace")
    return NvmeDisk(
        table.string("nvme") or "",
        1 if namespace is None else namespace,
        table.boolean("read-only") or False,
        table.string("mount"),
    )


def _disk(table: Table, folder: Path) -> Disk:
    name = table.string("file")
    back_end = table.string("vhost-user")
    if not name and not back_end:
        raise table.wrong("file", "the path of a disk image")
    if name and back_end:
        raise table.wrong("vhost-user", "left out where there is a file")
    return Disk(
        folder / (name or back_end or ""),
        table.boolean("read-only") or False,
        table.string("mount"),
        table.boolean("buffered") or False,
        back_end is not None,
    )


def _data(file: Table, folder: Path) -> tuple[DataDisk, ...]:
    """Read [data.NAME] with file, size and mount."""
    from rktio.host.data import DataDisk

    names = file.names("data")
    all_disks = file.table("data", names)
    assert all_disks is not None
    found = []
    for name in names:
        table = all_disks.table(name, ("file", "size", "mount"))
        path = table.string("file") if table else None
        if table is None or not path:
            raise file.wrong(f"data.{name}.file", "the path of its file")
        size = table.string("size")
        size_bytes = None if size is None else parse_size(size)
        found.append(DataDisk(name, folder / path, size_bytes, table.string("mount") or ""))
    return tuple(found)


def _net(table: Table) -> dict[str, Any]:
    found = {
        "mode": table.string("mode"),
        "tap_name": table.string("tap-name"),
        "addresses": _tuple(table.strings("address")),
        "host_addresses": _tuple(table.strings("host-address")),
        "gateways": _tuple(table.strings("gateway")),
        "dns": _tuple(table.strings("dns")),
        "mtu": table.integer("mtu"),
        "mac": table.string("mac"),
        "without": _tuple(table.strings("without")),
        "queues": table.integer("queues"),
    }
    return _present(found)


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _present(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
