# SPDX-License-Identifier: Apache-2.0
"""Sizes as people write them: 512M or 2GiB, in powers of 1024."""

from __future__ import annotations

from rktio.common.errors import RktioError

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
DIGITS_MAX = 18


def parse_size(text: str, what: str = "--size") -> int:
    """Parse a size such as 512M or 2GiB (powers of 1024). Raises RktioError."""
    number = text.upper().removesuffix("IB").removesuffix("B")
    unit = number[-1:] if number[-1:] in UNITS else ""
    digits = number.removesuffix(unit)
    if not digits.isascii() or not digits.isdigit() or len(digits) > DIGITS_MAX:
        raise RktioError(f"{what} {text}: not a size", hint="for example 512M or 4G")
    return int(digits) * UNITS[unit]
