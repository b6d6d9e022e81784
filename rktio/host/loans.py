# SPDX-License-Identifier: Apache-2.0
"""What was taken from the host for enclaves, so that it goes back whatever happened since.

The list is a file below /run: it outlives a crash, and ends with the machine's boot, as the
bindings themselves do. It is written before the host is changed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rktio.common.errors import RktioError

FOLDER = Path("/run/rkt-io")
NAME = "devices.json"


@dataclass(frozen=True)
class Binding:
    """The driver that a function had; both may be empty."""

    driver: str
    override: str


@dataclass
class Loans:
    """Functions by address, and the huge pages that were reserved, by their size in KiB."""

    functions: dict[str, Binding] = field(default_factory=dict)
    huge_pages: dict[str, int] = field(default_factory=dict)


@contextmanager
def changed(folder: Path = FOLDER) -> Iterator[Loans]:
    """Give the list, locked against others; `save` it before each change of the host."""
    try:
        folder.mkdir(mode=0o755, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RktioError(
            f"cannot keep a list of devices in {folder}: {error.strerror}", hint="run it as root"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        loans = read(folder)
        try:
            yield loans
        finally:
            save(loans, folder)
    finally:
        os.close(lock)


def read(folder: Path = FOLDER) -> Loans:
    """Return the list; an empty one where nothing was taken."""
    try:
        found = json.loads((folder / NAME).read_text())
        functions = {
            address: Binding(str(was["driver"]), str(was["override"]))
            for address, was in found["functions"].items()
        }
        pages = {str(size): int(count) for size, count in found["huge_pages"].items()}
    except FileNotFoundError:
        return Loans()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RktioError(
            f"{folder / NAME} can't be read: {error}", hint="remove it; devices stay as they are"
        ) from error
    return Loans(functions, pages)


def save(loans: Loans, folder: Path = FOLDER) -> None:
    """Write the list in one step."""
    path = folder / NAME
    if not loans.functions and not loans.huge_pages:
        path.unlink(missing_ok=True)
        return
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(loans), indent=1) + "\n")
    partial.rename(path)
