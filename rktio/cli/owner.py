# SPDX-License-Identifier: Apache-2.0
"""rkt-io config and rkt-io measure: what an owner signs, and what evidence must show."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rktio.cli.report import STATUS_USAGE, Parser, reported
from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from rktio.common.signing import PublicKey
    from rktio.owner.config import ImageReader

EXAMPLES = """\
examples:
  rkt-io config sign app.toml --key owner.key --output app.sealed
  rkt-io config verify app.sealed --key owner.crt
  rkt-io measure --config app.sealed --key owner.crt
"""


def config(argv: Sequence[str] | None = None) -> int:
    """Run rkt-io config and return its status."""
    parser = Parser("rkt-io config", "Sign the configuration of an application, or check one.")
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    what = "check a TOML file and sign what it says"
    sign = actions.add_parser("sign", help=what, description=what)
    sign.add_argument("file", metavar="APP.TOML", type=Path)
    sign.add_argument("--key", metavar="KEY", required=True, help="a PEM file or a pkcs11: URI")
    sign.add_argument("--certificate", metavar="FILE", type=Path, help="default: KEY's, .crt")
    sign.add_argument("-o", "--output", metavar="FILE", type=Path, required=True)
    sign.set_defaults(function=_sign)
    what = "check a signed configuration and print it"
    verify = actions.add_parser("verify", help=what, description=what)
    verify.add_argument("file", metavar="FILE", type=Path)
    verify.add_argument("--key", metavar="CERTIFICATE", type=Path, required=True)
    verify.set_defaults(function=_verify)
    for child in (sign, verify):
        child.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.action is None:
        parser.print_usage(sys.stderr)
        return STATUS_USAGE
    return reported(lambda: int(options.function(options)), debug=options.debug)


def measure(argv: Sequence[str] | None = None) -> int:
    """Run rkt-io measure and return its status."""
    parser = Parser("rkt-io measure", "Print the measurement that an enclave's evidence must show.")
    parser.epilog = EXAMPLES
    add = parser.add_argument
    add("--config", metavar="FILE", type=Path, required=True, help="the signed configuration")
    add("--key", metavar="CERTIFICATE", type=Path, required=True, help="the owner's")
    add("--enclave", metavar="FILE", type=Path, help="the executable (default: this build's)")
    add("--json", action="store_true", help="with the digests that it is made of")
    add("--debug", action="store_true", help="show a traceback on failure")
    options = parser.parse_args(argv)
    return reported(lambda: _measure(options), debug=options.debug)


def _sign(options: argparse.Namespace) -> int:
    from rktio.common.signing import load_signing_key
    from rktio.owner.config import Configuration
    from rktio.owner.sealed_config import SealedConfiguration

    key = load_signing_key(options.key, options.certificate)
    configuration = Configuration.read(options.file, _image_reader(key.public))
    sealed = SealedConfiguration.seal(configuration, key)
    try:
        options.output.write_bytes(sealed.encode())
    except OSError as error:
        raise RktioError(f"cannot write {options.output}: {error.strerror}") from error
    return 0


def _verify(options: argparse.Namespace) -> int:
    from rktio.common.signing import PublicKey
    from rktio.owner.sealed_config import SealedConfiguration

    sealed = SealedConfiguration.load(options.file, PublicKey.load(options.key))
    print(json.dumps(sealed.configuration.document(), indent=2))
    return 0


def _measure(options: argparse.Namespace) -> int:
    from rktio.common.paths import enclave_binary
    from rktio.common.signing import PublicKey
    from rktio.owner.measure import measure
    from rktio.owner.sealed_config import SealedConfiguration

    public = PublicKey.load(options.key)
    sealed = SealedConfiguration.load(options.config, public)
    found = measure(options.enclave or enclave_binary(), public, sealed)
    if not options.json:
        print(found.value.hex())
        return 0
    record = {
        "measurement": found.value.hex(),
        "executable": found.executable.hex(),
        "public_key": found.public_key.hex(),
        "configuration": found.configuration.hex(),
    }
    print(json.dumps(record, indent=2))
    return 0


def _image_reader(public: PublicKey) -> ImageReader:
    """Return what reads root hashes from images that this owner signed."""

    def read(path: Path) -> tuple[str, bool]:
        from rktio.image.sealed import SealedImage

        with SealedImage.open(path) as image:
            image.verify(public)
            return image.root_hash.hex(), image.encrypted

    return read
