# SPDX-License-Identifier: Apache-2.0
"""Pages can be found, links lead somewhere, and `make help` knows every task."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tests.style import sources

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
TASK = re.compile(r"^([a-z][a-z-]*):(?!=)(.*)$", re.MULTILINE)
INTERNAL_TASKS = {"packages"}


def links(name: str) -> list[str]:
    """Return the local targets of a page's links, as paths from the checkout's root."""
    found = []
    for target in LINK.findall(sources.text(name)):
        if "://" not in target and not target.startswith("mailto:"):
            joined = sources.CHECKOUT / PurePosixPath(name).parent / target
            found.append(str(joined.resolve().relative_to(sources.CHECKOUT)))
    return found


def test_every_page_is_linked_from_the_readme() -> None:
    linked = set(links("README.md"))
    sources.report([n for n in sources.under("docs/", suffixes=(".md",)) if n not in linked])


def test_links_lead_somewhere() -> None:
    sources.report(
        [
            f"{name}: links to {target}, which does not exist"
            for name in sources.files()
            if name.endswith(".md")
            for target in links(name)
            if not (sources.CHECKOUT / target).exists()
        ]
    )


def test_help_lists_every_task() -> None:
    tasks = TASK.findall(sources.text("Makefile"))
    sources.report(
        [name for name, rest in tasks if "## " not in rest and name not in INTERNAL_TASKS]
    )


def test_every_documented_task_exists() -> None:
    tasks = {name for name, _ in TASK.findall(sources.text("Makefile"))}
    documents = [n for n in sources.files() if n.endswith(".md")] + [".ci/run"]
    used = {
        (name, task)
        for name in documents
        for task in re.findall(r"(?:^|`|sudo )make ([a-z][a-z-]+)", sources.text(name), re.M)
    }
    sources.report([f"{name}: make {task}" for name, task in used if task not in tasks])
