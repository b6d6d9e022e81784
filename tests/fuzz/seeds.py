# SPDX-License-Identifier: Apache-2.0
"""Where the fuzzer starts from: inputs that are right, one by one, for each target."""

from __future__ import annotations

import base64
import struct

from rktio.common import der, pkcs7
from rktio.common.strict_json import canonical
from rktio.host.vhost_disk import FEATURES, NEWS, UP

RECORD = (
    *("version=1", "memory_bytes=268435456", "cpus=2", "poll=adaptive", "loglevel=4", "stats=1"),
    *(
        "disk=200:rw:buffered",
        "disk=201:ro:vhost-user",
        "root=vda:ext4:rw",
        "mount=vdb:/data:ext4:ro",
    ),
    *("mount=none:/tmp:tmpfs:rw", "net=tap:201:02:00:00:00:00:01:1500", "addr=10.0.1.1/24"),
    *("addr=fd00::1/64", "gateway=10.0.1.254", "gateway=fe80::1", "dns=10.0.1.254"),
    *("dns=2001:db8::8.8.8.8", "hostname=box", "sysctl=net.core.somaxconn=1024"),
    *("sysctl=net/ipv4/conf/eth0.5/forwarding=1", "cwd=/", "env=PATH=/bin:/usr/bin", "arg=/bin/sh"),
    *("arg=-c", "tty=0", "insecure_no_lockdown=0"),
)


def record(lines: tuple[str, ...]) -> bytes:
    return b"".join(line.encode() + b"\0" for line in lines)


def config(sectors: int, block_bytes: int = 512) -> bytes:
    """Return a configuration space (virtio 1.2, 5.2.4), as qemu-storage-daemon has it."""
    head = struct.pack("<QIIIIBBHI", sectors, 0, 126, 0, block_bytes, 3, 0, 8, 256)
    return head + struct.pack("<BBHIIIIIB3x", 0, 0, 2, 32768, 1, 8, 32768, 1, 1)


def frame(protocol: int, payload: int) -> bytes:
    """Return an IPv4 frame with a TCP (6) or UDP (17) header."""
    size = 20 + (20 if protocol == 6 else 8) + payload
    ethernet = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0"
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, size, 1, 0, 64, protocol, 0, b"\n\0\1\1", b"\n\0\1\2"
    )
    tcp = struct.pack("!HHIIBBHHH", 80, 4000, 1, 1, 0x50, 0x10, 1024, 0, 0)
    udp = struct.pack("!HHHH", 53, 4000, 8 + payload, 0)
    return ethernet + ip + (tcp if protocol == 6 else udp) + bytes(payload)


def vnet(flags: int, gso: int, size: int, start: int, offset: int) -> bytes:
    return struct.pack("<BBHHHH", flags, gso, 54, size, start, offset)


def message(request: int, payload: bytes = b"", flags: int = 1) -> bytes:
    return struct.pack("<III", request, flags, len(payload)) + payload


def _pieces(data: bytes) -> bytes:
    """Cut a frame as the target vnet_hdr wants it: lengths (in fours, less one) before."""
    return b"".join(
        bytes([63]) + data[at : at + 253].ljust(1, b"\0") for at in range(0, len(data), 253)
    )


DOCUMENT = {
    "version": 1,
    "program": "/bin/sh",
    "args": ["-c", "\u00e9 \U0001f600 \n"],
    "cwd": "/",
    "hostname": "box",
    "env": {"A": "b=c", "TZ": "UTC"},
    "sysctl": {"net.core.somaxconn": "1024"},
    "root": {"hash": "0" * 64, "encrypted": True, "writes": "memory", "writes-size": "4096"},
    "data": [],
    "network": {"addresses": ["10.0.1.1/24"], "gateways": [], "dns": ["9.9.9.9"], "mtu": 1500},
    "limits": {"memory-min": "1", "memory-max": "70368744177664", "cpus-max": 64},
    "policy": {"host-args": ["--level"], "host-env": ["TZ"], "terminal": True},
}
HOSTS = (
    *("memory_bytes=268435456", "cpus=2", "disk=200:ro:direct", "root=vda:sealed:ro", "tty=1"),
    *("net=tap:201:02:00:00:00:00:01:1500", "arg=--level=3", "env=TZ=CET", "owner_key=00"),
)
SIGNATURE = pkcs7.encode(pkcs7.Signature(der.encode(der.SEQUENCE, b"a"), 77, "ecdsa", b"value"))
LINES = (b"title", canonical(DOCUMENT), base64.b64encode(SIGNATURE), b"")

# Requests, publish, used entries, reap: in the targets' own terms.
ROUND = bytes((0, 1, 7, 0, 0, 2, 3, 0, 6))

SEEDS: dict[str, tuple[bytes, ...]] = {
    "blk_config": tuple(
        NEWS.pack(UP, 2, features, config(sectors, block)) * 2
        for features in (FEATURES, FEATURES & ~(1 << 5))
        for sectors, block in ((1 << 21, 512), (8, 4096), (1 << 52, 512))
    ),
    "blk_front": (
        ROUND * 4,
        bytes((1, *ROUND[:6], 5, 0, 6, 6, 5, 1, 6, 0, 2, 3, 4, 5, 6)),
        bytes((0, 0, 1, 255, 255, 1, 2, 5, 0, 134, 6, 5, 3, *range(80), 1, 6)),
    ),
    "blk_ring": (
        bytes((0, 0, 1, 7, 0, 0, 3, 0, 2, 0, 0, 4)),
        bytes((0, 1, 2, 3, 1, 1, 3, 250, 255, 2, 1, 2, 4)),
    ),
    "launch": (record(RECORD), record(RECORD[:7] + RECORD[8:])),
    "init": tuple(bytes((n, 7, 7, 7)) + record(RECORD) for n in range(3)),
    "sealed": (
        b"\n".join(LINES) + b"\0" + record(HOSTS),
        canonical(DOCUMENT) + b"\0" + record(HOSTS),
    ),
    "init_formats": (
        b'{"arg":["/bin/sh","-c"],"data":[{"keys":"x"}],"memory":1024,"on":true}',
        rb'{"a":"\u00e9\n\"","b":{"c":[[],{}]},"d":0}',
        bytes.fromhex("3023060920") + bytes(20),
    ),
    "vnet_hdr": (
        vnet(0, 0, 0, 0, 0) + _pieces(frame(6, 100)),
        vnet(1, 0, 0, 34, 16) + _pieces(frame(6, 100)),
        vnet(1, 1, 1448, 34, 16) + _pieces(frame(6, 700)),
        vnet(1, 0, 0, 34, 6) + _pieces(frame(17, 64)),
        vnet(1, 0, 0, 40, 6) + _pieces(frame(17, 64)),
    ),
    "net_front": (
        bytes((0, 5, 1, 0, 1, 0, 5, 128 + 1, 0, 5, 4, 5)),
        bytes((1, 4)) + bytes(10) + b"\2\0" + bytes(48) + bytes((1, 0, 5)),
    ),
    "net_back": (
        bytes((1, 129, 0, 4, 3, 7, 1, 0, 3, 9, 4)),
        bytes((1, 1, 0, 1, 0, 1, 0, 3, 200, 3, 100, 129, 0, 5)),
    ),
    "vhost_msg": (
        b"\1" + message(1) + message(2, bytes(8)) + message(5, struct.pack("<IIQQQQ", 1, *[0] * 5)),
        b"\0" + message(9, bytes(40)) + message(10, bytes(7), flags=5),
    ),
}
