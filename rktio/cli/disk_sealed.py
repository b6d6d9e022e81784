# SPDX-License-Identifier: Apache-2.0
"""The sub-commands of rkt-io-disk about sealed images: keygen, sign, verify, and options of others.

Everything is imported on first use: plain images need no cryptography.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from rktio.image.seal import Seal
    from rktio.image.volume import VolumeKey


def create_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `create` that make a sealed image."""
    add = parser.add_argument_group("sealed images").add_argument
    add("--encrypt", action="store_true", help="encrypt with LUKS2 (aes-xts-plain64, 512 bits)")
    add("--sign", metavar="KEY", help="sign with a PEM file or a pkcs11: URI")
    add("--certificate", metavar="FILE", type=Path, help="KEY's (default: its name with .crt)")
    add("--key-out", metavar="FILE", type=Path, help="make a volume key and write it here (0600)")
    add("--volume-key-file", metavar="FILE", type=Path, help="encrypt with these 64 bytes")


@contextmanager
def seal_of(options: argparse.Namespace) -> Iterator[Seal | None]:
    """Yield the seal that the options of `create` ask for; a new key lasts if all goes well."""
    if not options.encrypt and (options.key_out or options.volume_key_file):
        raise RktioError("a volume key is for --encrypt", hint="add --encrypt")
    if options.certificate and not options.sign:
        raise RktioError("--certificate goes with --sign KEY")
    if not options.encrypt and options.sign is None:
        yield None
        return
    from rktio.common.signing import load_signing_key, need_cryptography
    from rktio.image.seal import Seal

    need_cryptography()
    signer = load_signing_key(options.sign, options.certificate) if options.sign else None
    key = _volume_key(options) if options.encrypt else None
    try:
        yield Seal(key, signer)
    except BaseException:
        if options.key_out:
            options.key_out.unlink(missing_ok=True)
        raise


def keygen_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keygen`."""
    add = parser.add_argument
    add("stem", metavar="NAME", type=Path, help="writes NAME.key (0600) and NAME.crt")
    add("--token", metavar="URI", help="use the key at this pkcs11: URI; write NAME.crt only")
    add("--common-name", default="rkt-io owner", help="of the certificate (default: %(default)s)")
    add("--days", type=int, default=3650, help="validity of the certificate (default: %(default)s)")


def keygen(options: argparse.Namespace) -> int:
    """Make a key and its certificate."""
    from rktio.common.pkcs11 import make_certificate
    from rktio.common.signing import make_key

    if not 1 <= options.days <= 36500:
        raise RktioError(f"--days {options.days}: between 1 and 36500")
    if not 1 <= len(options.common_name) <= 64:
        raise RktioError("--common-name: between 1 and 64 characters")
    arguments: dict[str, Any] = {"name": options.common_name, "days": options.days}
    if options.token:
        public = make_certificate(options.token, options.stem, **arguments)
    else:
        public = make_key(options.stem, **arguments)
    print(f"{public.source}  sha256:{public.fingerprint}")
    return 0


def sign_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `sign`."""
    add = parser.add_argument
    add("image", metavar="IMAGE", type=Path)
    add("--key", metavar="KEY", required=True, help="a PEM file or a pkcs11: URI")
    add("--certificate", metavar="FILE", type=Path, help="KEY's (default: its name with .crt)")


def sign(options: argparse.Namespace) -> int:
    """Check an image and sign its root hash."""
    from rktio.common.signing import load_signing_key
    from rktio.image.sealed import SealedImage

    key = load_signing_key(options.key, options.certificate)
    with SealedImage.open(options.image, writable=True) as image:
        image.sign(key)
        print(f"{options.image}  {image.root_hash.hex()}")
    return 0


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`."""
    add = parser.add_argument
    add("image", metavar="IMAGE", type=Path)
    add("--key", metavar="FILE", type=Path, required=True, help="the owner's certificate (or key)")
    add("--deep", action="store_true", help="check every block of the data too")
    add("--root-hash", metavar="HEX", help="refuse every other image, older ones of the owner too")
    add("--volume-key-file", metavar="FILE", type=Path, help="check that this key opens it")
    add("--json", action="store_true", help="for scripts")


def verify(options: argparse.Namespace) -> int:
    """Check everything about a sealed image."""
    from rktio.common.signing import PublicKey
    from rktio.image.sealed import SealedImage
    from rktio.image.volume import VolumeKey

    public = PublicKey.load(options.key)
    key = VolumeKey.load(options.volume_key_file) if options.volume_key_file else None
    wanted = _root_hash(options.root_hash) if options.root_hash else None
    with SealedImage.open(options.image) as image:
        done = image.verify(public, deep=options.deep, root_hash=wanted, key=key)
        root_hash = image.root_hash.hex()
    if options.json:
        print(json.dumps({"rootHash": root_hash, "checks": list(done), "deep": options.deep}))
        return 0
    print(f"root hash: {root_hash}")
    print(f"checked:   {', '.join(done)}")
    if not options.deep:
        print("not read:  most of the data; --deep reads it all")
    return 0


def info(options: argparse.Namespace) -> int:
    """Print what a sealed image is."""
    from rktio.common.progress import scaled_bytes
    from rktio.image.sealed import SealedImage

    with SealedImage.open(options.image) as image:
        found = image.info()
    rows = {
        "image": str(found.path),
        "size": scaled_bytes(found.size_bytes),
        "root hash": found.root_hash,
        "signed": f"by certificate {found.certificate_fingerprint}" if found.signed else "no",
        "encrypted": f"LUKS2 {found.luks_uuid}" if found.encrypted else "no",
        "verity": f"{found.verity_uuid}, salt {found.verity_salt}",
    }
    if options.json:
        print(json.dumps(_record(found), indent=2))
        return 0
    for name, value in rows.items():
        print(f"{name + ':':10} {value}")
    for partition in found.partitions:
        size = scaled_bytes(partition.size_bytes)
        print(f"{'partition:':10} {partition.name:16} {size:>10}  {partition.uuid}")
    print("nothing of it is verified here: rkt-io-disk verify --key owner.crt")
    return 0


def _record(found: Any) -> dict[str, Any]:
    return {
        "path": str(found.path),
        "size_bytes": found.size_bytes,
        "root_hash": found.root_hash,
        "signed": found.signed,
        "certificate_fingerprint": found.certificate_fingerprint,
        "encrypted": found.encrypted,
        "luks_uuid": found.luks_uuid,
        "verity_uuid": found.verity_uuid,
        "verity_salt": found.verity_salt,
        "partitions": [
            {
                "name": partition.name,
                "type": str(partition.kind),
                "uuid": str(partition.uuid),
                "offset_bytes": partition.offset,
                "size_bytes": partition.size_bytes,
            }
            for partition in found.partitions
        ],
    }


def _volume_key(options: argparse.Namespace) -> VolumeKey:
    from rktio.common.signing import write_new
    from rktio.image.volume import VolumeKey

    if (options.key_out is None) == (options.volume_key_file is None):
        raise RktioError(
            "--encrypt needs a volume key", hint="--key-out FILE makes one, --volume-key-file FILE"
        )
    if options.volume_key_file:
        return VolumeKey.load(options.volume_key_file)
    key = VolumeKey.generate()
    write_new(options.key_out, key.secret, 0o600)
    return key


def _root_hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        raise RktioError("--root-hash takes 64 hexadecimal digits")
    return value
