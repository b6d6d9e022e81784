# SPDX-License-Identifier: Apache-2.0
"""The files of the checkout, as the rules of the house look at them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def files() -> tuple[str, ...]:
    """Return what is in git, or would be after `git add`: sorted paths from the checkout's root."""
    # The checkout may belong to another user than the root who runs the tests.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True).stdout
    names = {name for name in listed.decode().split("\0") if name}
    return tuple(sorted(name for name in names if (CHECKOUT / name).is_file()))


def under(*folders: str, suffixes: tuple[str, ...] = ("",)) -> list[str]:
    """Return the files below some folders ('' is all) that end in one of the suffixes."""
    return [name for name in files() if name.startswith(folders) and name.endswith(suffixes)]


def text(name: str) -> str:
    """Return a file's text; what isn't UTF-8 is replaced."""
    return (CHECKOUT / name).read_text(errors="replace")


def report(failures: list[str]) -> None:
    """Fail with one line for each breach."""
    assert not failures, "\n" + "\n".join(failures)
