# SPDX-License-Identifier: Apache-2.0
"""What goes into an image comes out of it, by our reader and by e2fsprogs'."""

from __future__ import annotations

import os
import stat
import struct
import tarfile
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.image import Image
from tests.unit.image.inputs import Debugfs, ImageMaker, TarBuilder

pytestmark = pytest.mark.needs("e2fsck", "debugfs")

CAPABILITY = struct.pack("<IIIII", 0x02000001, 0x400, 0, 0, 0)  # cap_net_bind_service=ep
WEIRD_NAMES = [
    b"with space",
    b'with "quotes"',
    b"with 'apostrophes'",
    b"new\nline",
    b"tab\tand\rreturn",
    b"back\\slash",
    b"-dash",
    b"$(dollar) `tick` ;semi|pipe",
    "ünïcödé-漢字-🦀".encode(),
    b"latin1-\xe9\xff",
    b"<angle> & {brace}",
    b"n" * 255,
]


def test_owners_modes_and_times_are_kept(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs
) -> None:
    tar.add("file", b"data", mode=0o4751, uid=100_000, gid=70_000, mtime=1_234_567_890.25)
    tar.directory("dir", mode=0o1777, uid=5, gid=6)
    with image_of(tar) as image:
        file, directory = image.stat("/file"), image.stat("/dir")
        told = debugfs(image.path, "stat /file")
    assert (stat.S_IMODE(file.mode), file.uid, file.gid) == (0o4751, 100_000, 70_000)
    assert file.mtime_ns == 1_234_567_890_250_000_000
    assert (stat.S_IMODE(directory.mode), directory.uid, directory.gid) == (0o1777, 5, 6)
    assert "Mode:  04751" in told
    assert "User: 100000" in told
    assert "Group: 70000" in told


def test_devices_fifos_and_their_numbers_are_kept(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs
) -> None:
    tar.add("null", kind=tarfile.CHRTYPE, device=(1, 3), mode=0o666)
    tar.add("large", kind=tarfile.BLKTYPE, device=(259, 70_000), mode=0o600)
    tar.add("pipe", kind=tarfile.FIFOTYPE)
    with image_of(tar) as image:
        assert stat.S_ISCHR(image.stat("/null").mode)
        assert image.stat("/null").device == (1, 3)
        assert image.stat("/large").device == (259, 70_000)
        assert stat.S_ISFIFO(image.stat("/pipe").mode)
        assert "01:03" in debugfs(image.path, "stat /null")


def test_hard_links_share_one_inode(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.add("b/original", b"shared")
    tar.add("a/link", kind=tarfile.LNKTYPE, link="b/original")
    tar.add("c/link", kind=tarfile.LNKTYPE, link="./b/original")
    with image_of(tar) as image:
        files = [image.stat(path) for path in ("/a/link", "/b/original", "/c/link")]
        assert len({file.inode for file in files}) == 1
        assert {file.links for file in files} == {3}
        assert image.read("/a/link") == b"shared"


@pytest.mark.parametrize("length", [1, 59, 60, 61, 255, 4095])
def test_symbolic_links_of_any_length_are_kept(
    tar: TarBuilder, image_of: ImageMaker, length: int
) -> None:
    target = ("x/" * 2048)[:length]
    tar.symlink("link", target)
    with image_of(tar) as image:
        assert image.stat("/link", follow=False).target == target


@pytest.mark.parametrize("name", WEIRD_NAMES)
def test_every_name_is_kept(tar: TarBuilder, image_of: ImageMaker, name: bytes) -> None:
    tar.add(name, name)
    tar.add(b"dir-" + name[:200] + b"/inside", b"deep")
    with image_of(tar) as image:
        text = name.decode(errors="surrogateescape")
        assert image.read(f"/{text}") == name
        assert f"/{text}" in [file.path for file in image.list("/")]


def test_extended_attributes_are_kept_inside_the_inode(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs
) -> None:
    tar.add("tool", b"x", xattrs={"security.capability": CAPABILITY, "user.note": b""})
    with image_of(tar) as image:
        assert image.stat("/tool").xattrs == {"security.capability": CAPABILITY, "user.note": b""}
        listed = debugfs(image.path, "ea_list /tool")
    assert "security.capability (20) = 01 00 00 02 00 04 00 00" in listed
    assert "user.note (0)" in listed


def test_large_extended_attributes_go_to_a_block(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs
) -> None:
    wanted = {f"user.key{number}": bytes([number]) * 100 for number in range(20)}
    wanted["trusted.binary"] = bytes(range(256))
    tar.add("file", b"x", xattrs=wanted)
    tar.directory("dir")
    with image_of(tar) as image:
        assert image.stat("/file").xattrs == wanted
        assert "user.key19 (100)" in debugfs(image.path, "ea_list /file")


def test_too_large_extended_attributes_are_refused(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.add("file", b"x", xattrs={"user.big": bytes(5000)})
    with pytest.raises(RktioError, match="attributes"):
        image_of(tar)


def test_access_control_lists_keep_their_form(tar: TarBuilder, image_of: ImageMaker) -> None:
    acl = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, permissions, identity)
        for tag, permissions, identity in [
            (0x01, 6, 0xFFFFFFFF),
            (0x02, 4, 1000),
            (0x04, 4, 0xFFFFFFFF),
            (0x10, 4, 0xFFFFFFFF),
            (0x20, 0, 0xFFFFFFFF),
        ]
    )
    tar.add("file", b"x", xattrs={"system.posix_acl_access": acl})
    with image_of(tar) as image:
        assert image.stat("/file").xattrs == {"system.posix_acl_access": acl}


def test_files_of_all_sizes_are_kept(tar: TarBuilder, image_of: ImageMaker) -> None:
    sizes = [0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, 3_000_000]
    for size in sizes:
        tar.add(f"file{size}", os.urandom(min(size, 7)) * (size // 7 + 1))
    for size in sizes:
        tar.add(f"exact{size}", b"q" * size)
    with image_of(tar) as image:
        for size in sizes:
            assert image.read(f"/exact{size}") == b"q" * size


def test_big_sparse_files_stay_sparse(tmp_path: Path, image_of: ImageMaker) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with (root / "sparse").open("wb") as file:
        file.write(b"start")
        file.seek(1 << 36)  # 64 GiB
        file.write(b"middle")
        file.truncate(1 << 37)
    path = tmp_path / "sparse.img"
    with Image.create(path, directories=[root]) as image:
        assert image.stat("/sparse").size == 1 << 37
        image.extract("/sparse", tmp_path / "out")
    assert path.stat().st_blocks * 512 < 8 << 20
    assert (tmp_path / "out").stat().st_blocks * 512 < 1 << 20
    with (tmp_path / "out").open("rb") as file:
        assert file.read(6) == b"start\0"
        file.seek(1 << 36)
        assert file.read(7) == b"middle\0"


def test_a_file_of_many_fragments_has_a_deep_extent_tree(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs
) -> None:
    holed = (b"A" * 4096 + bytes(4096)) * 3000
    tar.add("holed", holed)
    with image_of(tar) as image:
        assert image.read("/holed") == holed
        assert "ETB1" in debugfs(image.path, "stat /holed")
    with (image.path.parent / "dumped").open("wb"):
        debugfs(image.path, f"dump /holed {image.path.parent / 'dumped'}")
    assert (image.path.parent / "dumped").read_bytes() == holed


@pytest.mark.parametrize(("count", "levels"), [(150, 0), (3000, 0), (7800, 1)])
def test_large_directories_are_hash_trees(
    tar: TarBuilder, image_of: ImageMaker, debugfs: Debugfs, count: int, levels: int
) -> None:
    padding = "x" * (200 if levels else 20)
    names = [f"{padding}-\u00e9-{number:06}" for number in range(count)]
    for name in names:
        tar.symlink(f"big/{name}", name)
    with image_of(tar) as image:
        assert sum(1 for _ in image.list("/big")) == count
        assert image.stat(f"/big/{names[count // 2]}", follow=False).target
        assert f"Indirect levels: {levels}\n" in debugfs(image.path, "htree_dump /big")


def test_a_later_file_replaces_an_earlier_one(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.add("file", b"old")
    tar.symlink("link", "file")
    tar.add("file", b"new")
    tar.add("link", b"now a file")
    with image_of(tar) as image:
        assert image.read("/file") == b"new"
        assert image.read("/link") == b"now a file"


def test_files_go_through_links_of_directories(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.directory("usr").directory("usr/lib")
    tar.symlink("lib", "usr/lib")
    tar.add("lib/one", b"1")
    tar.directory("lib")  # as a package without usr-merge brings it
    tar.add("/lib/two", b"2")
    with image_of(tar) as image:
        assert image.stat("/lib", follow=False).target == "usr/lib"
        assert image.read("/usr/lib/one") == b"1"
        assert image.read("/lib/two") == b"2"


def test_links_do_not_lead_out_of_the_image(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.symlink("up", "../../../..")
    tar.add("up/etc/file", b"inside")
    with image_of(tar) as image:
        assert image.read("/etc/file") == b"inside"
        assert image.read("/up/../up/etc/file") == b"inside"


def test_missing_parents_are_made(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.add("a/b/c/file", b"x")
    with image_of(tar) as image:
        parent = image.stat("/a/b")
        assert (stat.S_IMODE(parent.mode), parent.uid) == (0o755, 0)


def test_a_directory_knows_its_subdirectories(tar: TarBuilder, image_of: ImageMaker) -> None:
    for number in range(10):
        tar.directory(f"dir/{number}")
    with image_of(tar) as image:
        assert image.stat("/dir").links == 12


def test_lost_and_found_of_the_source_is_merged(tar: TarBuilder, image_of: ImageMaker) -> None:
    tar.directory("lost+found", mode=0o700)
    with image_of(tar) as image:
        assert [file.path for file in image.list("/")] == ["/lost+found"]


def test_sparse_members_of_a_tar_are_read(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "file").open("wb") as file:
        file.seek(5 << 20)
        file.write(b"tail")
    archive = tmp_path / "sparse.tar"
    command = f"tar --sparse -C {source} -cf {archive} ."
    assert os.system(command) == 0
    with Image.create(tmp_path / "i.img", tars=[archive]) as image:
        assert image.read("/file") == bytes(5 << 20) + b"tail"


def test_a_directory_keeps_links_modes_and_attributes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").write_bytes(b"x")
    (root / "sub" / "file").chmod(0o4711)
    (root / "hard").hardlink_to(root / "sub" / "file")
    (root / "soft").symlink_to("/sub/file")
    try:
        os.setxattr(root / "hard", "user.note", b"hi")
        expected = {"user.note": b"hi"}
    except OSError:
        expected = {}
    with Image.create(tmp_path / "i.img", directories=[root]) as image:
        file = image.stat("/hard")
        assert (stat.S_IMODE(file.mode), file.links, file.xattrs) == (0o4711, 2, expected)
        assert file.uid == os.getuid()
        assert file.mtime_ns == (root / "hard").stat().st_mtime_ns
        assert image.stat("/soft", follow=False).target == "/sub/file"
        assert image.read("/soft") == b"x"


def test_copies_belong_to_root(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "inner").write_text("inner")
    (tmp_path / "file").write_text("file")
    copies = [
        (tmp_path / "file", "/srv/renamed"),
        (tmp_path / "file", "/srv/"),
        (tmp_path / "tree", "/opt/tree"),
    ]
    with Image.create(tmp_path / "i.img", copies=copies) as image:
        assert image.read("/srv/renamed") == b"file"
        assert image.read("/srv/file") == b"file"
        assert image.read("/opt/tree/inner") == b"inner"
        assert (image.stat("/srv/file").uid, image.stat("/opt/tree").gid) == (0, 0)
