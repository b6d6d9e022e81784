# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from tests.unit.image.inputs import ImageMaker, TarBuilder

pytestmark = pytest.mark.needs("e2fsck")


def test_a_directory_comes_out_as_it_went_in(
    tar: TarBuilder, image_of: ImageMaker, tmp_path: Path
) -> None:
    tar.directory("top", mode=0o750)
    tar.add("top/file", b"data", mode=0o640, uid=os.getuid(), gid=os.getgid(), mtime=1_000_000)
    tar.add("top/hard", kind=tarfile.LNKTYPE, link="top/file")
    tar.symlink("top/soft", "/etc/passwd")
    tar.add("top/sub/new\nline", b"weird")
    with image_of(tar) as image:
        image.extract("/top", tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "file").read_bytes() == b"data"
    assert stat.S_IMODE((out / "file").stat().st_mode) == 0o640
    assert (out / "file").stat().st_mtime == 1_000_000
    assert (out / "hard").samefile(out / "file")
    assert (out / "soft").readlink() == Path("/etc/passwd")
    assert (out / "sub" / "new\nline").read_bytes() == b"weird"
    assert stat.S_IMODE(out.stat().st_mode) == 0o750


def test_the_whole_image_can_be_extracted(
    tar: TarBuilder, image_of: ImageMaker, tmp_path: Path
) -> None:
    tar.add("a", b"1").add("b/c", b"2")
    with image_of(tar) as image:
        image.extract("/", tmp_path / "out")
    assert (tmp_path / "out" / "b" / "c").read_bytes() == b"2"


def test_an_existing_destination_is_not_touched(
    tar: TarBuilder, image_of: ImageMaker, tmp_path: Path
) -> None:
    tar.add("file", b"new")
    (tmp_path / "out").write_bytes(b"old")
    with image_of(tar) as image, pytest.raises(RktioError, match="exists already"):
        image.extract("/file", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"old"


def test_an_absent_file_is_named(tar: TarBuilder, image_of: ImageMaker, tmp_path: Path) -> None:
    tar.add("file", b"x")
    with image_of(tar) as image, pytest.raises(RktioError, match="no /absent in"):
        image.extract("/absent", tmp_path / "out")
