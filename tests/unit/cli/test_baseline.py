# SPDX-License-Identifier: Apache-2.0
"""The folder that a baseline on the host's kernel runs in, and images that none may run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rktio.cli import baseline
from rktio.common.errors import RktioError
from rktio.host.baseline import Io
from rktio.host.options import RunOptions
from tests import standin


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return standin.make_image(tmp_path / "app.img", tmp_path / "root")


def test_a_tree_is_made_once_and_again_for_another_image(image: Path) -> None:
    first = baseline.tree_of(image)
    marked = first / "written by a program"
    marked.touch()
    assert baseline.tree_of(image) == first
    assert marked.exists()

    os.utime(image, (1, 1))
    second = baseline.tree_of(image)

    assert (second / "bin" / "program").exists()
    assert not first.exists()


@pytest.mark.parametrize("io", [Io.SYNC, Io.SWITCHLESS, Io.LIBOS_HOST])
def test_sealed_images_are_refused(tmp_path: Path, io: Io) -> None:
    sealed = tmp_path / "sealed.img"
    sealed.write_bytes(bytes(512) + b"EFI PART" + bytes(512))

    with pytest.raises(RktioError, match="is sealed"):
        baseline.with_tree(RunOptions(sealed, "true", io=io))


def test_mounts_need_root(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(RktioError, match="need root"):
        baseline.with_tree(RunOptions(image, "true", io=Io.SYNC))


def test_libos_host_needs_no_tree(image: Path) -> None:
    options = RunOptions(image, "true", io=Io.LIBOS_HOST)

    assert baseline.with_tree(options) == options
