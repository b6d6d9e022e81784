# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from rktio.image.crc32c import ALL_ONES, crc32c
from rktio.image.ondisk import Inode


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, appendix B.4
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_crc32c_is_castagnoli(data: bytes, expected: int) -> None:
    assert crc32c(ALL_ONES, data) ^ ALL_ONES == expected


def test_crc32c_continues() -> None:
    assert crc32c(crc32c(ALL_ONES, b"123"), b"456789") == crc32c(ALL_ONES, b"123456789")


@pytest.mark.parametrize(
    "seconds", [-(1 << 31), -1, 0, 1 << 31, 1 << 33, (1 << 34) - (1 << 31) - 1]
)
def test_an_inode_holds_all_times(seconds: int) -> None:
    inode = Inode(number=12, mode=0o100644, mtime_ns=seconds * 10**9 + 123_456_789)
    assert Inode.parse(12, inode.pack(256, 0)).mtime_ns == inode.mtime_ns
