# SPDX-License-Identifier: Apache-2.0
"""Folded stacks (`a;b;c COUNT`) as a picture: an icicle graph in SVG, the root on top."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

WIDTH, ROW, TOP = 1040.0, 18, 24
LEAST_WIDTH = 0.4  # narrower boxes are not drawn
CHARACTER = 6.3  # of the font below, about
# One hue for each layer, so that two pictures can be compared at a glance.
COLOURS = {
    "application": "#8fc7a3",
    "library kernel": "#7fb3dd",
    "runtime": "#b9a5dd",
    "host kernel": "#e8b07a",
}
OTHER, ROOT = "#cccccc", "#eeeeee"


@dataclass
class Frame:
    """A box: how many samples were in it or below it."""

    name: str
    count: int = 0
    below: dict[str, Frame] = field(default_factory=dict)


def folded(counts: Mapping[tuple[str, ...], int]) -> str:
    """Return the stacks as text, the most frequent ones first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in ordered)


def unfolded(text: str) -> dict[tuple[str, ...], int]:
    """Read what `folded` wrote."""
    found = {}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        found[tuple(stack.split(";"))] = int(count)
    return found


def drawn(counts: Mapping[tuple[str, ...], int], title: str) -> str:
    """Return the SVG."""
    root = _tree(counts, title)
    depth = 1 + max((len(stack) for stack in counts), default=0)
    boxes = "".join(_boxes(root, 0.0, WIDTH, 0, root.count, OTHER))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {TOP + depth * ROW}" '
        f'font-family="sans-serif" font-size="11"><text x="2" y="15" font-size="13">'
        f"{html.escape(title)}</text>{boxes}</svg>\n"
    )


def _tree(counts: Mapping[tuple[str, ...], int], title: str) -> Frame:
    root = Frame(title)
    for stack, count in counts.items():
        at = root
        at.count += count
        for name in stack:
            at = at.below.setdefault(name, Frame(name))
            at.count += count
    return root


def _boxes(
    frame: Frame, left: float, width: float, row: int, total: int, colour: str
) -> Iterator[str]:
    if width < LEAST_WIDTH:
        return
    fill = ROOT if row == 0 else colour
    top = TOP + row * ROW
    text = "all samples" if row == 0 else frame.name
    share = f"{text}: {frame.count} samples, {100 * frame.count / max(total, 1):.1f} %"
    label = text[: int((width - 4) / CHARACTER)] if width > 4 * CHARACTER else ""
    yield (
        f'<g><title>{html.escape(share)}</title><rect x="{left:.1f}" y="{top}" '
        f'width="{width:.1f}" height="{ROW - 1}" fill="{fill}" stroke="white" '
        f'stroke-width="0.5"/><text x="{left + 2:.1f}" y="{top + 13}">{html.escape(label)}</text>'
        "</g>"
    )
    for below in sorted(frame.below.values(), key=lambda found: -found.count):
        own = COLOURS.get(below.name, OTHER) if row == 0 else colour
        wide = width * below.count / frame.count
        yield from _boxes(below, left, wide, row + 1, total, own)
        left += wide
