# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common import paths
from rktio.common.errors import RktioError


@pytest.fixture(autouse=True)
def no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(paths.BINARY_VARIABLE, raising=False)


def test_a_checkout_runs_its_own_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "rktio")
    (tmp_path / "enclave" / "libos").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    built = tmp_path / "build" / "rkt-io-enclave"
    built.touch()
    assert paths.enclave_binary() == built


def test_a_wheel_runs_the_enclave_it_carries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "rktio")
    carried = tmp_path / "rktio" / "_enclave" / "rkt-io-enclave"
    carried.parent.mkdir(parents=True)
    carried.touch()
    assert paths.enclave_binary() == carried


def test_a_checkout_that_is_not_built_says_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "rktio")
    (tmp_path / "enclave" / "libos").mkdir(parents=True)
    with pytest.raises(RktioError, match="not built") as caught:
        paths.enclave_binary()
    assert caught.value.hint == f"make -C {tmp_path} build"


def test_a_named_enclave_is_run_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "copy"
    named.touch()
    monkeypatch.setenv(paths.BINARY_VARIABLE, str(named))
    assert paths.enclave_binary() == named


def test_a_named_enclave_that_is_missing_says_who_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(paths.BINARY_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(RktioError, match="none does not exist") as caught:
        paths.enclave_binary()
    assert caught.value.hint == f"{paths.BINARY_VARIABLE} names no file"
