# SPDX-License-Identifier: Apache-2.0
"""Claims that evidence proves, and refusals that name claim, measured and expected value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from rktio.common.errors import RktioError

Claim = str | int | bool
Claims = dict[str, Claim]

VALUE_CHARACTERS_MAX = 200


@dataclass(frozen=True)
class Refusal:
    """One claim that was not as it must be. For the owner only: the host gets a bare denial."""

    claim: str
    measured: str
    expected: str

    def __str__(self) -> str:
        return f"{self.claim}: measured {self.measured}, expected {self.expected}"


class RefusedError(RktioError):
    """Evidence or a message is refused; `refusals` say which claims, to the owner."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__("; ".join(str(refusal) for refusal in refusals))
        self.refusals = refusals


def refuse(claim: str, measured: object, expected: object) -> RefusedError:
    """Return the exception of one refused claim, its values made short and printable."""
    return RefusedError(Refusal(claim, printable(measured), printable(expected)))


def printable(value: object) -> str:
    """Return a value as one short line of ASCII: bytes as hex, everything else escaped."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    text = text.encode("ascii", "backslashreplace").decode()
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    if len(text) > VALUE_CHARACTERS_MAX:
        text = f"{text[:VALUE_CHARACTERS_MAX]}... ({len(text)} characters)"
    return text or "nothing"


def utc(now: float) -> datetime:
    """Return seconds since 1970 as a time that certificates can be compared with."""
    return datetime.fromtimestamp(now, UTC)
