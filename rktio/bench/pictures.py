# SPDX-License-Identifier: Apache-2.0
"""The pictures of a report: each as SVG (in the page) and PNG (beside it). Needs matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rktio.bench import tables
from rktio.bench.goals import share_of_goal
from rktio.bench.statistics import Interval
from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by brightness, too (Okabe and Ito's palette).
COLOURS = {
    "native": "#999999",
    "native-aa": "#cccccc",
    "native-busypoll": "#e69f00",
    "sync": "#d55e00",
    "switchless": "#cc79a7",
    "libos-host": "#56b4e9",
    "direct": "#0072b2",
}
MET, MISSED, UNKNOWN = "#009e73", "#d62728", "#bbbbbb"
DOTS_PER_INCH = 110
WIDTH_INCHES = 8.0


def draw_all(
    document: Mapping[str, Any], goals: Sequence[Mapping[str, Any]], folder: Path
) -> dict[str, str]:
    """Write every picture to `folder` as SVG and PNG; its SVG by its name."""
    _backend()
    found = {"goals": _save(_goals(goals), folder, "goals")}
    for name, record in document["scenarios"].items():
        if record["primary"] and any(sample["values"] for sample in record["samples"]):
            found[name] = _save(_scenario(name, record), folder, name)
    return found


def _backend() -> None:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise RktioError(
            "pictures need matplotlib", hint="pip install 'rkt-io[bench]' (or matplotlib)"
        ) from error
    mpl.use("Agg")
    # Same samples, same bytes; text stays text.
    mpl.rcParams.update({"svg.hashsalt": "rkt-io", "svg.fonttype": "none", "font.size": 9})


def _goals(goals: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw every part of every row as a bar in multiples of its goal."""
    import matplotlib.pyplot as plt

    parts = [part for row in goals for part in row["parts"]]
    figure, axes = plt.subplots(figsize=(WIDTH_INCHES, 0.6 + 0.32 * max(len(parts), 1)))
    for place, part in enumerate(parts):
        if part["value"] is None:
            axes.text(0.02, place, "not measured", va="center", color="#777777")
            continue
        colour = MET if part["met"] else MISSED
        share = share_of_goal(part)
        ends = [share_of_goal({**part, "value": part[key]}) for key in ("low", "high")]
        axes.barh(place, share, color=colour, height=0.62)
        axes.plot(ends, (place, place), color="black", linewidth=1)
        text = f"{part['value']:.2f} of {part['goal']:g} {part['unit']}"
        axes.text(max(share, *ends) + 0.02, place, text, va="center", fontsize=8)
    axes.axvline(1.0, color="black", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(parts)), [part["name"] for part in parts])
    axes.set_ylim(max(len(parts), 1) - 0.4, -0.6)
    axes.set_xlim(left=0, right=max(1.3, axes.get_xlim()[1] * 1.15))
    axes.set_xlabel(
        "share of the goal, 1 when met (bounds: goal / value, at most 10); line: 95 % interval"
    )
    _plain(axes)
    return figure


def _scenario(name: str, record: Mapping[str, Any]) -> Figure:
    """Draw the primary figure and, where there are any, CPU time and p99, system by system."""
    import matplotlib.pyplot as plt

    metrics = [m for m in (record["primary"], "cpu", "p99") if m in tables.metrics(record)]
    figure, grid = plt.subplots(
        1, len(metrics), figsize=(WIDTH_INCHES, 2.7), squeeze=False, layout="constrained"
    )
    for axes, metric in zip(grid[0], metrics, strict=True):
        _bars(axes, record, metric)
    figure.suptitle(f"{name}: {record['title']}", fontsize=10)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return figure


def _bars(axes: Axes, record: Mapping[str, Any], metric: str) -> None:
    lines = {
        (line.case, line.system): line.median
        for line in tables.all_lines({"scenarios": {"": record}})
        if line.metric == metric
    }
    cases = [case for case in tables.cases(record) if any(key[0] == case for key in lines)]
    width = 0.8 / len(record["systems"])
    for index, system in enumerate(record["systems"]):
        spots = [
            (i, lines[case, system]) for i, case in enumerate(cases) if (case, system) in lines
        ]
        if not spots:
            continue
        axes.bar(
            [i + index * width for i, _ in spots],
            [found.value for _, found in spots],
            width,
            yerr=_error_bars([found for _, found in spots]),
            color=COLOURS.get(system, "#444444"),
            label=tables.label(record, system),
            capsize=2,
            error_kw={"linewidth": 0.8},
        )
    middle = 0.4 - width / 2
    axes.set_xticks([i + middle for i in range(len(cases))], cases)
    unit = record["units"][metric]
    better = "lower" if tables.lower_is_better(unit) else "higher"
    axes.set_title(f"{metric} [{unit}], {better} is better", fontsize=8)
    _plain(axes)


def _error_bars(intervals: Sequence[Interval]) -> list[list[float]]:
    return [
        [max(found.value - found.low, 0.0) for found in intervals],
        [max(found.high - found.value, 0.0) for found in intervals],
    ]


def _plain(axes: Axes) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure: Figure, folder: Path, name: str) -> str:
    import matplotlib.pyplot as plt

    svg = io.StringIO()
    figure.savefig(svg, format="svg", bbox_inches="tight", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    plt.close(figure)
    text = svg.getvalue()
    (folder / f"{name}.svg").write_text(text)
    return text[text.index("<svg") :]
