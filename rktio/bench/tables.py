# SPDX-License-Identifier: Apache-2.0
"""Samples of a result file as medians, ratios and their intervals.

A ratio above 1 is better than native, whether the figure is a rate or a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rktio.bench import baselines
from rktio.bench.statistics import Interval, median_interval, permutation_p, ratio_interval

COSTS = ("us", "ms", "s", "MiB", "%")
BASE = "native"
NOISE = "native-aa"
ENOUGH_RUNS = 5
LOAD_OF_OURS = 1  # what a run adds to the load beyond its cores
CLIENT_FULL_CORES = 0.95  # a client that uses so much of its core may be what was measured


@dataclass(frozen=True)
class Line:
    """One figure of one case on one system, against native."""

    scenario: str
    case: str
    metric: str
    unit: str
    system: str
    median: Interval
    ratio: Interval | None
    runs: int


def samples(record: Mapping[str, Any], case: str, metric: str, system: str) -> list[float]:
    """Return the samples of one figure in the order of rounds."""
    return [
        sample["values"][case][metric]
        for sample in record["samples"]
        if sample["system"] == system and metric in sample["values"].get(case, {})
    ]


def lower_is_better(unit: str) -> bool:
    """Say whether a unit is one of time or memory, also per operation."""
    return unit.partition("/")[0] in COSTS


def ratio(
    record: Mapping[str, Any], case: str, metric: str, system: str, against: str = BASE
) -> Interval | None:
    """Return how many times better than another a system is; None without samples of both."""
    own, base = samples(record, case, metric, system), samples(record, case, metric, against)
    if not own or not base:
        return None
    if lower_is_better(record["units"].get(metric, "")):
        own, base = base, own
    return ratio_interval(own, base)


def remark(record: Mapping[str, Any], case: str, against: str = BASE) -> str | None:
    """Return why a ratio is to be read with care, if it is."""
    found = []
    counts = [len(samples(record, case, record["primary"], name)) for name in (against, "direct")]
    if min(counts) < ENOUGH_RUNS:
        found.append(f"only {min(counts)} runs")
    busy = [
        value
        for system in record["systems"]
        for value in samples(record, case, "client_cpu", system)
    ]
    # In a pair both ends are the system under test, and one that polls uses what it has.
    if record["topology"] != "pair" and busy and max(busy) >= CLIENT_FULL_CORES:
        found.append("the client used its whole core: it may be what was measured")
    return "; ".join(found) or None


def label(record: Mapping[str, Any], system: str) -> str:
    """Return a system's name; a simulated cost is always said with it."""
    cycles = record["world_switch_cycles"]
    return f"{system} ({cycles} cycles simulated)" if system in baselines.NAMES else system


def busy_warning(document: Mapping[str, Any]) -> str | None:
    """Return a line where other work than the benchmark's had the machine, by its own records."""
    if not document["sessions"]:
        return None
    cpus = document["sessions"][-1]["machine"]["cpus"]
    samples = [sample for r in document["scenarios"].values() for sample in r["samples"]]
    busy = sum(sample["load"][0] > cpus + LOAD_OF_OURS for sample in samples)
    if not busy:
        return None
    return (
        f"The machine had other work: before {busy} of {len(samples)} runs its load was above "
        f"{cpus + LOAD_OF_OURS} on {cpus} CPUs. Believe no ratio that is near its noise."
    )


def cases(record: Mapping[str, Any]) -> list[str]:
    """Return the cases of a scenario in their order."""
    return list(record["parameters"]["cases"])


def metrics(record: Mapping[str, Any]) -> list[str]:
    """Return the figures of a scenario that are shown: the primary, CPU, then latencies."""
    wanted = (record["primary"], "cpu", "p50", "p99", "p999", "idle_cpu")
    return [name for name in dict.fromkeys(wanted) if name in record["units"]]


def all_lines(document: Mapping[str, Any]) -> Iterator[Line]:
    """Yield every figure on every system, native first."""
    for name, record in document["scenarios"].items():
        for case in cases(record):
            for metric in metrics(record):
                for system in record["systems"]:
                    if line := _line(name, record, case, metric, system):
                        yield line


def _line(name: str, record: Mapping[str, Any], case: str, metric: str, system: str) -> Line | None:
    found = samples(record, case, metric, system)
    if not found:
        return None
    against = None if system == BASE else ratio(record, case, metric, system)
    unit = record["units"][metric]
    return Line(name, case, metric, unit, system, median_interval(found), against, len(found))


@dataclass(frozen=True)
class Change:
    """One figure of the library OS in two result sets; a ratio above 1 is an improvement."""

    name: str
    unit: str
    before: float
    after: float
    ratio: Interval
    p: float


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what both sets measured with the same parameters on the library OS."""
    for name, record in after["scenarios"].items():
        old = before["scenarios"].get(name)
        if old is None or old["digest"] != record["digest"]:
            continue
        for case in cases(record):
            for metric in metrics(record):
                first = samples(old, case, metric, "direct")
                second = samples(record, case, metric, "direct")
                if first and second:
                    yield _change(f"{name} {case} {metric}", record, metric, first, second)


def _change(
    name: str, record: Mapping[str, Any], metric: str, first: list[float], second: list[float]
) -> Change:
    unit = record["units"][metric]
    better = (first, second) if lower_is_better(unit) else (second, first)
    return Change(
        name,
        unit,
        median_interval(first).value,
        median_interval(second).value,
        ratio_interval(*better),
        permutation_p(first, second),
    )
