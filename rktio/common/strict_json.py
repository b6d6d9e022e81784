# SPDX-License-Identifier: Apache-2.0
"""JSON from outside: bounded, without duplicate keys, floats or NaN; and its canonical form."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class JsonError(ValueError):
    """The text is not the JSON that was expected; the text says what is wrong."""


def parse_object(data: bytes, limit_bytes: int) -> dict[str, Any]:
    """Parse one JSON object of at most `limit_bytes` of UTF-8. Raises JsonError."""
    if len(data) > limit_bytes:
        raise JsonError(f"{len(data)} bytes, more than {limit_bytes}")
    try:
        text = data.decode()
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except UnicodeDecodeError as error:
        raise JsonError("not UTF-8") from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except JsonError:
        raise
    except ValueError as error:  # JSONDecodeError, or an integer of too many digits
        raise JsonError(f"malformed JSON: {str(error)[:80]}") from error
    if not isinstance(value, dict):
        raise JsonError("not a JSON object")
    return value


def canonical(value: dict[str, Any]) -> bytes:
    """Return the one spelling: sorted keys, no spaces, ASCII with \\u escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise JsonError("a key occurs twice")
    return found


def _no_float(text: str) -> NoReturn:
    raise JsonError(f"{text[:20]} is not an integer")
