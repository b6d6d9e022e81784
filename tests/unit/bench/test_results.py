# SPDX-License-Identifier: Apache-2.0
"""The result file: what is not of the schema is refused, and a save is all or nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rktio.bench import results
from rktio.common.errors import RktioError
from tests.unit.bench.result_sets import ANYWHERE, document, steady

GOOD = document(steady(100.0, 150.0))


def test_saved_is_loaded_again(tmp_path: Path) -> None:
    results.save(tmp_path, GOOD)

    assert results.load(tmp_path) == GOOD
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def _drop(document: dict[str, Any]) -> None:
    del document["scenarios"]["nginx"]["digest"]


def _add(document: dict[str, Any]) -> None:
    document["scenarios"]["nginx"]["colour"] = "red"


def _mistype(document: dict[str, Any]) -> None:
    document["scenarios"]["nginx"]["samples"][0]["values"]["1KiB"]["p99"] = "fast"


def _orphan(document: dict[str, Any]) -> None:
    document["scenarios"]["nginx"]["samples"][0]["session"] = 7


def _later(document: dict[str, Any]) -> None:
    document["schema"] = "rkt-io-bench/99"


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_drop, "digest is missing"),
        (_add, "colour is missing or unknown"),
        (_mistype, r"samples\[0\].values.1KiB.p99 must not be 'fast'"),
        (_orphan, "a sample of no session"),
        (_later, "rkt-io-bench/99"),
    ],
)
def test_wrong_document_is_refused(harm: Callable[[dict[str, Any]], None], told: str) -> None:
    harmed = copy.deepcopy(GOOD)
    harm(harmed)

    with pytest.raises(RktioError, match=told):
        results.validate(harmed, ANYWHERE)


def test_missing_results_say_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(RktioError) as caught:
        results.load(tmp_path)

    assert caught.value.hint is not None
    assert "bench quick" in caught.value.hint
