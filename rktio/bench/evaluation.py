# SPDX-License-Identifier: Apache-2.0
"""The sub-commands of the evaluation: list, run, quick, full and report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from rktio.bench import scenario
    from rktio.bench.remote import Remote
    from rktio.bench.systems import System

QUICK_RUNS = 5
FULL_RUNS = 7
TOPOLOGIES = ("pair", "host-client", "all")

Adder = Callable[..., argparse.ArgumentParser]


def add_commands(add: Adder) -> None:
    """Add the sub-commands to the table of `rkt-io bench`."""
    listing = add("list", help="the scenarios")
    listing.set_defaults(function=_list)
    run = add("run", help="run some scenarios (needs root)")
    run.add_argument("scenario", nargs="+", help="a name that `rkt-io bench list` prints")
    run.add_argument("--quick", action="store_true", help="the short form of each")
    _add_run_options(run, out_required=True)
    run.set_defaults(function=lambda args: _measure(args, args.scenario, quick=args.quick))
    quick = add("quick", help="the goals' scenarios, short, and the report (needs root)")
    _add_run_options(quick, out_required=False)
    quick.set_defaults(function=lambda args: _measure(args, None, quick=True))
    full = add("full", help="every scenario in its full length, and the report (needs root)")
    _add_run_options(full, out_required=False)
    full.set_defaults(function=lambda args: _measure(args, None, quick=False))
    flame = add("flame", help="where the cycles of a scenario go (needs root)")
    flame.add_argument("scenario", help="a name that `rkt-io bench list` prints, or NAME@pair")
    flame.add_argument("--case", metavar="NAME", help="default its first one")
    flame.add_argument("--systems", metavar="NAME,...", default="native,direct")
    flame.add_argument("--seconds", type=int, default=5, help="of the load (default 5)")
    flame.add_argument("--out", metavar="DIR", type=Path, required=True, help="the result set")
    flame.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    flame.set_defaults(function=_flame)
    report = add("report", help="write the page and pictures of a result set")
    report.add_argument("results", metavar="DIR", type=Path)
    report.add_argument("--json", action="store_true", help="print the goals; write nothing")
    report.add_argument("--against", metavar="DIR", type=Path, help="compare with an earlier set")
    report.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)
    report.set_defaults(function=_report)


def _add_run_options(command: argparse.ArgumentParser, *, out_required: bool) -> None:
    add = command.add_argument
    where = "" if out_required else " (default results/DATE-quick or -full)"
    add(
        "--out",
        metavar="DIR",
        type=Path,
        required=out_required,
        help=f"where results.json is; what it has is not run again{where}",
    )
    add("--runs", type=int, metavar="N", help=f"rounds (default {QUICK_RUNS}, full {FULL_RUNS})")
    add("--systems", metavar="NAME,...", help="default native,direct,native-aa")
    add("--cpus", type=int, default=1, metavar="N", help="cores of the server (default 1)")
    add("--topology", choices=TOPOLOGIES, default="all", help="of scenarios with a network")
    add("--remote", metavar="USER@HOST", help="run the clients there, by ssh (topology remote)")
    add("--ssh-config", metavar="FILE", type=Path, help="for ssh -F")
    add("--baselines", action="store_true", help="where goals ask: sync, switchless, libos-host")
    add(
        "--world-switch-cycles",
        type=int,
        metavar="N",
        help="what sync, switchless and libos-host pay to leave and come back (default 8200)",
    )
    add("--debug", action="store_true", help="show where an error came from")


def _list(args: argparse.Namespace) -> int:
    from rktio.bench import scenario

    del args
    for name in scenario.names():
        found = scenario.load_all(name, quick=False)
        cases = ", ".join(case.name for case in found.cases)
        kinds = "+".join(v.topology for v in scenario.variants(found))
        print(f"{name:16} {kinds:17} {found.title} ({cases})")
    return 0


def _measure(args: argparse.Namespace, names: Sequence[str] | None, *, quick: bool) -> int:
    from rktio.bench import campaign, scenario, systems

    runs = args.runs if args.runs is not None else QUICK_RUNS if quick else FULL_RUNS
    if runs < 1:
        raise RktioError(f"--runs {runs} is not at least 1")
    chosen = None if args.systems is None else _systems(args.systems)
    remote = _remote(args)
    scenarios = tuple(_scenarios(names, args.topology, quick=quick, baselines=args.baselines))
    if remote:
        found = (scenario.with_remote_client(each) for each in scenarios)
        scenarios = tuple({each.name: each for each in found if each}.values())
    if not scenarios:
        topology = "remote" if remote else args.topology
        raise RktioError(f"none of these scenarios has topology {topology}")
    systems.check_permitted()
    length = "quick" if quick else "full"
    folder = args.out or Path("results") / f"{datetime.now(UTC):%Y-%m-%d}-{length}"
    plan = campaign.Plan(
        scenarios,
        runs,
        length,
        chosen,
        args.cpus,
        remote,
        args.world_switch_cycles,
        args.baselines,
    )
    for line in campaign.carry_out(plan, folder):
        print(f"rkt-io: failed: {line}", file=sys.stderr)
    return _write(folder, None)


def _remote(args: argparse.Namespace) -> Remote | None:
    from rktio.bench.remote import Remote

    if args.remote is None:
        if args.ssh_config is not None:
            raise RktioError("--ssh-config belongs to --remote USER@HOST")
        return None
    if "@" not in args.remote or args.remote.startswith("-"):
        raise RktioError(f"--remote {args.remote} is not USER@HOST")
    if args.topology not in ("all", "host-client"):
        raise RktioError(
            "two enclaves on two machines need network cards of their own",
            hint="--remote runs ordinary clients; leave --topology out",
        )
    return Remote(args.remote, args.ssh_config)


def _scenarios(
    names: Sequence[str] | None, topology: str, *, quick: bool, baselines: bool
) -> Iterator[scenario.Scenario]:
    """Yield what to run: by default all, or in short what the goals need, in its topologies."""
    from rktio.bench import goals, scenario

    goals_alone = names is None and quick
    if names is None:
        names = goals.needed(baselines=baselines) if quick else scenario.names()
    for name in dict.fromkeys(names):
        if goals_alone or "@" in name:
            found: tuple[scenario.Scenario, ...] = (scenario.load(name, quick=quick),)
        else:
            found = scenario.variants(scenario.load_all(name, quick=quick))
        for variant in found:
            if variant.topology in (topology, scenario.Topology.ALONE) or topology == "all":
                yield variant


def _systems(text: str) -> tuple[System, ...]:
    from rktio.bench import systems

    found = []
    for name in text.split(","):
        if name not in list(systems.System):
            raise RktioError(
                f"there is no system {name!r}", hint=f"some of {', '.join(systems.System)}"
            )
        found.append(systems.System(name))
    return tuple(dict.fromkeys(found))


def _flame(args: argparse.Namespace) -> int:
    from rktio.bench import flame, scenario, systems

    found = scenario.load(args.scenario, quick=True)
    case = args.case or found.cases[0].name
    cases = [each for each in found.cases if each.name == case]
    if not cases:
        known = ", ".join(each.name for each in found.cases)
        raise RktioError(f"{found.name} has no case {case!r}", hint=f"one of {known}")
    chosen = _systems(args.systems)
    systems.check_permitted()
    for system in chosen:
        print(flame.record(found, cases[0], system, args.seconds, args.out))
    return 0


def _report(args: argparse.Namespace) -> int:
    from rktio.bench import report

    if args.json:
        print(report.as_json(args.results))
        return 0
    return _write(args.results, args.against)


def _write(folder: Path, against: Path | None) -> int:
    from rktio.bench import report

    print(report.as_table(folder))
    print(f"\n{report.write(folder, against=against)}")
    return 0
