# SPDX-License-Identifier: Apache-2.0
"""The result file: DIR/results.json, of one schema, checked whenever it is read or written.

docs/benchmarks.md describes it. It is replaced as a whole after each run, so that an interruption
costs one run.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rktio.common.errors import RktioError

SCHEMA = "rkt-io-bench/1"
FILE_NAME = "results.json"

# A shape: a type, a tuple of types, [shape] for lists, {str: shape} for free keys, or a
# dict of fixed keys. None of the keys may be absent, and no others present.
Shape = Any
NUMBER = (int, float)
SESSION: Shape = {
    "started": str,
    "machine": dict,
    "rkt_io": {"version": str, "commit": str, "enclave": str},
    "python": str,
}
SAMPLE: Shape = {
    "session": int,
    "round": int,
    "system": str,
    "at": str,
    "load": [NUMBER],
    "seconds": NUMBER,
    "values": {str: {str: NUMBER}},  # case -> figure -> value
    "error": (str, type(None)),
}
SCENARIO: Shape = {
    "title": str,
    "figure": str,
    "digest": str,
    "length": str,
    "runs": int,
    "topology": str,
    "world_switch_cycles": (int, type(None)),  # None: no system of this run pays it
    "cpus": int,
    "systems": [str],
    "versions": {str: str},
    "sysctl": {str: str},
    "parameters": dict,
    "units": {str: str},
    "primary": str,
    "samples": [SAMPLE],
}
DOCUMENT: Shape = {"schema": str, "sessions": [SESSION], "scenarios": {str: SCENARIO}}


def empty() -> dict[str, Any]:
    """Return a document without results."""
    return {"schema": SCHEMA, "sessions": [], "scenarios": {}}


def load(folder: Path) -> dict[str, Any]:
    """Return the results of `folder`. Raises RktioError where there are none or wrong ones."""
    path = folder / FILE_NAME
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise RktioError(
            f"cannot read {path}: {error.strerror}", hint="rkt-io bench quick --out DIR makes one"
        ) from error
    except ValueError as error:
        raise RktioError(f"{path} is not JSON: {error}") from error
    validate(document, path)
    result: dict[str, Any] = document
    return result


def save(folder: Path, document: Mapping[str, Any]) -> None:
    """Replace the results of `folder`, by a complete file or not at all."""
    path = folder / FILE_NAME
    validate(document, path)
    unfinished = path.with_suffix(".new")
    with unfinished.open("w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def validate(document: Any, path: Path) -> None:
    """Refuse what is not of the schema. Raises RktioError naming the place."""
    if isinstance(document, dict) and document.get("schema") != SCHEMA:
        raise RktioError(f"{path}: schema {document.get('schema')!r}; this version reads {SCHEMA}")
    fault = _fault(document, DOCUMENT, "")
    if fault:
        raise RktioError(f"{path}: {fault}")
    for name, scenario in document["scenarios"].items():
        for sample in scenario["samples"]:
            if not 0 <= sample["session"] < len(document["sessions"]):
                raise RktioError(f"{path}: scenarios.{name}: a sample of no session")


def _fault(value: Any, shape: Shape, place: str) -> str | None:
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place} must be a list"
        return next(
            (f for i, v in enumerate(value) if (f := _fault(v, shape[0], f"{place}[{i}]"))), None
        )
    if isinstance(shape, dict):
        return _fault_of_table(value, shape, place)
    if not isinstance(value, shape) or (isinstance(value, bool) and shape is not bool):
        return f"{place} must not be {value!r}"
    return None


def _fault_of_table(value: Any, shape: Mapping[Any, Shape], place: str) -> str | None:
    if not isinstance(value, dict):
        return f"{place or 'the document'} must be a table"
    if str in shape:
        shapes = dict.fromkeys(value, shape[str])
    elif set(value) != set(shape):
        odd = sorted(set(value) ^ set(shape))
        return f"{place or 'the document'}: {odd[0]} is missing or unknown"
    else:
        shapes = dict(shape)
    prefix = f"{place}." if place else ""
    return next((f for k, v in value.items() if (f := _fault(v, shapes[k], prefix + k))), None)
