# SPDX-License-Identifier: Apache-2.0
"""Huge pages of the host (Documentation/admin-guide/mm/hugetlbpage.rst): reserve, give back."""

from __future__ import annotations

from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host import loans
from rktio.host.pci import SYS

SIZE_KIB = 2048
BYTES = SIZE_KIB << 10


def _folder(sys: Path) -> Path:
    return sys / f"kernel/mm/hugepages/hugepages-{SIZE_KIB}kB"


def total(sys: Path = SYS) -> int:
    """Return how many there are."""
    return _number(_folder(sys) / "nr_hugepages")


def free(sys: Path = SYS) -> int:
    """Return how many nobody has."""
    return _number(_folder(sys) / "free_hugepages")


def reserve(wanted_bytes: int, sys: Path = SYS, folder: Path = loans.FOLDER) -> int:
    """See to it that so much is free; return how many pages that took."""
    with loans.changed(folder) as list_:
        missing = -(-wanted_bytes // BYTES) - free(sys)
        if missing <= 0:
            return 0
        before = total(sys)
        key = str(SIZE_KIB)
        list_.huge_pages[key] = list_.huge_pages.get(key, 0) + missing
        loans.save(list_, folder)
        _set_total(sys, before + missing)
        got = total(sys) - before
        if got < missing:
            _set_total(sys, before)
            list_.huge_pages[key] -= missing
            raise RktioError(
                f"the host has room for {got} of {missing} more huge pages of {SIZE_KIB >> 10} MiB",
                hint="free memory, or reserve them when the host boots (hugepages=N)",
            )
        return missing


def release(list_: loans.Loans, sys: Path = SYS) -> int:
    """Give back what `reserve` took, as far as nobody uses it; return how many pages."""
    count = list_.huge_pages.get(str(SIZE_KIB), 0)
    given = min(count, free(sys))
    if given:
        _set_total(sys, total(sys) - given)
    left = count - given
    list_.huge_pages = {str(SIZE_KIB): left} if left else {}
    return given


def _set_total(sys: Path, count: int) -> None:
    path = _folder(sys) / "nr_hugepages"
    try:
        path.write_text(f"{count}\n")
    except OSError as error:
        raise RktioError(f"cannot write {path}: {error.strerror}", hint="run it as root") from error


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except OSError as error:
        raise RktioError(f"this host has no huge pages of {SIZE_KIB >> 10} MiB ({path})") from error
