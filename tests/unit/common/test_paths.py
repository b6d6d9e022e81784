# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from rktio.common import paths
from rktio.common.errors import RktioError


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
