# SPDX-License-Identifier: Apache-2.0
"""Sealed images: the same from the same inputs, signed later, and mistakes cost one line."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from rktio.cli import disk
from rktio.common.errors import RktioError
from rktio.common.signing import PublicKey, load_signing_key
from rktio.image.root_signature import RootSignature
from rktio.image.seal import Seal
from rktio.image.sealed import Check, SealedImage, SealError
from rktio.image.volume import VolumeKey
from tests.unit.image.sealing import KEY, Sealed, make_sealed, owner_key, seal_image, write_root

pytestmark = pytest.mark.needs("e2fsck")

HEADER_DIGEST = "980d4dd1eb49ec2e9e901ff3ab8cbd29c7eaaac3d2fbb5f1ef2b4f68f26cdc39"


@pytest.fixture(scope="module", params=["encrypted", "plain"])
def sealed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return make_sealed(tmp_path_factory.mktemp("sealed"), encrypted=request.param == "encrypted")


def root_hash_of(path: Path) -> str:
    with SealedImage.open(path) as image:
        return image.info().root_hash


def test_what_was_made_verifies(sealed: Sealed) -> None:
    with SealedImage.open(sealed.path) as image:
        key = KEY if image.encrypted else None
        done = image.verify(sealed.owner.public, deep=True, root_hash=sealed.root_hash, key=key)
    assert {Check.SIGNATURE, Check.TREE, Check.DATA} <= set(done)
    assert (Check.LUKS in done) == (key is not None)


def test_a_bare_public_key_verifies_too(sealed: Sealed, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = tmp_path / "owner.pub"
    form = PublicFormat.SubjectPublicKeyInfo
    pem.write_bytes(sealed.owner.public.key.public_bytes(Encoding.PEM, form))
    with SealedImage.open(sealed.path) as image:
        image.verify(PublicKey.load(pem))


def test_the_same_inputs_give_the_same_image_but_for_the_signature(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    for name in ("a", "b"):
        seal_image(tmp_path / name, root, Seal(KEY))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    seal_image(tmp_path / "c", root, Seal(KEY, owner_key(tmp_path)))
    assert root_hash_of(tmp_path / "c") == root_hash_of(tmp_path / "a")


def test_the_header_of_a_key_stays_what_it_was() -> None:
    """Guards what owners have recorded: a change here changes the hash of every image."""
    header = KEY.header()
    assert len(header) == 1 << 20
    assert sha256(header).hexdigest() == HEADER_DIGEST


def test_another_key_or_content_gives_another_root_hash(tmp_path: Path) -> None:
    other = VolumeKey(bytes(reversed(range(64))))
    seal_image(tmp_path / "a", write_root(tmp_path), Seal(KEY))
    seal_image(tmp_path / "b", tmp_path / "root-first", Seal(other))
    seal_image(tmp_path / "c", write_root(tmp_path, "second"), Seal(KEY))
    assert len({root_hash_of(tmp_path / name) for name in "abc"}) == 3


def test_nothing_of_the_contents_is_readable(tmp_path: Path) -> None:
    root = write_root(tmp_path, "a needle that is long enough")
    seal_image(tmp_path / "a", root, Seal(KEY))
    seal_image(tmp_path / "b", root, Seal())
    assert b"a needle that" not in (tmp_path / "a").read_bytes()
    assert b"a needle that" in (tmp_path / "b").read_bytes()
    assert KEY.secret[:32] not in (tmp_path / "a").read_bytes()


def test_an_unsigned_image_is_signed_later(tmp_path: Path) -> None:
    owner, image = owner_key(tmp_path), tmp_path / "a"
    seal_image(image, write_root(tmp_path), Seal(KEY))
    with SealedImage.open(image) as opened, pytest.raises(SealError, match="not signed"):
        opened.verify(owner.public)
    assert disk.main(["sign", "--key", str(tmp_path / "owner.key"), str(image)]) == 0
    assert disk.main(["verify", "--key", str(tmp_path / "owner.crt"), str(image)]) == 0


def test_another_owner_signs_instead(sealed: Sealed, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(sealed.path.read_bytes())
    other = owner_key(tmp_path, "other")
    with SealedImage.open(copy, writable=True) as image:
        image.sign(other)
        image.verify(other.public)
        with pytest.raises(SealError, match="signed by the certificate"):
            image.verify(sealed.owner.public)


def test_a_damaged_image_is_not_signed(sealed: Sealed, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    raw = bytearray(sealed.path.read_bytes())
    raw[sealed.layout.root_offset + (5 << 20)] ^= 1
    copy.write_bytes(raw)
    with SealedImage.open(copy, writable=True) as image, pytest.raises(SealError, match="data"):
        image.sign(sealed.owner)
    assert copy.read_bytes() == raw


def test_create_and_info_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    owner_key(tmp_path)
    words = ["create", "--directory", str(write_root(tmp_path)), "--encrypt"]
    words += ["--key-out", str(tmp_path / "v.key"), "--sign", str(tmp_path / "owner.key")]
    assert disk.main([*words, str(tmp_path / "a.img")]) == 0
    assert (tmp_path / "v.key").stat().st_mode & 0o777 == 0o600
    verify = ["verify", "--deep", "--key", str(tmp_path / "owner.crt")]
    verify += ["--volume-key-file", str(tmp_path / "v.key"), str(tmp_path / "a.img")]
    assert disk.main(verify) == 0
    capsys.readouterr()
    assert disk.main(["info", "--json", str(tmp_path / "a.img")]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["signed"] and info["encrypted"]
    assert info["partitions"][0]["name"] == "root"
    assert disk.main(["info", str(tmp_path / "a.img")]) == 0
    assert info["root_hash"] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--encrypt"], "needs a volume key"),
        (["--key-out", "{}/k"], "for --encrypt"),
        (["--encrypt", "--key-out", "{}/k", "--volume-key-file", "{}/v"], "needs a volume key"),
        (["--encrypt", "--volume-key-file", "{}/missing"], "No such file"),
        (["--encrypt", "--volume-key-file", "{}/short"], "64 bytes"),
        (["--encrypt", "--key-out", "{}/short"], "exists already"),
        (["--sign", "{}/missing.key"], "cannot read"),
        (["--sign", "{}/short"], "can be read by others"),
        (["--sign", "pkcs11:token=t"], "needs its certificate"),
        (["--certificate", "{}/c"], "goes with --sign"),
    ],
)
def test_a_mistake_costs_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    (tmp_path / "short").write_bytes(b"short")
    (tmp_path / "short").chmod(0o644)
    words = [word.format(tmp_path) for word in words]
    root = write_root(tmp_path)
    image = tmp_path / "a.img"
    assert disk.main(["create", "--directory", str(root), *words, str(image)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not image.exists()
    assert (tmp_path / "short").read_bytes() == b"short"


def test_a_failed_build_leaves_no_key_behind(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"there already")
    words = ["create", "--directory", str(write_root(tmp_path)), "--encrypt"]
    words += ["--key-out", str(tmp_path / "v.key"), str(tmp_path / "a.img")]
    assert disk.main(words) == 1
    assert not (tmp_path / "v.key").exists()


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    owner_key(tmp_path)
    before = (tmp_path / "owner.key").read_bytes()
    assert disk.main(["keygen", str(tmp_path / "owner")]) == 1
    assert (tmp_path / "owner.key").read_bytes() == before
    assert (tmp_path / "owner.key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    owner_key(tmp_path)
    (tmp_path / "owner.key").chmod(0o640)
    with pytest.raises(RktioError, match="can be read by others"):
        load_signing_key(str(tmp_path / "owner.key"))


def test_a_volume_key_of_equal_halves_is_refused() -> None:
    with pytest.raises(RktioError, match="halves"):
        VolumeKey(os.urandom(32) * 2)


def test_a_volume_key_does_not_print_itself() -> None:
    assert "0102" not in repr(KEY) and "\\x01" not in repr(KEY)
    assert "\\x01" not in repr(Seal(KEY))


def test_a_signature_document_has_one_spelling(sealed: Sealed) -> None:
    with SealedImage.open(sealed.path) as image:
        signature = image.signature()
    assert RootSignature.parse(signature.encode()) == signature
