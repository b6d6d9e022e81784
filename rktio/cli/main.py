# SPDX-License-Identifier: Apache-2.0
"""rkt-io: the table of sub-commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import rktio
from rktio.cli.report import STATUS_USAGE, reported
from rktio.common.errors import RktioError


@dataclass(frozen=True)
class Command:
    """One sub-command; `function` is "module:name" of a main(argv) that returns a status."""

    name: str
    function: str
    description: str

    def main(self, argv: Sequence[str]) -> int:
        """Import the command, and only that one, and run it."""
        module, _, name = self.function.partition(":")
        try:
            function = getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("rktio"):
                raise RktioError(
                    f"{self.name} needs the Python module {error.name}",
                    hint=f"pip install {error.name}",
                ) from error
            raise RktioError(f"{self.name} is not part of this build") from error
        status = function(argv)
        return int(status)


COMMANDS = (
    Command("run", "rktio.cli.run:main", "run a program of an image (also: rkt-io-run)"),
    Command("disk", "rktio.cli.disk:main", "make and read images (also: rkt-io-disk)"),
    Command("config", "rktio.cli.owner:config", "sign or check an application's configuration"),
    Command("measure", "rktio.cli.owner:measure", "what the evidence of an enclave must show"),
    Command("doctor", "rktio.cli.doctor:main", "what this machine has and lacks"),
    Command("devices", "rktio.cli.devices:main", "which devices an enclave can drive itself"),
    Command("keys", "rktio.cli.keys:main", "give keys to enclaves that prove themselves"),
    Command("wireguard", "rktio.cli.wireguard:main", "make the keys of a WireGuard tunnel"),
    Command("surface", "rktio.cli.surface:main", "every call that an enclave can make to its host"),
    Command("bench", "rktio.bench.cli:main", "measure the library OS against native"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sub-command that the first argument names."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(usage())
        return 0 if words else STATUS_USAGE
    if words[0] == "--version":
        sys.stdout.write(f"rkt-io {rktio.__version__}\n")
        return 0
    found = [command for command in COMMANDS if command.name == words[0]]
    if not found:
        sys.stderr.write(f"rkt-io: no command {words[0]!r}; {_near(words[0])}\n")
        return STATUS_USAGE
    return reported(lambda: found[0].main(words[1:]), debug="--debug" in words)


def usage() -> str:
    """Return the help text."""
    lines = ["usage: rkt-io COMMAND [ARGS...]", "       rkt-io --version", ""]
    lines += [f"  {command.name:9} {command.description}" for command in COMMANDS]
    lines += ["", "rkt-io COMMAND --help tells more.", ""]
    return "\n".join(lines)


def _near(word: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(word, [command.name for command in COMMANDS], n=1)
    return f"did you mean {near[0]!r}?" if near else "rkt-io --help lists them"
