# SPDX-License-Identifier: Apache-2.0
"""The kernel tree: known tarballs only, an overlay that only adds, a configuration that took."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rktio.common.errors import RktioError

VERSION_TEXT = """\
# a comment
series=6.12
package=linux-source-6.12
source=6.12.1-1 {known}
epoch=1763164800
objects=10
"""


def write_version(tree: ModuleType, folder: Path, known: str) -> Any:
    path = folder / "linux.version"
    path.write_text(VERSION_TEXT.format(known=known))
    return tree.LinuxVersion.read(path)


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    source = tmp_path / "linux-6.12.1"
    source.mkdir()
    (source / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n")
    path = tmp_path / "linux.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(source, "linux-6.12.1")
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_checkout_pins_a_tarball_and_a_series(tree: ModuleType) -> None:
    version = tree.LinuxVersion.read(tree.HERE / "linux.version")
    assert version.series == "6.12"
    assert all(len(digest) == 64 for digest in version.known)
    assert version.sources


def test_an_unreadable_line_is_named(tree: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "linux.version"
    path.write_text("series=6.12\nsauce=1 2\n")
    with pytest.raises(RktioError, match=r"linux\.version:2: .*sauce"):
        tree.LinuxVersion.read(path)


def test_a_known_tarball_is_taken(tree: ModuleType, tmp_path: Path, tarball: Path) -> None:
    version = write_version(tree, tmp_path, digest_of(tarball))
    assert tree.find_tarball(version, tmp_path, tarball, None) == (tarball, digest_of(tarball))


def test_an_unknown_tarball_is_refused(tree: ModuleType, tmp_path: Path, tarball: Path) -> None:
    version = write_version(tree, tmp_path, "0" * 64)
    with pytest.raises(RktioError, match="unknown checksum") as caught:
        tree.find_tarball(version, tmp_path, tarball, None)
    assert caught.value.hint is not None
    assert digest_of(tarball) in caught.value.hint


def test_a_tarball_the_user_vouches_for_is_taken(
    tree: ModuleType, tmp_path: Path, tarball: Path
) -> None:
    version = write_version(tree, tmp_path, "0" * 64)
    assert tree.find_tarball(version, tmp_path, tarball, digest_of(tarball))[0] == tarball


def test_a_tarball_that_is_not_what_the_user_vouched_for_is_refused(
    tree: ModuleType, tmp_path: Path, tarball: Path
) -> None:
    version = write_version(tree, tmp_path, digest_of(tarball))
    with pytest.raises(RktioError, match="not " + "1" * 64):
        tree.find_tarball(version, tmp_path, tarball, "1" * 64)


def test_a_tree_is_unpacked_and_patched(tree: ModuleType, tmp_path: Path, tarball: Path) -> None:
    patch = tmp_path / "0001-make-say.patch"
    patch.write_text("--- a/Makefile\n+++ b/Makefile\n@@ -3 +3 @@\n-SUBLEVEL = 1\n+SUBLEVEL = 2\n")
    tree.unpack(tarball, tmp_path / "tree", [patch])
    assert "SUBLEVEL = 2" in (tmp_path / "tree/Makefile").read_text()
    assert not (tmp_path / "tree.part").exists()


def test_a_patch_that_does_not_apply_leaves_no_tree(
    tree: ModuleType, tmp_path: Path, tarball: Path
) -> None:
    patch = tmp_path / "0001-make-fail.patch"
    patch.write_text("--- a/Makefile\n+++ b/Makefile\n@@ -3 +3 @@\n-OTHER = 1\n+OTHER = 2\n")
    with pytest.raises(RktioError, match="patch"):
        tree.unpack(tarball, tmp_path / "tree", [patch])
    assert not (tmp_path / "tree").exists()


def test_another_series_is_refused(tree: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 18\n")
    with pytest.raises(RktioError, match=r"Linux 6\.18"):
        tree.check_series(tmp_path, "6.12")


def lay(tree: ModuleType, root: Path, files: dict[str, str]) -> None:
    """Make root/overlay hold exactly these files, and lay it over root/tree."""
    overlay = root / "overlay"
    for path in [*overlay.rglob("*")]:
        if path.is_file():
            path.unlink()
    for name, content in files.items():
        (overlay / name).parent.mkdir(parents=True, exist_ok=True)
        (overlay / name).write_text(content)
    (root / "tree").mkdir(exist_ok=True)
    tree.lay_overlay(overlay, root / "tree")


def test_an_unchanged_file_keeps_its_time(tree: ModuleType, tmp_path: Path) -> None:
    lay(tree, tmp_path, {"arch/libos/a.c": "1", "arch/libos/b.c": "1"})
    before = (tmp_path / "tree/arch/libos/a.c").stat().st_mtime_ns
    lay(tree, tmp_path, {"arch/libos/a.c": "1", "arch/libos/b.c": "2"})
    assert (tmp_path / "tree/arch/libos/a.c").stat().st_mtime_ns == before
    assert (tmp_path / "tree/arch/libos/b.c").read_text() == "2"


def test_a_file_that_left_the_overlay_leaves_the_tree(tree: ModuleType, tmp_path: Path) -> None:
    lay(tree, tmp_path, {"a.c": "1", "b.c": "1"})
    lay(tree, tmp_path, {"b.c": "1"})
    assert not (tmp_path / "tree/a.c").exists()
    assert (tmp_path / "tree/b.c").exists()


def test_the_overlay_cannot_replace_a_file_of_linux(tree: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/Makefile").write_text("Linux's own")
    with pytest.raises(RktioError, match="would replace a file of Linux"):
        lay(tree, tmp_path, {"Makefile": "ours"})
    assert (tmp_path / "tree/Makefile").read_text() == "Linux's own"


def test_a_cached_header_survives_a_change_in_the_tree(tree: ModuleType, tmp_path: Path) -> None:
    lay(tree, tmp_path, {"a.h": "old"})
    (tmp_path / "cached.h").hardlink_to(tmp_path / "tree/a.h")
    lay(tree, tmp_path, {"a.h": "new"})
    assert (tmp_path / "cached.h").read_text() == "old"


def test_a_fragment_is_read_and_written_back(tree: ModuleType) -> None:
    text = '# CONFIG_SWAP is not set\nCONFIG_NET=y\nCONFIG_LOCALVERSION="-rktio"\n'
    wanted = tree.read_fragment(text, "base.config")
    assert wanted == {"CONFIG_SWAP": "n", "CONFIG_NET": "y", "CONFIG_LOCALVERSION": '"-rktio"'}
    assert tree.render_fragment(wanted) == text


def test_a_line_that_is_no_setting_is_named(tree: ModuleType) -> None:
    with pytest.raises(RktioError, match=r"base\.config:2"):
        tree.read_fragment("CONFIG_NET=y\nNET=y\n", "base.config")


def test_a_symbol_that_kconfig_did_not_grant_fails_the_build(tree: ModuleType) -> None:
    wanted = {"CONFIG_NET": "y", "CONFIG_DM_CRYPT": "y", "CONFIG_SWAP": "n"}
    with pytest.raises(RktioError, match=r"CONFIG_DM_CRYPT=y \(got n\)") as caught:
        tree.check_config(wanted, "CONFIG_NET=y\n")
    assert "CONFIG_NET" not in caught.value.message.replace("CONFIG_NET_", "")


def test_a_configuration_that_took_passes(tree: ModuleType) -> None:
    tree.check_config(
        {"CONFIG_NET": "y", "CONFIG_SWAP": "n"}, "CONFIG_NET=y\n# CONFIG_SWAP is not set\n"
    )
