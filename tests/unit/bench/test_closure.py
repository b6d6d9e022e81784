# SPDX-License-Identifier: Apache-2.0
"""What an image of one host program holds, and where it is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rktio.bench import closure
from rktio.common.errors import RktioError
from rktio.image import Image

LDD = """\
\tlinux-vdso.so.1 (0x00007ffd8a1f2000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1d7c600000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f1d7c8e5000)
"""


def test_libraries_and_the_loader_are_found_but_not_the_vdso() -> None:
    assert closure.parse_ldd(LDD) == [
        Path("/lib/x86_64-linux-gnu/libc.so.6"),
        Path("/lib64/ld-linux-x86-64.so.2"),
    ]


def test_missing_library_is_refused() -> None:
    with pytest.raises(RktioError, match=r"libgone\.so"):
        closure.parse_ldd("\tlibgone.so => not found\n")


def test_closure_of_a_real_program_starts_with_it() -> None:
    program = Path(shutil.which("true") or "/bin/true")

    files = closure.closure(program)

    assert files[0] == program
    assert all(path.is_file() for path in files)
    assert any(path.name.startswith("libc.so") for path in files)


def test_fingerprint_depends_on_where_parts_end() -> None:
    assert closure.fingerprint([b"ab", b"c"]) != closure.fingerprint([b"a", b"bc"])


def test_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert closure.cache_directory() == tmp_path / "rkt-io" / "bench"


def test_scratch_directory_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with closure.scratch_directory() as folder:
        (folder / "file").write_bytes(b"x")

    assert list(closure.cache_directory().iterdir()) == []


def test_copy_of_an_image_stays_sparse(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    (tmp_path / "folder").mkdir()

    copy = closure.scratch_copy(image, tmp_path / "folder")

    assert copy.stat().st_size == 64 << 20
    assert copy.stat().st_blocks * 512 < 1 << 20


def test_file_system_is_named_by_type() -> None:
    assert closure.file_system_of(Path("/proc/self")).startswith("proc on ")


def test_image_holds_the_program_with_its_libraries_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin") is None:
        pytest.skip("mkfs.ext4 is not installed (e2fsprogs)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = Path(shutil.which("true") or "/bin/true")

    made = closure.image_with(program, "/opt/program", 64 << 20)
    written_at = made.stat().st_mtime_ns

    assert closure.image_with(program, "/opt/program", 64 << 20) == made
    assert made.stat().st_mtime_ns == written_at
    with Image.open(made) as image:
        assert image.stat("/opt/program").size == program.stat().st_size
        assert image.stat("/").mode & 0o777 == 0o755
        for library in closure.closure(program)[1:]:
            assert image.stat(str(library)).size == library.stat().st_size
