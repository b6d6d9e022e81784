# SPDX-License-Identifier: Apache-2.0
"""What a run of an enclave is made of, whoever asks: flags, a TOML file or the Python API.

Constructing an object checks it; RktioError names the option and what it must be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rktio.common.errors import RktioError
from rktio.host.baseline import Io, check_io_settings, check_no_library_os
from rktio.host.net_features import (
    WORDS,
    NetFeature,
    checked_features,
    checked_queues,
    read_words,
)
from rktio.host.nvme import CONTROLLERS_MAX, NvmeDisk

if TYPE_CHECKING:
    from rktio.common.wireguard import WireGuard
    from rktio.host.data import DataDisk

# Bounds of abi/launch.h; a test compares them.
MEMORY_UNIT_BYTES = 2 << 20
MEMORY_MIN_BYTES = 32 << 20
CPUS_MAX = 64
DISKS_MAX = 16
HOSTNAME_MAX = 64
MTU_MIN = 68
MTU_MIN_IPV6 = 1280
MTU_MAX = 65521  # the kernel's limit for a tap: 65535 less an Ethernet header

LOG_LEVEL_MAX = 8
TAP_NAME_MAX = 15  # IFNAMSIZ - 1

DEFAULT_MEMORY_BYTES = 1 << 30
DEFAULT_ADDRESSES = ("10.0.1.1/24",)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

VHOST_USER = "vhost-user:"

SIZE_SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}

Choice = TypeVar("Choice", bound=StrEnum)


class Poll(StrEnum):
    """What an idle CPU of the library OS does."""

    BUSY = "busy"
    ADAPTIVE = "adaptive"
    SLEEP = "sleep"


class Tee(StrEnum):
    """Who vouches for an enclave to a key broker; `AUTO` is what this machine has."""

    AUTO = "auto"
    PROCESS = "process"
    SNP = "snp"
    TDX = "tdx"


class NetMode(StrEnum):
    """Where eth0 of the enclave ends; `AUTO` is a tap where one is permitted, else nothing."""

    AUTO = "auto"
    TAP = "tap"
    VIRTIO_USER = "virtio-user"
    VHOST = "vhost"
    NONE = "none"

    @property
    def shares_memory(self) -> bool:
        """Whether the other end is a process on a Unix socket, not the host's kernel."""
        return self in (NetMode.VIRTIO_USER, NetMode.VHOST)


@dataclass(frozen=True)
class Disk:
    """One disk beside the root: vdb, vdc, ... in the order given.

    `mount` is where the library OS mounts its file system; None leaves a bare device.
    `vhost_user` says that `path` is the socket of a back end (vhost-user-blk), not a file.
    """

    path: Path
    read_only: bool = False
    mount: str | None = None
    buffered: bool = False
    vhost_user: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.vhost_user and self.buffered:
            raise RktioError(f"disk {self.path}: a back end is neither buffered nor direct")
        if self.mount is not None:
            check_inside_path("a disk's mount point", self.mount)

    @classmethod
    def parse(cls, text: str) -> Disk:
        """Read `FILE[,ro][,buffered][,mount=/PATH]`, or `vhost-user:SOCKET` in FILE's place."""
        name, *words = text.split(",")
        read_only = buffered = False
        mount = None
        for word in words:
            if word == "ro":
                read_only = True
            elif word == "buffered":
                buffered = True
            elif word.startswith("mount="):
                mount = word.removeprefix("mount=")
            else:
                raise RktioError(
                    f"disk {text!r}: unknown word {word!r}",
                    hint="write FILE[,ro][,buffered][,mount=/PATH], or vhost-user:SOCKET[,ro]...",
                )
        vhost_user = name.startswith(VHOST_USER)
        name = name.removeprefix(VHOST_USER)
        if not name:
            raise RktioError(f"disk {text!r} names no {'socket' if vhost_user else 'file'}")
        return cls(Path(name), read_only, mount, buffered, vhost_user)


@dataclass(frozen=True)
class NetOptions:
    """The one network device. Addresses are text; `rktio.host.addresses.plan` reads them.

    `addresses` are the enclave's, with prefix; `host_addresses` the tap's own (by default .254 of
    each network), `gateways` None means the host's end, an empty tuple no default route.

    `mode` may be given as `virtio-user:SOCKET[,server]` or `vhost:SOCKET[,server]`, which sets
    `socket` and `server`: the enclave is then one end of vhost-user, and no address is the host's.
    Words such as `tso=off` and `mq=2` may follow any mode: they add to `without` and set `queues`,
    of which None means one for each CPU where that is possible.
    """

    mode: NetMode = NetMode.AUTO
    socket: Path | None = None
    server: bool = False
    tap_name: str | None = None
    addresses: tuple[str, ...] = DEFAULT_ADDRESSES
    host_addresses: tuple[str, ...] = ()
    gateways: tuple[str, ...] | None = None
    dns: tuple[str, ...] = ()
    mtu: int = 1500
    mac: str | None = None
    without: tuple[NetFeature, ...] = ()
    queues: int | None = None

    def __post_init__(self) -> None:
        self._read_mode()
        object.__setattr__(self, "without", checked_features(self.without))
        if self.queues is not None:
            checked_queues(self.queues)
        for name in ("addresses", "host_addresses", "dns"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.gateways is not None:
            object.__setattr__(self, "gateways", tuple(self.gateways))
        if not MTU_MIN <= self.mtu <= MTU_MAX:
            raise RktioError(f"mtu {self.mtu} is not between {MTU_MIN} and {MTU_MAX}")
        if self.tap_name is not None:
            check_tap_name(self.tap_name)

    def _read_mode(self) -> None:
        first, *more = self.mode.split(",")
        kind, colon, where = first.partition(":")
        object.__setattr__(self, "mode", chosen("net", kind, NetMode))
        words = self._read_words(more)
        if colon and self.mode.shares_memory:
            object.__setattr__(self, "socket", Path(where) if where else None)
            object.__setattr__(self, "server", "server" in words)
        elif colon:
            raise RktioError(f"net {kind} takes no {where!r}")
        if self.mode.shares_memory != (self.socket is not None):
            raise RktioError(
                f"net {kind}: a socket belongs to virtio-user and vhost, and only to these",
                hint="--net virtio-user:SOCKET[,server]",
            )
        if self.mode.shares_memory and (self.queues or 1) > 1:
            raise RktioError(f"net {kind} has one pair of queues", hint="leave out mq")
        if self.mode.shares_memory and (self.tap_name or self.host_addresses):
            raise RktioError(f"net {kind} has no tap to name or to give an address to")

    def _read_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Take over what the words say; return those of shared-memory networks."""
        if words and self.mode is NetMode.NONE:
            raise RktioError(f"net none takes no {words[0]!r}")
        found = read_words(words)
        known = ("server",) if self.mode.shares_memory else ()
        for word in found.others:
            if word not in known:
                raise RktioError(f"net {self.mode}: unknown word {word!r}", hint=WORDS)
        object.__setattr__(self, "without", (*self.without, *found.without))
        if found.queues is not None:
            object.__setattr__(self, "queues", found.queues)
        return found.others

    @classmethod
    def none(cls) -> NetOptions:
        """Return the options of an enclave that has only its loopback device."""
        return cls(mode=NetMode.NONE, addresses=())


@dataclass(frozen=True)
class SealedOptions:
    """What starts a sealed image: the owner's files, and where its keys come from.

    `keys` is the URL of a key broker, which `tee` convinces; `insecure_key_file` is for
    development without one.
    """

    config: Path
    owner_key: Path
    keys: str | None = None
    insecure_key_file: Path | None = None
    tee: Tee = Tee.AUTO

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", Path(self.config))
        object.__setattr__(self, "owner_key", Path(self.owner_key))
        object.__setattr__(self, "tee", chosen("tee", self.tee, Tee))
        if self.keys is not None and self.insecure_key_file is not None:
            raise RktioError("keys of a broker and of a file", hint="give one of them")
        if self.keys is None and self.tee is not Tee.AUTO:
            raise RktioError("a TEE without a key broker", hint="give --keys URL with --tee")


@dataclass(frozen=True)
class RunOptions:
    """One run: an image, a program in it, and what it runs on.

    A sealed image's configuration names the program: `program` is then empty, and `args` and
    `env` are additions that it has to allow.
    """

    image: Path
    program: str = ""
    args: tuple[str, ...] = ()
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    cpus: int = 1
    read_only: bool = False
    buffered: bool = False
    disks: tuple[Disk, ...] = ()
    nvme: tuple[NvmeDisk, ...] = ()
    data: tuple[DataDisk, ...] = ()
    tmpfs: tuple[str, ...] = ()
    net: NetOptions = field(default_factory=NetOptions)
    wireguard: WireGuard | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    hostname: str | None = None
    sysctl: Mapping[str, str] = field(default_factory=dict)
    poll: Poll = Poll.ADAPTIVE
    stats: bool = False
    log_level: int = 4
    insecure_no_lockdown: bool = False
    sealed: SealedOptions | None = None
    # For baselines; None stands for the default. `tree` has the image's files on the host.
    io: Io = Io.DIRECT
    world_switch_cycles: int | None = None
    io_threads: int | None = None
    tree: Path | None = None
    insecure_key_file: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", Path(self.image))
        object.__setattr__(self, "io", chosen("io", self.io, Io))
        check_io_settings(self.io, self.world_switch_cycles, self.io_threads)
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "disks", tuple(self.disks))
        object.__setattr__(self, "nvme", tuple(self.nvme))
        object.__setattr__(self, "data", tuple(self.data))
        object.__setattr__(self, "memory_bytes", whole_memory(self.memory_bytes))
        object.__setattr__(self, "poll", chosen("poll", self.poll, Poll))
        self._check_bounds()
        if self.io.on_host_kernel:
            self._check_host_kernel()
        if self.io is Io.LIBOS_HOST:
            self._check_hosted_devices()
        for path in (self.cwd, *self.tmpfs):
            check_inside_path("a path inside the enclave", path)
        for name in self.env:
            check_env_name(name)

    @property
    def io_settings(self) -> tuple[int, int]:
        """World-switch cycles and I/O threads of a baseline."""
        return check_io_settings(self.io, self.world_switch_cycles, self.io_threads)

    def _check_hosted_devices(self) -> None:
        if self.net.mode.shares_memory:
            raise RktioError("--io libos-host takes a tap", hint="--net tap or none")
        if any(disk.vhost_user for disk in self.disks):
            raise RktioError("--io libos-host takes disks of files", hint="--disk FILE")

    def _check_host_kernel(self) -> None:
        given = {
            "a disk": (self.disks, ()),
            "a tmpfs": (self.tmpfs, ()),
            "a network": (self.net, NetOptions()),
            "a number of CPUs": (self.cpus, 1),
            "memory": (self.memory_bytes, DEFAULT_MEMORY_BYTES),
            "a host name": (self.hostname, None),
            "a sysctl": (dict(self.sysctl), {}),
        }
        check_no_library_os(self.io, given)

    def _check_bounds(self) -> None:
        if not self.program and self.sealed is None:
            raise RktioError("no program to run", hint="rkt-io-run IMAGE PROGRAM [ARGS...]")
        if self.program and self.sealed is not None:
            raise RktioError(
                f"the sealed configuration names the program, not the host ({self.program})",
                hint="give only arguments that it allows",
            )
        if self.sealed is not None and (self.wireguard or self.insecure_key_file):
            raise RktioError("a sealed image's tunnel and keys are not the host's to say")
        if self.wireguard is not None and self.net.mode is NetMode.NONE:
            raise RktioError("wireguard needs a network", hint="leave out --net none")
        if not 1 <= self.cpus <= CPUS_MAX:
            raise RktioError(f"cpus {self.cpus} is not between 1 and {CPUS_MAX}")
        if not 0 <= self.log_level <= LOG_LEVEL_MAX:
            raise RktioError(f"log level {self.log_level} is not between 0 and {LOG_LEVEL_MAX}")
        if len(self.disks) + 1 > DISKS_MAX:
            raise RktioError(f"{len(self.disks)} disks beside the root; {DISKS_MAX - 1} at most")
        if len(self.nvme) > CONTROLLERS_MAX:
            raise RktioError(f"{len(self.nvme)} NVMe controllers; {CONTROLLERS_MAX} at most")
        if self.hostname is not None and not 1 <= len(self.hostname.encode()) <= HOSTNAME_MAX:
            raise RktioError(f"hostname {self.hostname!r} is not 1 to {HOSTNAME_MAX} bytes long")


def parse_size(text: str) -> int:
    """Return the bytes of `512M`, `1G`, `1.5GiB` or a plain number."""
    stem = text.strip().upper().removesuffix("IB").removesuffix("B")
    suffix = stem[-1:] if stem[-1:].isalpha() else ""
    number = stem.removesuffix(suffix) if suffix else stem
    if suffix in SIZE_SUFFIXES and number.replace(".", "", 1).isdecimal():
        return int(float(number) * (1 << SIZE_SUFFIXES[suffix]))
    raise RktioError(f"size {text!r} is not a number of bytes", hint="write 512M or 2G, say")


def whole_memory(memory_bytes: int) -> int:
    """Round up to the unit of the library OS; refuse what it can't boot in."""
    if memory_bytes < MEMORY_MIN_BYTES:
        raise RktioError(
            f"memory of {memory_bytes} bytes is too small",
            hint=f"the library OS needs at least {MEMORY_MIN_BYTES >> 20}M",
        )
    return -(-memory_bytes // MEMORY_UNIT_BYTES) * MEMORY_UNIT_BYTES


def chosen(what: str, value: str, choices: type[Choice]) -> Choice:
    """Return the member of `choices` that `value` names."""
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(choices)
        raise RktioError(f"{what} {value!r} is unknown", hint=f"one of {known}") from None


def check_inside_path(what: str, path: str) -> None:
    """Refuse what is no absolute path; a colon separates fields of the launch record."""
    if not path.startswith("/") or ":" in path:
        raise RktioError(f"{path!r} can't be {what}", hint="give an absolute path without a colon")


def check_tap_name(name: str) -> None:
    """Refuse what the kernel does not take as the name of a network interface."""
    wrong = not name or name in (".", "..") or any(c in "/:%" or c.isspace() for c in name)
    if wrong or len(name.encode()) > TAP_NAME_MAX:
        raise RktioError(
            f"{name!r} can't be the name of a network interface",
            hint=f"1 to {TAP_NAME_MAX} characters, no space, slash, colon or percent sign",
        )


def check_env_name(name: str) -> None:
    """Refuse what can't be the name of an environment variable."""
    if not name or "=" in name:
        raise RktioError(f"{name!r} can't be the name of an environment variable")
