# SPDX-License-Identifier: Apache-2.0
"""The command line of `rkt-io bench`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from rktio.bench.comparison import Result, missed, to_json, to_table
from rktio.bench.evaluation import add_commands

STATUS_GOAL_MISSED = 1


def main(argv: Sequence[str]) -> int:
    """Run one sub-command. 0: done; 1: a goal was missed and --goals given. Raises RktioError."""
    args = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    function: Callable[[argparse.Namespace], int] = args.function
    return function(args)


def _compare(args: argparse.Namespace) -> int:
    results, setting = args.measure(args)
    if args.json:
        print(to_json(results))
        print(setting, file=sys.stderr)
    else:
        print(f"{to_table(results)}\n\nratio above 1: the library OS is faster; {setting}")
    return _judge(results) if args.goals else 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of every sub-command."""
    root = argparse.ArgumentParser(
        prog="rkt-io bench",
        description="Compare the library OS with native, alternating in one run.",
        allow_abbrev=False,
    )
    table = root.add_subparsers(metavar="COMMAND", required=True)
    micro = table.add_parser("micro", help="system calls, switches, files, TCP, memory, processes")
    _add_common(micro)
    micro.add_argument("--only", metavar="NAME,...", help="some of the benchmarks")
    micro.add_argument(
        "--seconds", type=_positive_seconds, default=0.3, help="per benchmark and run (default 0.3)"
    )
    micro.set_defaults(function=_compare, measure=_micro)
    redis = table.add_parser("redis", help="redis-server for a client on the host (needs root)")
    _add_common(redis)
    redis.set_defaults(function=_compare, measure=_redis)
    add_commands(table.add_parser)
    return root


def _add_common(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--runs", type=_positive, default=7, metavar="N", help="runs of each side (default 7)")
    add("--cpus", type=_positive, default=1, metavar="N", help="cores of each side (default 1)")
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--debug", action="store_true", help="show where an error came from")
    add("--goals", action="store_true", help="exit with 1 when a goal is missed")


def _micro(args: argparse.Namespace) -> tuple[list[Result], str]:
    from rktio.bench import micro

    options = micro.MicroOptions(micro.chosen(args.only), args.runs, args.seconds, args.cpus)
    return micro.measure(options), micro.setting(options)


def _redis(args: argparse.Namespace) -> tuple[list[Result], str]:
    from rktio.bench import redis

    return redis.measure(args.runs, args.cpus), redis.setting(args.runs, args.cpus)


def _judge(results: Sequence[Result]) -> int:
    short = missed(results)
    for result in short:
        print(
            f"rkt-io: goal missed: {result.metric.name}: {result.ratio:.2f}x, "
            f"{result.metric.goal:.2f}x wanted",
            file=sys.stderr,
        )
    return STATUS_GOAL_MISSED if short else 0


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def _positive_seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 60 seconds")
    return value


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    """Leave by an exception, so that every context manager cleans up."""
    del frame
    raise SystemExit(128 + signal_number)
