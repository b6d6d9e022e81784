# SPDX-License-Identifier: Apache-2.0
"""The options of the tests themselves: a skip says why, and --require makes it a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
Session = Callable[..., subprocess.CompletedProcess[str]]

# A machine of which the tests take away one thing and keep another.
MACHINE = """
import tests.conftest as machine

machine.FACTS["root"] = lambda: "taken away by a test"
machine.FACTS["tun"] = lambda: None
machine.absent.cache_clear()
"""

TESTS = """
import pytest

@pytest.mark.needs("root")
def test_absent(): pass

@pytest.mark.needs("tun")
def test_present(): pass

def test_indifferent(): pass
"""


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """Return a function that runs the tests above in a pytest of their own."""
    (tmp_path / "conftest.py").write_text(MACHINE)
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        settings = ["-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-rs", *settings, *options],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(CHECKOUT), "COLUMNS": "200"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )

    return run


def test_what_is_absent_skips_and_says_why(session: Session) -> None:
    done = session()
    assert done.returncode == 0, done.stdout
    assert "2 passed, 1 skipped" in done.stdout
    assert "taken away by a test" in done.stdout.partition("short test summary")[2]


@pytest.mark.parametrize("name", ["root", "all"])
def test_what_is_required_and_absent_fails(session: Session, name: str) -> None:
    done = session(f"--require={name}")
    assert done.returncode == 1, done.stdout
    assert "2 passed" in done.stdout
    assert "skipped" not in done.stdout
    assert "taken away by a test" in done.stdout


def test_what_is_required_and_present_passes(session: Session) -> None:
    done = session("--require=tun")
    assert done.returncode == 0, done.stdout
    assert "2 passed, 1 skipped" in done.stdout


def test_a_requirement_nobody_knows_is_refused(session: Session) -> None:
    done = session("--require=quantum")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "quantum" in done.stdout


def test_what_the_machine_lacks_is_printed_first(session: Session) -> None:
    head = session().stdout.partition("collected")[0]
    assert "root: taken away by a test" in head
    assert "tun:" not in head
