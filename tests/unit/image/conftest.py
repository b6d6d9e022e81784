# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from rktio.image import Image
from tests.unit.image.inputs import Debugfs, ImageMaker, TarBuilder, sound
from tests.unit.image.sealing import Refusal


@pytest.fixture
def tar(tmp_path: Path) -> TarBuilder:
    return TarBuilder(tmp_path / "input.tar")


@pytest.fixture
def image_of(tmp_path: Path) -> ImageMaker:
    """Make an image from a tar and check it with e2fsck."""

    def make(tar: TarBuilder) -> Image:
        path = tmp_path / "test.img"
        image = Image.create(path, tars=[tar.close()])
        sound(path)
        return image

    return make


@pytest.fixture
def debugfs() -> Debugfs:
    """Ask e2fsprogs' own reader about an image."""

    def ask(path: Path, command: str) -> str:
        done = subprocess.run(
            ["/sbin/debugfs", "-R", command, str(path)], capture_output=True, text=True, check=True
        )
        return done.stdout

    return ask


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Run `rkt-io-disk verify` on something that it must refuse."""
    capsys.readouterr()
    return Refusal(capsys)
