# SPDX-License-Identifier: Apache-2.0
"""Half MD4, the hash by which ext4 orders the names of a large directory (fs/ext4/hash.c)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

MASK = 0xFFFFFFFF
HALF_MD4 = 1  # dx_hash_info's number
FLAG_UNSIGNED = 0x2  # of the superblock's s_flags
LARGEST = 0x7FFFFFFF << 1  # is the end mark of readdir
# (rotations, words of the message, constant) of each round.
ROUNDS = (
    ((3, 7, 11, 19), (0, 1, 2, 3, 4, 5, 6, 7), 0),
    ((3, 5, 9, 13), (1, 3, 5, 7, 0, 2, 4, 6), 0o13240474631),
    ((3, 9, 11, 15), (3, 7, 2, 6, 1, 5, 0, 4), 0o15666365641),
)


@dataclass(frozen=True, slots=True)
class NameHash:
    """The hash of one file system: its seed, and whether bytes of names are signed."""

    seed: tuple[int, int, int, int]
    signed: bool

    @classmethod
    def of_superblock(cls, raw: bytes) -> NameHash:
        """Return what the raw superblock asks for."""
        (flags,) = struct.unpack_from("<I", raw, 0x160)
        return cls(struct.unpack_from("<4I", raw, 0xEC), not flags & FLAG_UNSIGNED)

    def __call__(self, name: bytes) -> tuple[int, int]:
        """Return the major and the minor hash of `name`."""
        state = list(self.seed)
        for at in range(0, len(name), 32):
            _transform(state, self._words(name[at:]))
        major = state[1] & ~1
        return (major if major != LARGEST else LARGEST - 2), state[2]

    def _words(self, rest: bytes) -> list[int]:
        """Return 8 words of the message; a short one is padded with its length."""
        pad = len(rest) | len(rest) << 8
        pad |= pad << 16
        words = []
        for at in range(0, 32, 4):
            value = pad
            for byte in rest[at : at + 4]:
                number = byte - 256 if self.signed and byte > 127 else byte
                value = (value << 8) + number & MASK
            words.append(value & MASK)
        return words


def _transform(state: list[int], words: list[int]) -> None:
    a, b, c, d = state
    for number, (rotations, order, constant) in enumerate(ROUNDS):
        for step, word in enumerate(order):
            if number == 0:
                mixed = d ^ (b & (c ^ d))
            elif number == 1:
                mixed = (b & c) + ((b ^ c) & d)
            else:
                mixed = b ^ c ^ d
            total = a + mixed + words[word] + constant & MASK
            turn = rotations[step % 4]
            a, b, c, d = d, (total << turn | total >> 32 - turn) & MASK, b, c
    for at, value in enumerate((a, b, c, d)):
        state[at] = state[at] + value & MASK
