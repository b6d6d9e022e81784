# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page that needs no other file, no script and no network."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rktio.bench import tables
from rktio.bench.comparison import significant
from rktio.bench.statistics import SIGNIFICANT, Interval
from rktio.bench.tables import Change, Line

STYLE = """
body { font: 15px/1.45 sans-serif; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; color: #222 }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right }
th:first-child, td:first-child { text-align: left }
th { border-bottom: 2px solid #888 }
.missed { color: #b00020; font-weight: 600 }
.met { color: #00704f; font-weight: 600 }
.unknown, .small { color: #666 }
.small { font-size: 13px }
.met, .missed, .met + .small, .missed + .small { white-space: nowrap }
svg { max-width: 100%; height: auto }
h2 { margin-top: 2.2rem }
details pre { overflow-x: auto; background: #f5f5f5; padding: .6rem; font-size: 12px }
"""
Cells = Sequence[str]


def render(
    document: Mapping[str, Any],
    goals: Sequence[Mapping[str, Any]],
    pictures: Mapping[str, str],
    failed: Sequence[str],
    changes: Sequence[Change] | None,
) -> str:
    """Return the page."""
    title = f"rkt-io: evaluation of {_dates(document)}"
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        _machine(document),
        "<h2>Goals</h2>",
        "<p>Ratios of the library OS (<i>direct</i>) to <i>native</i>; above 1 is better than "
        "native, for times, too. In brackets: the 95 % bootstrap interval of the ratio of "
        "medians; beside it that of an A/A pair, native against native, which is the noise.</p>",
        _goal_table(goals),
        pictures.get("goals", ""),
    ]
    if changes is not None:
        parts.append(_change_section(changes))
    for name, record in document["scenarios"].items():
        parts += _scenario(name, record, pictures.get(name, ""))
    if failed:
        parts += [
            "<h2>Runs that failed</h2><ul>",
            *(f"<li>{_text(f)}</li>" for f in failed),
            "</ul>",
        ]
    parts += [_conditions(document), "</body></html>\n"]
    return "\n".join(parts)


def _dates(document: Mapping[str, Any]) -> str:
    days = [session["started"][:10] for session in document["sessions"]]
    return " to ".join(dict.fromkeys((min(days), max(days)))) if days else "no date"


def _machine(document: Mapping[str, Any]) -> str:
    if not document["sessions"]:
        return "<p>Nothing was measured.</p>"
    session = document["sessions"][-1]
    machine = session["machine"]
    loads = [sample["load"][0] for r in document["scenarios"].values() for sample in r["samples"]]
    busiest = f"; load {min(loads):.1f} to {max(loads):.1f}" if loads else ""
    warning = tables.busy_warning(document)
    guest = ", a virtual machine" if machine["hypervisor"] else ""
    return (
        f"<p>{_text(machine['cpu'])}, {machine['cpus']} CPUs{guest}; Linux "
        f"{_text(machine['kernel'])}, {_text(machine['os'])}{busiest}. rkt-io "
        f"{_text(session['rkt_io']['version'])} ({_text(session['rkt_io']['commit'])}, enclave "
        f"{_text(session['rkt_io']['enclave'])}).</p>"
        + (f'<p class="missed">{_text(warning)}</p>' if warning else "")
    )


def _goal_table(goals: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for row in goals:
        parts = row["parts"] or [{**row, "name": "", "low": None, "high": None, "noise": None}]
        for index, part in enumerate(parts):
            rows.append(
                (
                    _text(row["name"]) if index == 0 else "",
                    f'<span class="small">{_text(part["name"])}</span>',
                    _goal(part),
                    _judged(part),
                    f'<span class="small">{_noise(part)}</span>',
                    f'<span class="small">{_text(part["reason"] or "")}</span>',
                )
            )
    return _table(
        ("workload", "figure", "goal", "direct / native", "native / native", "remark"), rows
    )


def _goal(part: Mapping[str, Any]) -> str:
    if "unit" not in part:  # a row that has no figures yet
        return f"{part['goal']:g}x"
    return f"{'≤ ' if part['at_most'] else ''}{part['goal']:g} {part['unit']}".replace(" x", "x")


def _noise(part: Mapping[str, Any]) -> str:
    """Return the interval of an A/A pair: a ratio inside it says nothing."""
    return "" if part["noise"] is None else "[{:.2f}, {:.2f}]".format(*part["noise"])


def _judged(part: Mapping[str, Any]) -> str:
    if part["value"] is None:
        return '<span class="missed">not measured</span>'
    kind = "met" if part["met"] else "missed"
    bounds = f"[{part['low']:.2f}, {part['high']:.2f}]"
    return f'<span class="{kind}">{_measured(part)}</span> <span class="small">{bounds}</span>'


def _measured(part: Mapping[str, Any]) -> str:
    return f"{part['value']:.2f} {part['unit']}".replace(" x", "x")


def _scenario(name: str, record: Mapping[str, Any], picture: str) -> Iterable[str]:
    lines = list(tables.all_lines({"scenarios": {name: record}}))
    figure = f" (in the form of the talk's figure {_text(record['figure'])})"
    yield f"<h2>{_text(name)}</h2><p>{_text(record['title'])}{figure if record['figure'] else ''}"
    yield f'; <span class="small">{_text(_how(record))}</span></p>'
    yield picture
    head = ("case", "figure", "system", "median", "95 % interval", "against native", "runs")
    yield _table(head, [_line(line, tables.label(record, line.system)) for line in lines])


def _how(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    cycles = record["world_switch_cycles"]
    switch = "no world switch simulated" if cycles is None else f"world switch of {cycles} cycles"
    cores = f"{record['cpus']} core(s) a side"
    return f"{record['length']}, {record['topology']}, {cores}, {switch}; {versions}"


def _line(line: Line, system: str) -> Cells:
    against = "" if line.ratio is None else _ratio(line.ratio)
    if line.system == tables.NOISE:
        against += ' <span class="small">noise</span>'
    return (
        _text(line.case),
        f"{_text(line.metric)} [{_text(line.unit)}]",
        _text(system),
        _figure(line.median.value),
        f"{_figure(line.median.low)} to {_figure(line.median.high)}",
        against,
        str(line.runs),
    )


def _ratio(ratio: Interval) -> str:
    return f'{ratio.value:.2f}x <span class="small">[{ratio.low:.2f}, {ratio.high:.2f}]</span>'


def _change_section(changes: Sequence[Change]) -> str:
    if not changes:
        return "<h2>Comparison</h2><p>The two sets have nothing measured alike.</p>"
    rows = [
        (
            _text(change.name),
            f"{_figure(change.before)} {_text(change.unit)}",
            f"{_figure(change.after)} {_text(change.unit)}",
            _ratio(change.ratio),
            f"{change.p:.3f}",
            _verdict(change),
        )
        for change in changes
    ]
    head = ("figure of direct", "before", "after", "change (above 1: better)", "p", "verdict")
    note = (
        "<p>p: permutation test on mean logarithms, two-sided; below "
        f"{SIGNIFICANT} is called significant, with no correction for the number of rows.</p>"
    )
    return f"<h2>Comparison with the earlier set</h2>{note}{_table(head, rows)}"


def _verdict(change: Change) -> str:
    if change.p >= SIGNIFICANT:
        return '<span class="unknown">no difference seen</span>'
    if change.ratio.value >= 1:
        return '<span class="met">better</span>'
    return '<span class="missed">worse</span>'


def _conditions(document: Mapping[str, Any]) -> str:
    def folded(title: str, value: object) -> str:
        text = _text(json.dumps(value, indent=1))
        return f"<details><summary>{_text(title)}</summary><pre>{text}</pre></details>"

    found = [folded(f"session of {s['started']}", s) for s in document["sessions"]]
    for name, record in document["scenarios"].items():
        kept = {key: value for key, value in record.items() if key != "samples"}
        found.append(folded(f"parameters of {name}", kept))
    return "<h2>Conditions</h2>" + "\n".join(found)


def _table(head: Cells, rows: Iterable[Cells]) -> str:
    lines = ["<table><thead><tr>", *(f"<th>{cell}</th>" for cell in head), "</tr></thead><tbody>"]
    for row in rows:
        lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{significant(value):g}"


def _text(value: str) -> str:
    return html.escape(value)
