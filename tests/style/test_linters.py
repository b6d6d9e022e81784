# SPDX-License-Identifier: Apache-2.0
"""ruff, mypy and the shells' own syntax check find nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.style import sources

# Programs of the build: each folder is a small world of its own, with modules named alike.
BUILD_FOLDERS = sorted(
    {str(Path(name).parent) for name in sources.under("enclave/") if name.endswith(".py")}
)


def check(*words: str, **environment: str) -> None:
    """Run a linter; its own words are the failure."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=sources.CHECKOUT,
        env=os.environ | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_ruff_finds_nothing() -> None:
    check("ruff", "check", "--quiet", ".")


def test_ruff_would_format_nothing() -> None:
    check("ruff", "format", "--check", "--quiet", ".")


def test_mypy_finds_nothing() -> None:
    check("mypy", "--no-error-summary")


@pytest.mark.parametrize("folder", BUILD_FOLDERS)
def test_mypy_finds_nothing_in_the_build_programs(folder: str) -> None:
    programs = [name for name in sources.under(f"{folder}/") if name.endswith(".py")]
    check("mypy", "--no-error-summary", *programs, MYPYPATH=f"{folder}:.")


def test_shell_scripts_parse() -> None:
    for name in sources.files():
        first = sources.text(name).partition("\n")[0]
        if first.startswith("#!") and first.endswith(("/bash", "/sh")):
            subprocess.run(["bash", "-n", sources.CHECKOUT / name], check=True)
