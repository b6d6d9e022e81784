# SPDX-License-Identifier: Apache-2.0
"""Strict JSON, base64 and hex: what has two readings, or is too long, is refused."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from rktio.owner.claims import refuse

JSON_DEPTH_MAX = 16
BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def parse_object(name: str, raw: bytes) -> dict[str, Any]:
    """Parse one JSON object: UTF-8, no double keys, no NaN, no deep nesting.

    Raises RefusedError.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
        # Escapes can spell what has no UTF-8 (half of a surrogate pair) and what has no JSON.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise refuse(name, f"malformed: {error}", "one JSON object") from error
    if not isinstance(value, dict):
        raise refuse(name, type(value).__name__, "a JSON object")
    if _depth(value) > JSON_DEPTH_MAX:
        raise refuse(name, "nested deeply", f"at most {JSON_DEPTH_MAX} levels")
    return value


def canonical_json(value: object) -> bytes:
    """Return RFC 8785 for objects, strings, integers and booleans: sorted keys, no spaces.

    Keys here are ASCII, where the order by code point is the order by UTF-16 unit.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def only_keys(
    name: str, value: object, required: Collection[str], optional: Collection[str] = ()
) -> None:
    """Refuse what isn't an object with all required keys and no unknown one."""
    if not isinstance(value, Mapping):
        raise refuse(name, type(value).__name__, "a JSON object")
    missing = sorted(set(required) - set(value))
    if missing:
        raise refuse(f"{name}.{missing[0]}", "absent", "present")
    unknown = sorted(set(value) - set(required) - set(optional))
    if unknown:
        known = ", ".join(sorted({*required, *optional}))
        raise refuse(f"{name} keys", unknown[0], f"only {known}")


def text(name: str, value: object, characters_max: int) -> str:
    """Return a string that is not too long."""
    if not isinstance(value, str):
        raise refuse(name, type(value).__name__, "a string")
    if len(value) > characters_max:
        raise refuse(name, f"{len(value)} characters", f"at most {characters_max}")
    return value


def hex_bytes(name: str, value: object, size: int) -> bytes:
    """Return bytes of lower-case hex digits."""
    digits = text(name, value, 2 * size)
    if not re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", digits):
        raise refuse(name, digits, f"{2 * size} lower-case hex digits")
    return bytes.fromhex(digits)


def base64_bytes(name: str, value: object, size_max: int) -> bytes:
    """Return bytes of standard base64, padded and canonical."""
    encoded = text(name, value, 4 * ((size_max + 2) // 3))
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse(name, f"malformed: {error}", "base64") from error
    if base64.b64encode(raw).decode() != encoded:
        raise refuse(name, "base64 with stray bits", "canonical base64")
    return raw


def base64url_bytes(name: str, value: object, size_max: int) -> bytes:
    """Return bytes of base64url without padding, canonical (RFC 7515, appendix C)."""
    encoded = text(name, value, 4 * ((size_max + 2) // 3))
    if not BASE64URL.fullmatch(encoded) or len(encoded) % 4 == 1:
        raise refuse(name, encoded, "base64url without padding")
    raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    if base64url(raw) != encoded:
        raise refuse(name, "base64url with stray bits", "canonical base64url")
    return raw


def base64url(raw: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: object) -> int:
    level, deepest = [value], 0
    while level:
        deepest += 1
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        level = below
    return deepest
