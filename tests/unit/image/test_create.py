# SPDX-License-Identifier: Apache-2.0
"""Images are reproducible, appear whole or not at all, and mistakes cost one line."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
from pathlib import Path
from uuid import UUID

import pytest

from rktio.common.errors import RktioError
from rktio.common.sizes import parse_size
from rktio.image import Image, probe
from rktio.image.allocator import ImageFullError
from rktio.image.mkfs import Need, make_empty
from rktio.image.sources import Copy
from tests.unit.image.inputs import ImageMaker, TarBuilder, sound

pytestmark = pytest.mark.needs("e2fsck")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def leftovers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a directory with a little of everything."""
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for number in range(200):
        (root / "etc" / f"file{number}").write_bytes(os.urandom(5000))
    (root / "link").symlink_to("etc/file1")
    (root / "hard").hardlink_to(root / "etc" / "file2")
    return root


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path, root: Path) -> None:
    for name in ("one.img", "two.img"):
        Image.create(tmp_path / name, directories=[root]).close()
        os.utime(root / "etc" / "file5", ns=(1, (root / "etc" / "file5").stat().st_mtime_ns))
    assert sha256(tmp_path / "one.img") == sha256(tmp_path / "two.img")


def test_the_order_of_the_host_directory_does_not_matter(tmp_path: Path, root: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in sorted(root.rglob("*"), reverse=True):
        (other / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
        if path.name == "hard" or path.is_dir():
            continue
        shutil.copy2(path, other / path.relative_to(root), follow_symlinks=False)
    (other / "hard").hardlink_to(other / "etc" / "file2")
    for path in (*root.rglob("*"), root):
        target = other / path.relative_to(root)
        status = path.lstat()
        os.utime(target, ns=(0, status.st_mtime_ns), follow_symlinks=False)
    Image.create(tmp_path / "one.img", directories=[root]).close()
    Image.create(tmp_path / "two.img", directories=[other]).close()
    assert sha256(tmp_path / "one.img") == sha256(tmp_path / "two.img")


def test_source_date_epoch_bounds_all_times(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    os.utime(root / "link", (0, 500_000_000), follow_symlinks=False)
    with Image.create(tmp_path / "i.img", directories=[root]) as image:
        assert image.stat("/etc/file1").mtime_ns == 1_000_000_000 * 10**9
        assert image.stat("/link", follow=False).mtime_ns == 500_000_000 * 10**9
        assert image.info().created == 1_000_000_000


def test_different_contents_have_different_uuids(tmp_path: Path, root: Path) -> None:
    first = Image.create(tmp_path / "one.img", directories=[root]).info().uuid
    (root / "new").write_text("new")
    assert Image.create(tmp_path / "two.img", directories=[root]).info().uuid != first


def test_an_existing_image_is_not_replaced(tmp_path: Path, root: Path) -> None:
    image = tmp_path / "app.img"
    image.write_bytes(b"precious")
    with pytest.raises(RktioError, match="exists already") as caught:
        Image.create(image, directories=[root])
    assert "--force" in str(caught.value.hint)
    assert image.read_bytes() == b"precious"
    Image.create(image, directories=[root], force=True).close()
    assert probe(image).blocks


def test_a_failure_leaves_nothing_behind(tmp_path: Path, root: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.img").write_bytes(b"precious")
    (root / "large").write_bytes(os.urandom(20 << 20))
    with pytest.raises(RktioError, match="don't fit") as caught:
        Image.create(work / "app.img", directories=[root], size_bytes=16 << 20, force=True)
    assert "--size" in str(caught.value.hint)
    assert (work / "app.img").read_bytes() == b"precious"
    assert leftovers(work) == ["app.img"]


def test_the_default_size_leaves_room(tmp_path: Path, root: Path) -> None:
    with Image.create(tmp_path / "i.img", directories=[root]) as image:
        assert image.info().free_bytes >= 256 << 20
    assert (tmp_path / "i.img").stat().st_blocks * 512 < 8 << 20


def test_the_size_is_what_was_asked_for(tmp_path: Path, root: Path) -> None:
    with Image.create(tmp_path / "i.img", directories=[root], size_bytes=40 << 30) as image:
        assert image.info().size_bytes == 40 << 30
    assert (tmp_path / "i.img").stat().st_size == 40 << 30
    assert (tmp_path / "i.img").stat().st_blocks * 512 < 16 << 20


@pytest.mark.parametrize("size", [16 << 20, 24 << 20])
def test_the_suggested_size_is_enough(tmp_path: Path, root: Path, size: int) -> None:
    (root / "large").write_bytes(os.urandom(20 << 20))
    with pytest.raises(RktioError) as caught:
        Image.create(tmp_path / "i.img", directories=[root], size_bytes=size)
    enough = parse_size(str(caught.value.hint).split("at least --size ")[1])
    Image.create(tmp_path / "i.img", directories=[root], size_bytes=enough).close()


@pytest.mark.parametrize("kind", ["gz", "xz"])
def test_compressed_archives_are_unpacked(tmp_path: Path, root: Path, kind: str) -> None:
    plain = tmp_path / "root.tar"
    with tarfile.open(plain, "w") as tar:
        tar.add(root, ".")
    packed = tmp_path / f"root.tar.{kind}"
    data = plain.read_bytes()
    packed.write_bytes(gzip.compress(data) if kind == "gz" else lzma.compress(data))
    Image.create(tmp_path / "one.img", tars=[plain]).close()
    Image.create(tmp_path / "two.img", tars=[packed]).close()
    assert sha256(tmp_path / "one.img") == sha256(tmp_path / "two.img")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a readable tar"),
        (b"hello" * 1000, "not a readable tar"),
        (b"\x1f\x8b garbage", "archive"),
        (b"\xfd7zXZ garbage", "archive"),
    ],
)
def test_a_broken_archive_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    archive = tmp_path / "broken.tar"
    archive.write_bytes(data)
    with pytest.raises(RktioError, match=message):
        Image.create(tmp_path / "i.img", tars=[archive])
    assert leftovers(tmp_path) == ["broken.tar"]


def test_a_truncated_archive_is_refused(tmp_path: Path, root: Path) -> None:
    archive = tmp_path / "root.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root, ".")
    os.truncate(archive, archive.stat().st_size // 2 + 100)
    with pytest.raises(RktioError):
        Image.create(tmp_path / "i.img", tars=[archive])
    assert not (tmp_path / "i.img").exists()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil"])
def test_a_path_upwards_is_refused(tar: TarBuilder, image_of: ImageMaker, name: str) -> None:
    tar.add(name, b"x")
    with pytest.raises(RktioError, match=r"'\.\.'"):
        image_of(tar)


def test_a_file_never_replaces_a_directory(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.add("dir/file", b"x")
    tar.add("dir", b"x")
    with pytest.raises(RktioError, match="is a directory already"):
        image_of(tar)


def test_nothing_to_put_in_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RktioError, match="nothing to put"):
        Image.create(tmp_path / "i.img")


@pytest.mark.parametrize("name", ["--force", "red is", "REDIS", "~i", "?essential", "a", ""])
def test_a_wrong_package_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RktioError, match="not a package name"):
        Image.create(tmp_path / "i.img", debian=[name])


@pytest.mark.parametrize(
    ("text", "size"), [("8M", 8 << 20), ("2GiB", 2 << 30), ("1gb", 1 << 30), ("4096", 4096)]
)
def test_sizes_are_parsed(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1M", "1.5G", "1X", "²M"])
def test_a_wrong_size_is_refused(text: str) -> None:
    with pytest.raises(RktioError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize("text", ["nocolon", ":/dst", "src:", "src:relative"])
def test_a_wrong_copy_is_refused(text: str) -> None:
    with pytest.raises(RktioError, match="SRC:DST"):
        Copy.parse(text)


def test_a_copy_splits_at_the_last_colon() -> None:
    assert Copy.parse("a:b:/c") == Copy(Path("a:b"), "/c")


def test_missing_sources_are_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(RktioError, match="absent"):
        Image.create(tmp_path / "i.img", tars=[absent])
    with pytest.raises(RktioError, match="absent"):
        Image.create(tmp_path / "i.img", directories=[absent])
    with pytest.raises(RktioError, match="absent"):
        Image.create(tmp_path / "i.img", copies=[(absent, "/x")])


def test_too_many_files_for_a_small_image_are_refused(tmp_path: Path) -> None:
    (tmp_path / "i.img").touch()
    need = Need(data_bytes=0, inodes=60_000)
    with pytest.raises(ImageFullError):
        make_empty(tmp_path / "i.img", 16 << 20, need, uuid=UUID(int=1), epoch=1)


@pytest.mark.parametrize("size", [16 << 20, 17 << 20, 127 << 20, 128 << 20, 1 << 30, 300 << 30])
def test_an_image_may_have_any_size(tmp_path: Path, root: Path, size: int) -> None:
    Image.create(tmp_path / "i.img", directories=[root], size_bytes=size).close()
    sound(tmp_path / "i.img")
