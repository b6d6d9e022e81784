# SPDX-License-Identifier: Apache-2.0
"""Cut, swapped, older and foreign images are refused, and the check is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rktio.cli import disk
from rktio.common.signing import PublicKey, make_key
from rktio.image import gpt, verity
from rktio.image.layout import MAX_BYTES, SIGNATURE_BYTES
from rktio.image.seal import Seal
from rktio.image.sealed import Check, SealedImage
from tests.unit.image.sealing import (
    KEY,
    Refusal,
    Sealed,
    make_sealed,
    patched,
    read_at,
    seal_image,
    write_root,
)

pytestmark = pytest.mark.needs("e2fsck")

SECTOR = gpt.SECTOR_BYTES
BLOCK = verity.BLOCK_BYTES


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return make_sealed(tmp_path_factory.mktemp("sealed"))


@pytest.mark.parametrize(
    "size",
    [0, 1, 511, 512, 17 * 1024, 1 << 20, (4 << 20) + 1, 8 << 20, -1, -512, -4096, -(1 << 20)],
)
def test_a_truncated_image_is_refused(
    sealed: Sealed, tmp_path: Path, refused: Refusal, size: int
) -> None:
    copy = tmp_path / "short.img"
    copy.write_bytes(sealed.path.read_bytes())
    os.truncate(copy, size if size >= 0 else sealed.layout.total_bytes + size)
    known = size % SECTOR == 0 and (size < 0 or size >= 4 << 20)
    refused(copy, sealed.certificate, Check.TABLE if known else Check.SIZE)


@pytest.mark.parametrize("more", [1, 512, 1 << 20])
def test_an_image_with_more_behind_it_is_refused(
    sealed: Sealed, tmp_path: Path, refused: Refusal, more: int
) -> None:
    copy = tmp_path / "long.img"
    copy.write_bytes(sealed.path.read_bytes() + bytes(more))
    refused(copy, sealed.certificate, Check.SIZE if more == 1 else Check.TABLE)


@pytest.mark.parametrize(("left", "right"), [(0, 1), (300, 301), (256, 4000), (1000, 3000)])
def test_swapped_blocks_are_refused(
    sealed: Sealed, refused: Refusal, left: int, right: int
) -> None:
    start = sealed.layout.root_offset
    a, b = (read_at(sealed.path, start + n * BLOCK, BLOCK) for n in (left, right))
    with (
        patched(sealed.path, start + left * BLOCK, b),
        patched(sealed.path, start + right * BLOCK, a),
    ):
        refused(sealed.path, sealed.certificate, Check.DATA)


def test_an_older_image_of_the_owner_is_refused(
    sealed: Sealed, tmp_path: Path, refused: Refusal
) -> None:
    old = tmp_path / "old.img"
    seal_image(old, write_root(tmp_path, "old"), Seal(KEY, sealed.owner))
    with SealedImage.open(old) as image:
        image.verify(sealed.owner.public, deep=True)
    wanted = ("--root-hash", sealed.root_hash.hex())
    refused(old, sealed.certificate, Check.ROOT_HASH, *wanted)
    signature = read_at(old, sealed.layout.signature_offset, SIGNATURE_BYTES)
    with patched(sealed.path, sealed.layout.signature_offset, signature):
        refused(sealed.path, sealed.certificate, Check.SIGNATURE)
    block = read_at(old, sealed.layout.root_offset + (8 << 20), BLOCK)
    other = read_at(sealed.path, sealed.layout.root_offset + (9 << 20), BLOCK)
    assert block != other
    with patched(sealed.path, sealed.layout.root_offset + (9 << 20), block):
        refused(sealed.path, sealed.certificate, Check.DATA)


def test_another_volume_key_is_refused(sealed: Sealed, tmp_path: Path, refused: Refusal) -> None:
    (tmp_path / "wrong").write_bytes(KEY.secret[::-1])
    more = ("--volume-key-file", str(tmp_path / "wrong"))
    refused(sealed.path, sealed.certificate, Check.KEY, *more)


def test_the_image_is_whole_after_all_that(sealed: Sealed) -> None:
    with SealedImage.open(sealed.path) as image:
        image.verify(sealed.owner.public, deep=True, key=KEY)


@pytest.mark.parametrize("what", [b"", b"not a key", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_refused(
    sealed: Sealed, tmp_path: Path, what: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_bytes(what)
    assert disk.main(["verify", "--key", str(tmp_path / "key"), str(sealed.path)]) == 1
    assert "neither a certificate nor a public key" in capsys.readouterr().err


def test_a_private_key_is_not_what_verify_takes(tmp_path: Path, sealed: Sealed) -> None:
    make_key(tmp_path / "k")
    with pytest.raises(Exception, match="is a private key"):
        PublicKey.load(tmp_path / "k.key")


def test_an_image_too_large_to_check_in_memory_is_refused(
    sealed: Sealed, tmp_path: Path, refused: Refusal
) -> None:
    copy = tmp_path / "large.img"
    copy.write_bytes(sealed.path.read_bytes())
    os.truncate(copy, MAX_BYTES + SECTOR)  # sparse: it takes no space
    refused(copy, sealed.certificate, Check.SIZE)
