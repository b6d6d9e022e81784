# SPDX-License-Identifier: Apache-2.0
"""The host calls of an enclave, read from abi/hostcall.h, which its filter is made from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError

ROW = re.compile(r'X\((\w+),\s*(\w+),\s*\\?\s*("(?:[^"\\]|\\.)*"),\s*\\?\s*("(?:[^"\\]|\\.)*")\)')

# `when` of the header, in words.
WHEN = {
    "ALWAYS": "always",
    "CPUS": "more than one CPU",
    "TERMINAL": "on a terminal",
    "IO_URING": "--disk FILE, --net virtio-user and vhost",
    "NO_IO_URING": "--disk FILE without io_uring",
}


@dataclass(frozen=True)
class HostCall:
    """One call: what it is for, when an enclave may make it, and what a lie can do."""

    name: str
    when: str
    purpose: str
    lie: str


def header_path() -> Path:
    """Return abi/hostcall.h of the checkout or of the installed package."""
    package = Path(__file__).resolve().parents[1]
    for path in (package.parent / "abi" / "hostcall.h", package / "_abi" / "hostcall.h"):
        if path.is_file():
            return path
    raise RktioError("abi/hostcall.h is missing", hint="install rkt-io again")


def host_calls() -> tuple[HostCall, ...]:
    """Return the calls in the order of the header."""
    return parse(header_path().read_text())


def parse(header: str) -> tuple[HostCall, ...]:
    """Return the rows of the header's table; RktioError for one that can't be read."""
    table = header[header.index("#define HOSTCALLS(X)") :]
    rows = [match.groups() for match in ROW.finditer(table)]
    if not rows or len(rows) != len(re.findall(r"^\tX\(", table, re.MULTILINE)):
        raise RktioError("abi/hostcall.h has a row that is not X(call, when, purpose, lie)")
    return tuple(
        HostCall(name, WHEN[when], purpose[1:-1], lie[1:-1]) for name, when, purpose, lie in rows
    )
