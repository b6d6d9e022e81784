# SPDX-License-Identifier: Apache-2.0
"""Commands with a table of sub-commands: their parser, and running the one that was named."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rktio.cli.report import STATUS_USAGE, reported


@dataclass(frozen=True)
class Command:
    """One sub-command."""

    name: str
    arguments: Callable[[argparse.ArgumentParser], None]
    function: Callable[[argparse.Namespace], int]
    description: str


def add_commands(parser: argparse.ArgumentParser, commands: Iterable[Command]) -> None:
    """Give `parser` the sub-commands, and --debug before and after their name."""
    parser.add_argument("--debug", action="store_true", help="show a traceback on failure")
    table = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in commands:
        child = table.add_parser(
            command.name, help=command.description, description=command.description
        )
        child.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        command.arguments(child)
        child.set_defaults(function=command.function)


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Run the sub-command that `argv` names and return its status; none: usage."""
    options = parser.parse_args(argv)
    if options.command is None:
        parser.print_usage(sys.stderr)
        return STATUS_USAGE
    function: Callable[[argparse.Namespace], int] = options.function
    return reported(lambda: function(options), debug=options.debug)
