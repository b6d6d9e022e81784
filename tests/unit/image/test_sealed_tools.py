# SPDX-License-Identifier: Apache-2.0
"""The ordinary tools agree with us: systemd-dissect, cryptsetup, veritysetup, openssl, a token."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from rktio.cli import disk
from rktio.common.errors import RktioError
from rktio.common.signing import PublicKey, load_private, load_signing_key
from rktio.image import luks2, verity
from rktio.image.sealed import SealedImage
from rktio.image.volume import Xts
from tests.unit.image.sealing import KEY, Sealed, make_sealed, part, read_at

TOKEN_MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    return make_sealed(tmp_path_factory.mktemp("sealed"))


@pytest.fixture
def root(sealed: Sealed, tmp_path: Path) -> Path:
    layout = sealed.layout
    return part(sealed.path, layout.root_offset, layout.root_bytes, tmp_path / "root")


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "volume.key"
    path.write_bytes(KEY.secret)
    return path


def tool(*words: str | Path, status: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        env=os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.mark.needs("systemd-dissect", "loop")
def test_systemd_dissect_calls_the_image_signed(sealed: Sealed) -> None:
    told = tool("systemd-dissect", "--json=short", sealed.path).splitlines()
    table = json.loads(next(line for line in told if line.startswith("{")))["mounts"]
    assert [row["designator"] for row in table] == ["root", "root-verity", "root-verity-sig"]
    assert table[0]["verity"] == "signed"
    assert table[0]["fstype"] == "crypto_LUKS"
    assert table[0]["rw"] == "ro"


@pytest.mark.needs("cryptsetup")
@pytest.mark.parametrize("option", ["--key-file", "--volume-key-file"])
def test_cryptsetup_opens_the_volume(root: Path, key_file: Path, option: str) -> None:
    tool("cryptsetup", "open", "--test-passphrase", option, key_file, root)


@pytest.mark.needs("cryptsetup")
def test_cryptsetup_refuses_another_key(root: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_bytes(KEY.secret[::-1])
    tool("cryptsetup", "open", "--test-passphrase", "--key-file", wrong, root, status=2)


@pytest.mark.needs("cryptsetup")
def test_cryptsetup_finds_nothing_to_mend(root: Path) -> None:
    dump = tool("cryptsetup", "luksDump", root)
    assert "aes-xts-plain64" in dump
    assert "sector: 4096" in dump
    before = root.read_bytes()
    tool("cryptsetup", "repair", "--batch-mode", root)
    assert root.read_bytes() == before


@pytest.mark.needs("cryptsetup")
def test_our_reader_opens_what_cryptsetup_encrypted(key_file: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    plain = os.urandom(1 << 20)
    volume.write_bytes(plain + bytes(32 << 20))
    tool(
        *("cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--batch-mode"),
        *("--reduce-device-size", "32M", "--resilience", "none", "--sector-size", "4096"),
        *("--cipher", "aes-xts-plain64", "--key-size", "512", "--key-file", key_file),
        *("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"),
        *("--volume-key-file", key_file, volume),
    )
    raw = volume.read_bytes()
    header = luks2.parse(raw[: luks2.HEADERS_BYTES])
    assert KEY.matches(header.digest)
    found = Xts(KEY.secret, 4096).decrypt(raw[header.offset : header.offset + len(plain)], 0)
    assert found == plain


@pytest.mark.needs("debugfs")
def test_the_decrypted_payload_is_the_file_system(root: Path, tmp_path: Path) -> None:
    header = luks2.parse(read_at(root, 0, luks2.HEADERS_BYTES))
    plain = tmp_path / "plain.img"
    plain.write_bytes(KEY.sectors.decrypt(root.read_bytes()[header.offset :], 0))
    assert tool("debugfs", "-R", "cat /etc/release", plain).endswith("first")
    tool("e2fsck", "-fn", plain)


@pytest.mark.needs("veritysetup")
def test_veritysetup_verifies_the_data(sealed: Sealed, root: Path, tmp_path: Path) -> None:
    layout = sealed.layout
    hashes = part(sealed.path, layout.verity_offset, layout.verity_bytes, tmp_path / "hashes")
    tool("veritysetup", "verify", root, hashes, sealed.root_hash.hex())
    tool("veritysetup", "verify", root, hashes, "0" * 64, status=1)


@pytest.mark.needs("veritysetup")
@pytest.mark.parametrize("blocks", [2, 127, 128, 129, 1000, 16385])
def test_the_tree_is_that_of_veritysetup(tmp_path: Path, blocks: int) -> None:
    data, hashes = tmp_path / "data", tmp_path / "hashes"
    content = bytes(range(256)) * 16 * blocks
    data.write_bytes(content)
    salt, uuid = bytes(range(32)), "01234567-89ab-4def-8123-456789abcdef"
    told = tool("veritysetup", "format", f"--salt={salt.hex()}", f"--uuid={uuid}", data, hashes)
    theirs = hashes.read_bytes()

    builder = verity.TreeBuilder(salt)
    builder.update(content)
    root_hash, tree = builder.finish()
    superblock = verity.Superblock.parse(theirs[: verity.BLOCK_BYTES])
    assert superblock.encode() + tree == theirs
    assert len(tree) == verity.tree_bytes(blocks)
    assert root_hash.hex() in told
    assert verity.checked_leaves(tree, superblock, root_hash) == builder.digests()


@pytest.mark.needs("openssl")
def test_openssl_verifies_our_signature(sealed: Sealed, tmp_path: Path) -> None:
    with SealedImage.open(sealed.path) as image:
        signature = image.signature().signature
    (tmp_path / "hash").write_text(sealed.root_hash.hex())
    (tmp_path / "signature").write_bytes(signature)
    tool(
        *("openssl", "smime", "-verify", "-binary", "-inform", "der", "-noverify", "-nointern"),
        *("-certfile", sealed.certificate, "-content", tmp_path / "hash"),
        *("-in", tmp_path / "signature", "-out", tmp_path / "out"),
    )


@pytest.mark.needs("openssl")
@pytest.mark.parametrize(
    "kind", [("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), ("rsa:3072",)], ids=["ec", "rsa"]
)
def test_we_verify_the_signature_of_openssl(tmp_path: Path, kind: tuple[str, ...]) -> None:
    key, certificate = tmp_path / "k.key", tmp_path / "k.crt"
    new = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=another", "-days", "2"]
    tool("openssl", "req", "-x509", "-nodes", "-newkey", *kind, *new)
    message = tmp_path / "message"
    message.write_bytes(b"a message")
    tool(
        *("openssl", "smime", "-sign", "-nocerts", "-noattr", "-binary", "-outform", "der"),
        *("-in", message, "-out", tmp_path / "s", "-signer", certificate, "-inkey", key),
    )
    signature = (tmp_path / "s").read_bytes()
    PublicKey.load(certificate).verify(b"a message", signature)
    with pytest.raises(RktioError, match="not one of"):
        PublicKey.load(certificate).verify(b"another", signature)
    key.chmod(0o600)
    assert load_private(key).public_key() == PublicKey.load(certificate).key


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URI of a key on a token of softhsm2."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "hsm.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "hsm.conf"))
    monkeypatch.setenv("PKCS11_MODULE_PATH", TOKEN_MODULE)
    secret = ("--pin", "1234")
    tool("softhsm2-util", "--init-token", "--free", "--label", "t", *secret, "--so-pin", "1234")
    pair = ("--keypairgen", "--key-type", "EC:prime256v1", "--label", "owner", "--id", "01")
    tool("pkcs11-tool", "--module", TOKEN_MODULE, "--login", *secret, "--token-label", "t", *pair)
    (tmp_path / "pin").write_text("1234")
    return f"pkcs11:token=t;object=owner;type=private?pin-source=file:{tmp_path}/pin"


@pytest.mark.needs("softhsm2-util", "pkcs11-tool", "openssl", "pkcs11")
def test_a_key_on_a_token_signs(token: str, tmp_path: Path) -> None:
    assert disk.main(["keygen", "--token", token, str(tmp_path / "hsm")]) == 0
    assert not (tmp_path / "hsm.key").exists()
    unsigned = make_sealed(tmp_path).path
    certificate = str(tmp_path / "hsm.crt")
    assert disk.main(["sign", "--key", token, "--certificate", certificate, str(unsigned)]) == 0
    assert disk.main(["verify", "--key", certificate, "--deep", str(unsigned)]) == 0


@pytest.mark.needs("softhsm2-util", "pkcs11-tool", "openssl", "pkcs11")
def test_a_key_that_is_not_on_the_token_is_named(
    token: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stem = str(tmp_path / "hsm")
    assert disk.main(["keygen", "--token", token.replace("owner", "nobody"), stem]) == 1
    assert "the token did not sign" in capsys.readouterr().err


def test_a_pin_in_a_uri_is_refused() -> None:
    with pytest.raises(RktioError, match="every user"):
        load_signing_key("pkcs11:token=t?pin-value=1234")
