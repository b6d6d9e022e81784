# SPDX-License-Identifier: Apache-2.0
"""The part of DER (X.690) that signatures need: a writer, and a reader that takes nothing else."""

from __future__ import annotations

from dataclasses import dataclass

INTEGER = 0x02
OCTETS = 0x04
NULL = 0x05
OID = 0x06
SEQUENCE = 0x30
SET = 0x31
CONTEXT_0 = 0xA0

MAX_ELEMENTS = 64  # of one sequence; a signature has at most six


class DerError(ValueError):
    """The bytes are not the DER that was expected; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Element:
    """One value: its tag, what is in it, and all of its bytes."""

    tag: int
    content: bytes
    raw: bytes


def encode(tag: int, *contents: bytes) -> bytes:
    """Return one value that holds `contents`, one after another."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def integer(value: int) -> bytes:
    """Return a non-negative INTEGER."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def object_identifier(dotted: str) -> bytes:
    """Return an OBJECT IDENTIFIER such as 1.2.840.10045.4.3.2."""
    first, second, *rest = map(int, dotted.split("."))
    body = bytearray([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        body += bytes(reversed(groups))
    return encode(OID, bytes(body))


def elements(data: bytes) -> list[Element]:
    """Split `data`, which must be whole values and nothing more. Raises DerError."""
    found: list[Element] = []
    position = 0
    while position < len(data):
        if len(found) == MAX_ELEMENTS:
            raise DerError("more values than a signature has")
        element = _element(data, position)
        found.append(element)
        position += len(element.raw)
    return found


def only(data: bytes, tag: int) -> Element:
    """Return the one value of `data`, which must have `tag`. Raises DerError."""
    found = elements(data)
    if len(found) != 1 or found[0].tag != tag:
        raise DerError(f"not exactly one value of type {tag:#x}")
    return found[0]


def shaped(data: bytes, *tags: int) -> list[Element]:
    """Return the values of `data`, which must have exactly these tags. Raises DerError."""
    found = elements(data)
    if [element.tag for element in found] != list(tags):
        raise DerError(f"types {[hex(e.tag) for e in found]}, expected {[hex(t) for t in tags]}")
    return found


def _element(data: bytes, start: int) -> Element:
    if len(data) - start < 2:
        raise DerError("cut off in a length")
    tag, size = data[start], data[start + 1]
    body = start + 2
    if tag & 0x1F == 0x1F:
        raise DerError("a tag of more than one byte")
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3 or len(data) - body < count:
            raise DerError("a length that no signature has")
        size = int.from_bytes(data[body : body + count], "big")
        if size < 0x80 or size >> 8 * (count - 1) == 0:
            raise DerError("a length that is not written the shortest way")
        body += count
    if size > len(data) - body:
        raise DerError("cut off in a value")
    return Element(tag, data[body : body + size], data[start : body + size])
