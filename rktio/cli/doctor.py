# SPDX-License-Identifier: Apache-2.0
"""rkt-io doctor: what this machine has and lacks, each with the command that mends it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rktio.cli.report import STATUS_FAILED, Parser, reported
from rktio.host.checks import Check, State, all_checks

SUMMARY = {
    State.OK: "all that rkt-io needs is here",
    State.MISSING: "rkt-io can't run here yet: mend what is missing",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the findings; the status is 1 when something required is missing."""
    parser = Parser("rkt-io doctor", "Say what this machine has and lacks.")
    parser.add_argument("--json", action="store_true", help="print {checks: [...]} for scripts")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    args = parser.parse_args(argv)
    return reported(lambda: _examine(args.json), debug=args.debug)


def _examine(as_json: bool) -> int:
    checks = all_checks()
    broken = any(check.state is State.MISSING for check in checks)
    if as_json:
        import json
        from dataclasses import asdict

        found = {"ok": not broken, "checks": [asdict(check) for check in checks]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(table(checks))
        sys.stdout.write(f"\n{SUMMARY[State.MISSING if broken else State.OK]}\n")
    return STATUS_FAILED if broken else 0


def table(checks: Sequence[Check]) -> str:
    """Return one line per check, and below it the remedy where there is one."""
    name_columns = max(len(check.name) for check in checks)
    state_columns = max(len(check.state) for check in checks)
    lines = []
    for check in checks:
        start = f"{check.state:{state_columns}}  {check.name:{name_columns}}  "
        lines.append(f"{start}{check.found}".rstrip())
        if check.remedy is not None:
            lines.append(f"{'':{len(start)}}-> {check.remedy}")
    return "\n".join(lines) + "\n"
