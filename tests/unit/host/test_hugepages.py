# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.host import hugepages, loans

MIB = 1 << 20


class Pages:
    """A pool of huge pages in files; `room` is how many the host can make."""

    def __init__(self, folder: Path, total: int, free: int, room: int) -> None:
        self.sys = folder / "sys"
        self.loans = folder / "run"
        self.pool = self.sys / "kernel/mm/hugepages/hugepages-2048kB"
        self.pool.mkdir(parents=True)
        self.used = total - free
        self.room = room
        self.set(total)

    def set(self, total: int) -> None:
        total = min(total, self.room)
        (self.pool / "nr_hugepages").write_text(f"{total}\n")
        (self.pool / "free_hugepages").write_text(f"{total - self.used}\n")

    def release(self) -> int:
        with loans.changed(self.loans) as list_:
            return hugepages.release(list_, self.sys)


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pages:
    pages = Pages(tmp_path, total=4, free=2, room=100)
    monkeypatch.setattr(hugepages, "_set_total", lambda _, total: pages.set(total))
    return pages


def test_only_what_is_missing_is_reserved_and_all_of_it_is_released(pages: Pages) -> None:
    assert hugepages.reserve(10 * MIB, pages.sys, pages.loans) == 3
    assert hugepages.total(pages.sys) == 7
    assert hugepages.reserve(10 * MIB, pages.sys, pages.loans) == 0
    assert pages.release() == 3
    assert hugepages.total(pages.sys) == 4
    assert loans.read(pages.loans) == loans.Loans()


def test_what_is_in_use_is_released_later(pages: Pages) -> None:
    hugepages.reserve(10 * MIB, pages.sys, pages.loans)
    pages.used += 4
    pages.set(7)
    assert pages.release() == 1
    assert loans.read(pages.loans).huge_pages == {"2048": 2}


def test_a_host_without_room_keeps_what_it_had(pages: Pages) -> None:
    pages.room = 5
    with pytest.raises(RktioError, match="room for 1 of 3 more huge pages"):
        hugepages.reserve(10 * MIB, pages.sys, pages.loans)
    assert hugepages.total(pages.sys) == 4
    assert pages.release() == 0
