# SPDX-License-Identifier: Apache-2.0
"""`rkt-io bench report`: from a result file to a page, pictures and judged goals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rktio.bench import campaign, flame, goals, page, results, tables

PAGE_NAME = "report.html"
PICTURES_NAME = "pictures"


def write(folder: Path, *, against: Path | None = None) -> Path:
    """Write report.html and pictures/ into `folder`; the page's path. Raises RktioError."""
    from rktio.bench import pictures

    document = results.load(folder)
    judged = goals.judge(document)
    changes = None
    if against is not None:
        changes = list(tables.changes(results.load(against), document))
    (folder / PICTURES_NAME).mkdir(exist_ok=True)
    drawn = pictures.draw_all(document, judged, folder / PICTURES_NAME)
    for name, graphs in flame.pictures(folder).items():
        drawn[name] = drawn.get(name, "") + graphs
    target = folder / PAGE_NAME
    target.write_text(page.render(document, judged, drawn, campaign.failures(document), changes))
    return target


def as_json(folder: Path) -> str:
    """Return the judged goals of `folder` for scripts."""
    return json.dumps({"goals": goals.judge(results.load(folder))}, indent=2)


def as_table(folder: Path) -> str:
    """Return the judged goals for a terminal."""
    lines = []
    for row in goals.judge(results.load(folder)):
        for part in row["parts"] or [row]:
            lines.append(
                f"{_verdict(part):8} {_value(part):>8}  {part['goal']:>5g}  {part['name']}"
            )
    return "\n".join(["result      value   goal  figure", *lines])


def _verdict(part: dict[str, Any]) -> str:
    if part["value"] is None:
        return "-"
    return "ok" if part["met"] else "MISSED"


def _value(part: dict[str, Any]) -> str:
    return "-" if part["value"] is None else f"{part['value']:.2f}{part['unit']}"
