# SPDX-License-Identifier: Apache-2.0
"""rkt-io wireguard: make the keys of a tunnel."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rktio.cli.report import Parser
from rktio.cli.subcommands import Command, add_commands, run_command

EXAMPLES = """\
examples:
  rkt-io wireguard genkey redis.keys           # prints the public key, for the peers
  rkt-io wireguard pubkey redis.keys           # prints it again
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run rkt-io wireguard and return its status."""
    parser = Parser("rkt-io wireguard", "Make the keys of a WireGuard tunnel, on the owner's side.")
    parser.epilog = EXAMPLES
    add_commands(parser, COMMANDS)
    return run_command(parser, argv)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="key file, lines NAME=HEX")
    parser.add_argument("--name", default="wireguard", help="the key's name (%(default)s)")


def _genkey(options: argparse.Namespace) -> int:
    from rktio.owner import wireguard_key

    sys.stdout.write(wireguard_key.create(options.file, options.name) + "\n")
    return 0


def _pubkey(options: argparse.Namespace) -> int:
    from rktio.owner import wireguard_key

    sys.stdout.write(wireguard_key.public(options.file, options.name) + "\n")
    return 0


COMMANDS = (
    Command("genkey", _arguments, _genkey, "add a new private key to FILE, print the public one"),
    Command("pubkey", _arguments, _pubkey, "print the public key of the one in FILE"),
)
