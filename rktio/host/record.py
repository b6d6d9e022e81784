# SPDX-License-Identifier: Apache-2.0
"""The launch record of abi/launch.h: all that the enclave is told before it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rktio.common.errors import RktioError
from rktio.host.baseline import Io
from rktio.host.options import DEFAULT_PATH, RunOptions

if TYPE_CHECKING:
    from rktio.host.sealed import OwnersWord

VERSION = 1
BYTES_MAX = 1 << 20

ROOT_FSTYPE = "ext4"
SEALED_FSTYPE = "sealed"
LETTERS = "abcdefghijklmnop"


@dataclass(frozen=True)
class OpenDisk:
    """A disk's descriptor, as the enclave gets it: a file's, or the socket of an attendant."""

    fd: int
    read_only: bool
    direct: bool
    vhost_user: bool = False
    blank: bool = False  # a data disk that was never written to


@dataclass(frozen=True)
class OpenNet:
    """The device's descriptor (a tap's, a socket's) and what the enclave configures on eth0."""

    fd: int
    mac: str
    mtu: int
    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    dns: tuple[str, ...]
    kind: str = "tap"
    server: bool = False
    more_fds: tuple[int, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenNvme:
    """A controller's descriptors: VFIO's device, and the container that maps its memory.

    `held` is none of the enclave's business: who waits for its end sees it closed.
    """

    device: int
    container: int
    read_only: bool
    address: str
    held: int | None = None


@dataclass(frozen=True)
class LaunchRecord:
    """The pairs of one launch, in the order of abi/launch.h. `disks` starts with the root."""

    options: RunOptions
    disks: tuple[OpenDisk, ...]
    net: OpenNet | None
    tty: bool = False
    owner: OwnersWord | None = None
    key_file_fd: int | None = None
    nvme: tuple[OpenNvme, ...] = ()

    def encode(self) -> bytes:
        """Return the record: NUL-terminated `key=value` strings."""
        encoded = bytearray()
        for key, value in self.pairs():
            text = f"{key}={value}"
            if "\0" in text:
                raise RktioError(f"{key}: a NUL character can't be passed on")
            encoded += os.fsencode(text) + b"\0"
        if len(encoded) > BYTES_MAX:
            raise RktioError(
                f"arguments and environment take {len(encoded)} bytes; {BYTES_MAX} at most"
            )
        return bytes(encoded)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each key with its value."""
        options = self.options
        yield "version", str(VERSION)
        yield "memory_bytes", str(options.memory_bytes)
        yield "cpus", str(options.cpus)
        yield "poll", str(options.poll)
        yield "loglevel", str(options.log_level)
        if options.stats:
            yield "stats", "1"
        if options.insecure_no_lockdown:
            yield "insecure_no_lockdown", "1"
        if options.io is not Io.DIRECT:
            yield from self._baseline()
        yield from self._storage()
        yield from self._network()
        yield from self._program()

    def _baseline(self) -> Iterator[tuple[str, str]]:
        options = self.options
        cycles, threads = options.io_settings
        yield "io", str(options.io)
        yield "world_switch_cycles", str(cycles)
        yield "io_threads", str(threads)
        if options.tree is not None:
            yield "tree", str(options.tree.absolute())

    def _storage(self) -> Iterator[tuple[str, str]]:
        for disk in self.disks:
            how = "direct" if disk.direct else "buffered"
            how = "vhost-user" if disk.vhost_user else how
            yield "disk", f"{disk.fd}:{_access(disk.read_only)}:{how}"
        for nvme in self.nvme:
            access = _access(nvme.read_only)
            yield "nvme", f"{nvme.device}:{nvme.container}:{access}:{nvme.address}"
        if self.owner is not None:
            yield "root", f"vda:{SEALED_FSTYPE}:ro"
            yield from self._sealed(self.owner)
        else:
            yield "root", f"vda:{ROOT_FSTYPE}:{_access(self.options.read_only)}"
        if self.key_file_fd is not None:
            yield "insecure_keys", str(self.key_file_fd)
        for letter, extra in zip(LETTERS[1:], self.options.disks, strict=False):
            if extra.mount is not None:
                access = _access(extra.read_only)
                yield "mount", f"vd{letter}:{extra.mount}:{ROOT_FSTYPE}:{access}"
        for number, namespace in enumerate(self.options.nvme):
            if namespace.mount is not None:
                name = f"nvme{number}n{namespace.namespace}"
                access = _access(namespace.read_only)
                yield "mount", f"{name}:{namespace.mount}:{ROOT_FSTYPE}:{access}"
        yield from self._data()
        for path in self.options.tmpfs:
            yield "mount", f"none:{path}:tmpfs:rw"

    def _sealed(self, owner: OwnersWord) -> Iterator[tuple[str, str]]:
        yield from owner.pairs()
        if self.options.sealed is not None and self.options.sealed.keys is not None:
            yield "keys", self.options.sealed.keys
            yield "tee", str(self.options.sealed.tee)

    def _data(self) -> Iterator[tuple[str, str]]:
        first = 1 + len(self.options.disks)
        for number, disk in enumerate(self.options.data, first):
            mode = "format" if self.disks[number].blank else "open"
            yield "data_device", f"{disk.name}:vd{LETTERS[number]}"
            if self.owner is None:  # else where it lies is the owner's to say
                yield "data", f"{disk.name}:{mode}:{disk.mount}"

    def _network(self) -> Iterator[tuple[str, str]]:
        if self.net is None:
            return
        role = ":server" if self.net.server else ""
        yield "net", f"{self.net.kind}:{self.net.fd}:{self.net.mac}:{self.net.mtu}{role}"
        for fd in self.net.more_fds:
            yield "net_queue", str(fd)
        for feature in self.net.without:
            yield "net_without", feature
        if self.owner is not None:
            return  # the rest is the owner's to say
        for key, values in (
            ("addr", self.net.addresses),
            ("gateway", self.net.gateways),
            ("dns", self.net.dns),
        ):
            for value in values:
                yield key, value
        if self.options.wireguard is not None:
            # Here and not above: most runs have no tunnel.
            from rktio.host import wireguard

            yield from wireguard.pairs(self.options.wireguard)

    def _program(self) -> Iterator[tuple[str, str]]:
        options = self.options
        if options.hostname is not None:
            yield "hostname", options.hostname
        for name, value in options.sysctl.items():
            yield "sysctl", f"{name}={value}"
        if self.owner is None or options.cwd != "/":
            yield "cwd", options.cwd
        for name, value in self.environment().items():
            yield "env", f"{name}={value}"
        program = () if self.owner is not None else (options.program,)
        for word in (*program, *options.args):
            yield "arg", word
        if self.tty:
            yield "tty", "1"

    def environment(self) -> dict[str, str]:
        """Return the program's whole environment; the host's own stays outside.

        Of a sealed image's, only what the host adds to the owner's.
        """
        if self.owner is not None:
            return dict(self.options.env)
        basic = {"PATH": DEFAULT_PATH, "HOME": "/root"}
        if self.tty:
            basic["TERM"] = os.environ.get("TERM", "linux")
        return basic | dict(self.options.env)

    def memfd(self) -> int:
        """Return a descriptor of the record, inheritable, at its start."""
        data = self.encode()
        fd = os.memfd_create("rkt-io-launch", 0)
        try:
            os.write(fd, data)
            os.lseek(fd, 0, os.SEEK_SET)
        except BaseException:
            os.close(fd)
            raise
        return fd


def _access(read_only: bool) -> str:
    return "ro" if read_only else "rw"
