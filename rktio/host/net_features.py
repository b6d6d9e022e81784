# SPDX-License-Identifier: Apache-2.0
"""What eth0 can do without, for measurements: the words that follow the kind in `--net`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from rktio.common.errors import RktioError

QUEUES_MAX = 8  # abi/launch.h; a test compares them


class NetFeature(StrEnum):
    """One offload; `gso` and `gro` are the library kernel's own, the others the device's."""

    CSUM = "csum"
    TSO = "tso"
    LRO = "lro"
    GSO = "gso"
    GRO = "gro"
    ZEROCOPY = "zerocopy"


NAMES = tuple(map(str, NetFeature))
WORDS = f"[{'|'.join(NetFeature)}]=on|off, mq=1..{QUEUES_MAX}"


@dataclass(frozen=True)
class NetWords:
    """The words of one `--net`, read."""

    without: tuple[NetFeature, ...]
    queues: int | None
    others: tuple[str, ...]


def read_words(words: Iterable[str]) -> NetWords:
    """Read `tso=off`, `mq=2` and their kin; words without `=` are the caller's."""
    without: list[NetFeature] = []
    queues = None
    others = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            others.append(word)
        elif name == "mq" and value.isdecimal():
            queues = checked_queues(int(value))
        elif name in NAMES and value in ("on", "off"):
            without += [NetFeature(name)] if value == "off" else []
        else:
            raise RktioError(f"net: unknown word {word!r}", hint=WORDS)
    return NetWords(tuple(without), queues, tuple(others))


def checked_features(names: Iterable[str]) -> tuple[NetFeature, ...]:
    """Return the features of these names."""
    found = []
    for name in names:
        if name not in NAMES:
            raise RktioError(f"net has no {name!r} to do without", hint=", ".join(NetFeature))
        found.append(NetFeature(name))
    return tuple(dict.fromkeys(found))


def checked_queues(queues: int) -> int:
    """Return the number of pairs of queues, if there can be so many."""
    if not 1 <= queues <= QUEUES_MAX:
        raise RktioError(f"net: {queues} queues; from 1 to {QUEUES_MAX} are possible")
    return queues
