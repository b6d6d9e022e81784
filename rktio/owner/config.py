# SPDX-License-Identifier: Apache-2.0
"""The configuration of an application, as its owner writes it in TOML and as it is sealed.

Its sealed form is canonical JSON with every key present, so that one configuration has one
spelling. JSON is read by the same strict schema as TOML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError
from rktio.common.sizes import parse_size
from rktio.common.strict_json import canonical
from rktio.common.toml import Table, read_toml
from rktio.common.wireguard import WIREGUARD_KEYS, WireGuard
from rktio.owner.config_keys import KEYS_KEYS, Keys
from rktio.owner.config_network import NETWORK_KEYS, Network

VERSION = 1
KEYS = (
    "version",
    "program",
    "args",
    "cwd",
    "hostname",
    "env",
    "sysctl",
    "root",
    "data",
    "network",
    "wireguard",
    "keys",
    "limits",
    "policy",
)
ROOT_KEYS = ("image", "hash", "encrypted", "writes", "writes-size")
DATA_KEYS = ("name", "mount", "freshness", "format")
LIMIT_KEYS = ("memory-min", "memory-max", "cpus-max")
POLICY_KEYS = ("host-args", "host-env", "terminal")

WRITES = ("refused", "memory")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MEMORY_MIN = 32 << 20
MEMORY_MAX = 1 << 46
CPUS_MAX = 64
DISKS_MAX = 14  # beside the root and a spare one, of the launch record's 16
STRING_BYTES_MAX = 64 * 1024
_HASH = re.compile(r"[0-9a-f]{64}")
_DISK = re.compile(r"[a-z][a-z0-9-]{0,31}")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_SYSCTL = re.compile(r"[a-z0-9_]+([./][A-Za-z0-9_-]+)+")
_ARGUMENT = re.compile(r"--?[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")

# Reads (root hash in hexadecimal, encrypted) from an image file.
ImageReader = Callable[[Path], tuple[str, bool]]


@dataclass(frozen=True)
class Root:
    """The image that becomes /, by its root hash, and where writes to it go."""

    hash: str
    encrypted: bool
    writes: str  # "refused", or "memory": private memory of at most writes_bytes
    writes_bytes: int


@dataclass(frozen=True)
class Data:
    """A writable disk, encrypted and authenticated inside; the host chooses the file."""

    name: str
    mount: str
    freshness: bool
    format: bool = False  # a blank one may be formatted


@dataclass(frozen=True)
class Limits:
    """What the host has to give, and may give at most."""

    memory_min: int
    memory_max: int
    cpus_max: int


@dataclass(frozen=True)
class Policy:
    """What the host may decide, by name; nothing where these are empty.

    An argument of the host is allowed if it is one of host_args, or one of them, "=" and a value.
    """

    host_args: tuple[str, ...]
    host_env: tuple[str, ...]
    terminal: bool

    def allows_argument(self, argument: str) -> bool:
        """Say whether the host may add this argument."""
        return argument.partition("=")[0] in self.host_args

    def allows_environment(self, name: str) -> bool:
        """Say whether the host may set this variable."""
        return name in self.host_env


@dataclass(frozen=True)
class Configuration:
    """All that decides what an enclave does; part of what is measured."""

    program: str
    args: tuple[str, ...]
    cwd: str
    hostname: str
    env: dict[str, str]
    sysctl: dict[str, str]
    root: Root
    data: tuple[Data, ...]
    network: Network | None
    wireguard: WireGuard | None
    keys: Keys | None
    limits: Limits
    policy: Policy

    @classmethod
    def read(cls, path: Path, image: ImageReader | None = None) -> Configuration:
        """Read TOML; `image` looks into the file of `root.image`. Raises RktioError."""
        return cls.of(_Source(path, read_toml(path, KEYS), image))

    @classmethod
    def of_json(cls, document: dict[str, Any], source: Path) -> Configuration:
        """Read the sealed form. Raises RktioError."""
        found = cls.of(_Source(source, Table(source, "", document, KEYS), None))
        if found.document() != document:
            raise RktioError(f"{source}: the configuration is not in its one spelling")
        return found

    @classmethod
    def of(cls, source: _Source) -> Configuration:
        """Check every key and value. Raises RktioError."""
        table = source.table
        if table.integer("version") != VERSION:
            raise table.wrong("version", str(VERSION))
        return cls(
            program=source.path_of("program"),
            args=source.texts(table, "args"),
            cwd=source.inside(table, "cwd", "/"),
            hostname=source.matching(table, "hostname", _HOSTNAME, "a host name", "rkt-io"),
            env=source.named("env", _ENV, {"PATH": DEFAULT_PATH}),
            sysctl=source.named("sysctl", _SYSCTL, {}),
            root=_root(source),
            data=_data(source),
            network=Network.of(table.table("network", NETWORK_KEYS)),
            wireguard=WireGuard.of(table.table("wireguard", WIREGUARD_KEYS)),
            keys=Keys.of(table.table("keys", KEYS_KEYS)),
            limits=_limits(source),
            policy=_policy(source),
        )

    def document(self) -> dict[str, Any]:
        """Return the sealed form as JSON values: every key, sizes as decimal strings."""
        root, limits = self.root, self.limits
        found: dict[str, Any] = {
            "version": VERSION,
            "program": self.program,
            "args": list(self.args),
            "cwd": self.cwd,
            "hostname": self.hostname,
            "env": self.env,
            "sysctl": self.sysctl,
            "root": {
                "hash": root.hash,
                "encrypted": root.encrypted,
                "writes": root.writes,
                "writes-size": str(root.writes_bytes),
            },
            "data": [
                {"name": disk.name, "mount": disk.mount, "freshness": disk.freshness}
                | ({"format": True} if disk.format else {})
                for disk in self.data
            ],
            "limits": {
                "memory-min": str(limits.memory_min),
                "memory-max": str(limits.memory_max),
                "cpus-max": limits.cpus_max,
            },
            "policy": {
                "host-args": list(self.policy.host_args),
                "host-env": list(self.policy.host_env),
                "terminal": self.policy.terminal,
            },
        }
        if self.network is not None:
            found["network"] = self.network.document()
        if self.wireguard is not None:
            found["wireguard"] = self.wireguard.document()
        if self.keys is not None:
            found["keys"] = self.keys.document()
        return found

    def canonical(self) -> bytes:
        """Return the sealed form: what is signed and measured."""
        return canonical(self.document())


@dataclass(frozen=True)
class _Source:
    """A table with where it came from, and the checks that several keys share."""

    path: Path
    table: Table
    image: ImageReader | None

    def path_of(self, key: str) -> str:
        value = self.table.string(key)
        if value is None:
            raise RktioError(f"{self.path}: {key} is missing", hint=f'{key} = "/usr/bin/…"')
        return self.inside(self.table, key, value)

    def inside(self, table: Table, key: str, default: str) -> str:
        value = self.text(table, key, default)
        parts = value.split("/")
        if not value.startswith("/") or ".." in parts or "." in parts or "//" in value:
            raise table.wrong(key, "an absolute path without . and ..")
        return value

    def text(self, table: Table, key: str, default: str) -> str:
        value = table.string(key)
        value = default if value is None else value
        if not _plain(value):
            raise table.wrong(key, "text without NUL and line ends")
        return value

    def texts(self, table: Table, key: str) -> tuple[str, ...]:
        values = table.strings(key) or []
        if not all("\0" not in value and _encodes(value) for value in values):
            raise table.wrong(key, "text without NUL")
        return tuple(values)

    def matching(
        self, table: Table, key: str, pattern: re.Pattern[str], what: str, default: str
    ) -> str:
        value = self.text(table, key, default)
        if not pattern.fullmatch(value):
            raise table.wrong(key, what)
        return value

    def named(self, key: str, pattern: re.Pattern[str], default: dict[str, str]) -> dict[str, str]:
        values = self.table.string_map(key)
        if values is None:
            return default
        for name, value in values.items():
            if not pattern.fullmatch(name) or "\0" in value or not _encodes(value):
                raise RktioError(f"{self.path}: {key}.{name!r} is not a name with a value")
        return values

    def size(self, table: Table, key: str, default: str, low: int, high: int) -> int:
        text = table.string(key)
        value = parse_size(default if text is None else text, f"{self.path}: {key}")
        if not low <= value <= high:
            raise table.wrong(key, f"between {low} and {high} bytes")
        return value


def _root(source: _Source) -> Root:
    table = source.table.table("root", ROOT_KEYS)
    if table is None:
        raise RktioError(f"{source.path}: [root] is missing", hint='image = "app-disk.img" in it')
    value, image = table.string("hash"), table.string("image")
    encrypted = table.boolean("encrypted")
    if (value is None) == (image is None):
        raise RktioError(f"{source.path}: [root] needs either image or hash")
    if image is not None:
        if source.image is None:
            raise RktioError(f"{source.path}: root.image is not part of a sealed configuration")
        value, found = source.image(source.path.parent / image)
        if encrypted is not None and encrypted != found:
            raise RktioError(f"{source.path}: root.encrypted is not what {image} is")
        encrypted = found
    if value is None or not _HASH.fullmatch(value):
        raise table.wrong("hash", "64 lower-case hexadecimal digits")
    writes = table.string("writes") or "memory"
    if writes not in WRITES:
        raise table.wrong("writes", " or ".join(WRITES))
    size = source.size(table, "writes-size", "64M" if writes == "memory" else "0", 0, MEMORY_MAX)
    return Root(value, bool(encrypted), writes, size)


def _data(source: _Source) -> tuple[Data, ...]:
    found = []
    for table in source.table.tables("data", DATA_KEYS) or []:
        name = source.matching(table, "name", _DISK, "a name of a-z, 0-9 and -", "")
        mount = source.inside(table, "mount", "")
        found.append(
            Data(name, mount, bool(table.boolean("freshness")), bool(table.boolean("format")))
        )
    if len(found) > DISKS_MAX:
        raise RktioError(f"{source.path}: at most {DISKS_MAX} data disks")
    for what in ("name", "mount"):
        if len({getattr(disk, what) for disk in found}) != len(found):
            raise RktioError(f"{source.path}: two data disks have the same {what}")
    return tuple(found)


def _limits(source: _Source) -> Limits:
    table = source.table.table("limits", LIMIT_KEYS) or Table(source.path, "limits", {}, ())
    low = source.size(table, "memory-min", "256M", MEMORY_MIN, MEMORY_MAX)
    high = source.size(table, "memory-max", str(MEMORY_MAX), low, MEMORY_MAX)
    cpus = table.integer("cpus-max")
    cpus = CPUS_MAX if cpus is None else cpus
    if not 1 <= cpus <= CPUS_MAX:
        raise table.wrong("cpus-max", f"between 1 and {CPUS_MAX}")
    return Limits(low, high, cpus)


def _policy(source: _Source) -> Policy:
    table = source.table.table("policy", POLICY_KEYS) or Table(source.path, "policy", {}, ())
    names = {}
    for key, pattern in (("host-args", _ARGUMENT), ("host-env", _ENV)):
        values = table.strings(key) or []
        if not all(map(pattern.fullmatch, values)):
            raise table.wrong(key, "a list of names, without values")
        names[key] = tuple(sorted(set(values)))
    return Policy(names["host-args"], names["host-env"], bool(table.boolean("terminal")))


def _plain(value: str) -> bool:
    return _encodes(value) and not any(character in value for character in "\0\n\r")


def _encodes(value: str) -> bool:
    """Say whether a string is short enough, and one that UTF-8 can hold (no lone surrogates)."""
    try:
        return len(value.encode()) <= STRING_BYTES_MAX
    except UnicodeEncodeError:
        return False
