# SPDX-License-Identifier: Apache-2.0
"""rkt-io surface: every call that an enclave can make to its host."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from rktio.cli.report import Parser, reported
from rktio.host.surface import HostCall, host_calls

WIDTH = 96


def main(argv: Sequence[str] | None = None) -> int:
    """Print the calls, as text or as {"host_calls": [...]}."""
    parser = Parser(
        "rkt-io surface", "List every call that a running enclave can make to its host."
    )
    parser.add_argument("--json", action="store_true", help="print {host_calls: [...]} for scripts")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    args = parser.parse_args(argv)
    return reported(lambda: _list(args.json), debug=args.debug)


def _list(as_json: bool) -> int:
    calls = host_calls()
    if as_json:
        import json
        from dataclasses import asdict

        found = {"host_calls": [asdict(call) for call in calls]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(table(calls))
    return 0


def table(calls: Sequence[HostCall]) -> str:
    """Return a paragraph per call, and their number."""
    parts = [
        f"{call.name}  ({call.when})\n{_indented('for', call.purpose)}{_indented('lie', call.lie)}"
        for call in calls
    ]
    total = f"{len(calls)} host calls; anything else kills the enclave (docs/boundary.md)\n"
    return "\n".join([*parts, total])


def _indented(label: str, text: str) -> str:
    lead = f"    {label}: "
    return textwrap.fill(text, WIDTH, initial_indent=lead, subsequent_indent=" " * 9) + "\n"
