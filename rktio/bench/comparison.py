# SPDX-License-Identifier: Apache-2.0
"""What was measured, as medians, ratios, JSON and a table.

`direct` is the library OS, `native` the host's kernel. A ratio above 1 means that the
library OS is faster, whether the metric is a time or a throughput.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rktio.common.errors import RktioError

TABLE_HEAD = ("benchmark", "library OS", "native", "unit", "ratio", "goal", "", "spread")
LEFT_ALIGNED = {0, 3, 6}


@dataclass(frozen=True)
class Metric:
    """One figure: its unit, its direction, and the ratio that it should reach."""

    name: str
    unit: str
    goal: float
    more_is_better: bool = False


@dataclass(frozen=True)
class Result:
    """The samples of one metric on both sides, in the metric's unit."""

    metric: Metric
    direct: tuple[float, ...]
    native: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.direct or not self.native:
            raise RktioError(f"{self.metric.name}: no samples")
        if min(*self.direct, *self.native, 1.0) <= 0:
            raise RktioError(f"{self.metric.name}: a sample is not positive")

    @property
    def ratio(self) -> float:
        """How many times faster the library OS is, by the medians."""
        direct, native = median(self.direct), median(self.native)
        return direct / native if self.metric.more_is_better else native / direct

    @property
    def reached(self) -> bool:
        """Whether the ratio is at least the goal."""
        return self.ratio >= self.metric.goal

    @property
    def runs(self) -> int:
        """Samples per side."""
        return min(len(self.direct), len(self.native))


def to_json(results: Sequence[Result]) -> str:
    """Return the results as one JSON document of stable keys."""
    rows = [
        {
            "name": result.metric.name,
            "unit": result.metric.unit,
            "direct": significant(median(result.direct)),
            "native": significant(median(result.native)),
            "ratio": significant(result.ratio),
            "runs": result.runs,
        }
        for result in results
    ]
    return json.dumps({"results": rows}, indent=2)


def to_table(results: Sequence[Result]) -> str:
    """Return the results for a reader, one line each below a heading."""
    rows = [TABLE_HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TABLE_HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column in LEFT_ALIGNED else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def missed(results: Sequence[Result]) -> list[Result]:
    """Return the results whose ratio is below the goal."""
    return [result for result in results if not result.reached]


def spread_percent(samples: Sequence[float]) -> float:
    """Return the distance from the least to the greatest sample, in percent of the median."""
    return (max(samples) - min(samples)) / median(samples) * 100


def significant(value: float) -> float:
    """Return `value` with four significant digits: more of them would be noise."""
    return float(f"{value:.4g}")


def _row(result: Result) -> tuple[str, ...]:
    return (
        result.metric.name,
        _figure(median(result.direct)),
        _figure(median(result.native)),
        result.metric.unit,
        f"{result.ratio:.2f}x",
        f"{result.metric.goal:.2f}x",
        "ok" if result.reached else "MISSED",
        f"{spread_percent(result.direct):.0f} % / {spread_percent(result.native):.0f} %",
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{significant(value):g}"
