# SPDX-License-Identifier: Apache-2.0
"""The goals of the evaluation (bench/goals.toml) against a result file.

A row may have several parts; its goal and value are those of the part that is furthest from its
goal, and it is met when all parts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from rktio.bench import tables
from rktio.bench.scenario import Topology, result_name
from rktio.bench.sources import bench_directory
from rktio.bench.statistics import Interval, difference_interval, median_interval
from rktio.common.errors import RktioError
from rktio.common.toml import Table, read_toml

PART_KEYS = ("scenario", "topology", "case", "metric", "goal", "compare", "unit", "against")
MOST_SHARE = 10.0  # of a bound that is hardly used at all
ROW_KEYS = ("name", "part", "goal", "reason")


class Compare(StrEnum):
    """How direct is held against native; all but the ratio are to be at most the goal."""

    RATIO = "ratio"
    DIFFERENCE = "difference"
    VALUE = "value"


@dataclass(frozen=True)
class Part:
    """One figure of a row: direct against another system. `metric` None is the scenario's own.

    `scenario` is the name in results, so it says the topology.
    """

    scenario: str
    case: str
    goal: float
    metric: str | None = None
    compare: Compare = Compare.RATIO
    unit: str = "x"
    against: str = tables.BASE


@dataclass(frozen=True)
class Row:
    """One line of the table; without parts it can't be measured yet, and says why."""

    name: str
    goal: float
    parts: tuple[Part, ...] = ()
    reason: str | None = None


def rows() -> tuple[Row, ...]:
    """Return the rows in their order. Raises RktioError for a malformed file."""
    path = bench_directory("goals.toml")
    table = read_toml(path, ("row",))
    return tuple(_row(entry) for entry in table.tables("row", ROW_KEYS) or ())


def needed(*, baselines: bool = False) -> tuple[str, ...]:
    """Return the scenarios that the goals are judged by, under their names in results."""
    parts = [part for row in rows() for part in row.parts]
    wanted = (part.scenario for part in parts if baselines or part.against == tables.BASE)
    return tuple(dict.fromkeys(wanted))


def held_against(scenario: str) -> tuple[str, ...]:
    """Return the systems other than native that direct is held against in a scenario."""
    parts = [part for row in rows() for part in row.parts if part.scenario == scenario]
    return tuple(dict.fromkeys(p.against for p in parts if p.against != tables.BASE))


def judge(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one record per row, as `rkt-io bench report --json` prints it."""
    return [_judged(row, document) for row in rows()]


def _judged(row: Row, document: Mapping[str, Any]) -> dict[str, Any]:
    parts = [_judged_part(part, document) for part in row.parts]
    if not parts:
        return {
            "name": row.name,
            "goal": row.goal,
            "value": None,
            "met": False,
            "reason": row.reason,
            "parts": [],
        }
    lacking = [part for part in parts if part["value"] is None]
    worst = lacking[0] if lacking else min(parts, key=share_of_goal)
    return {
        "name": row.name,
        "goal": worst["goal"],
        "value": worst["value"],
        "met": all(part["met"] for part in parts),
        "reason": worst["reason"],
        "parts": parts,
    }


def share_of_goal(part: Mapping[str, Any]) -> float:
    """Return how far a measured part came: 1 at its goal, more when it is better."""
    value, goal = float(part["value"]), float(part["goal"])
    if not part["at_most"]:
        return value / goal
    return goal / max(value, goal / MOST_SHARE)


def _judged_part(part: Part, document: Mapping[str, Any]) -> dict[str, Any]:
    record = document["scenarios"].get(part.scenario)
    metric = part.metric or (record["primary"] if record else None)
    found = _compared(part, record, metric) if record is not None and metric else None
    at_most = part.compare is not Compare.RATIO
    known = {
        "name": _name(part),
        "goal": part.goal,
        "at_most": at_most,
        "unit": part.unit,
    }
    if record is None or found is None:
        absent = dict.fromkeys(("value", "low", "high", "noise"))
        return known | absent | {"met": False, "reason": _reason(part, record)}
    noise = None if at_most else _noise(record, part.case, metric)
    cycles = None if part.against == tables.BASE else record["world_switch_cycles"]
    remarks = [tables.remark(record, part.case, part.against)]
    if cycles is not None:
        remarks.append(f"a world switch is simulated by {cycles} cycles")
    if noise and noise[0] < found.value < noise[1]:
        remarks.append("within the noise of this run")
    return known | {
        "value": round(found.value, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "noise": noise,
        "met": found.value <= part.goal if at_most else found.value >= part.goal,
        "reason": "; ".join(filter(None, remarks)) or None,
    }


def _compared(part: Part, record: Mapping[str, Any], metric: str) -> Interval | None:
    if part.compare is Compare.RATIO:
        return tables.ratio(record, part.case, metric, "direct", part.against)
    direct = tables.samples(record, part.case, metric, "direct")
    native = tables.samples(record, part.case, metric, tables.BASE)
    if not direct or not native:
        return None
    if part.compare is Compare.VALUE:
        return median_interval(direct)
    return difference_interval(direct, native)


def _noise(record: Mapping[str, Any], case: str, metric: str | None) -> list[float] | None:
    """Return the interval of native against native, where an A/A pair was run."""
    if metric is None:
        return None
    found = tables.ratio(record, case, metric, tables.NOISE)
    return None if found is None else [round(found.low, 4), round(found.high, 4)]


def _reason(part: Part, record: Mapping[str, Any] | None) -> str:
    if record is None:
        return f"scenario {part.scenario} was not run"
    if part.against not in record["systems"]:
        return f"{part.scenario} was not run on {part.against}; rkt-io bench ... --baselines does"
    errors = [sample["error"] for sample in record["samples"] if sample["error"]]
    return errors[0] if errors else f"{part.scenario} {part.case} was not measured on both sides"


def _row(table: Table) -> Row:
    name = table.string("name")
    if name is None:
        raise RktioError("bench/goals.toml: a row has no name")
    entries = table.tables("part", PART_KEYS) or ()
    parts = tuple(part for entry in entries for part in _parts(name, entry))
    goal = parts[0].goal if parts else _number(table, "goal", name)
    return Row(name, goal, parts, table.string("reason"))


def _name(part: Part) -> str:
    metric = f" {part.metric}" if part.metric else ""
    against = "" if part.against == tables.BASE else f" against {part.against}"
    return f"{part.scenario} {part.case}{metric}{against}"


def _parts(row: str, table: Table) -> list[Part]:
    """Return one part for each system that the entry is held against."""
    bases = table.strings("against") or (tables.BASE,)
    return [replace(_part(row, table), against=base) for base in bases]


def _part(row: str, table: Table) -> Part:
    scenario, case = table.string("scenario"), table.string("case")
    if scenario is None or case is None:
        raise RktioError(f"bench/goals.toml: {row}: a part needs scenario and case")
    compare = table.string("compare") or Compare.RATIO
    if compare not in list(Compare):
        raise table.wrong("compare", f"one of {', '.join(Compare)}")
    topology = table.string("topology") or Topology.ALONE
    if topology not in list(Topology):
        raise table.wrong("topology", f"one of {', '.join(Topology)}")
    goal, unit = _number(table, "goal", row), table.string("unit") or "x"
    name = result_name(scenario, topology)
    return Part(name, case, goal, table.string("metric"), Compare(compare), unit)


def _number(table: Table, key: str, row: str) -> float:
    value = table.number(key)
    if value is None:
        raise RktioError(f"bench/goals.toml: {row}: {key} is missing")
    return value
