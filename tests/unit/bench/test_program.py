# SPDX-License-Identifier: Apache-2.0
"""The C program: built, run natively, its output read strictly and its failures told."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from rktio.bench import program
from rktio.bench.micro import METRICS
from rktio.common.errors import RktioError

UNITS = {"getppid": "ns", "pipe": "ns"}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def collect(code: str, timeout_seconds: float = 20.0) -> dict[str, float]:
    return program.collect("native", python(code), UNITS, timeout_seconds=timeout_seconds)


def test_figures_are_read_by_name() -> None:
    assert program.parse_figures("getppid 12.5 ns\npipe 900.000 ns\n", UNITS) == {
        "getppid": 12.5,
        "pipe": 900.0,
    }


@pytest.mark.parametrize(
    "line",
    ["getppid 12.5 us", "futex 1.0 ns", "getppid 12.5", "getppid x ns", "pipe 1 ns\npipe 2 ns"],
)
def test_what_is_no_figure_that_was_asked_for_is_refused(line: str) -> None:
    with pytest.raises(RktioError, match="micro printed"):
        program.parse_figures(line, UNITS)


def test_complete_output_is_returned() -> None:
    assert collect("print('getppid 1 ns'); print('pipe 2 ns')") == {"getppid": 1.0, "pipe": 2.0}


def test_missing_figure_names_side_benchmark_and_reason() -> None:
    with pytest.raises(RktioError, match=r"(?s)native: no figure for pipe: exit status 1.*why"):
        collect("import sys; print('getppid 1 ns'); sys.exit('why')")


def test_death_by_signal_is_told() -> None:
    with pytest.raises(RktioError, match="no figure for getppid: signal 9"):
        collect("import os; os.kill(os.getpid(), 9)")


def test_hang_is_ended_and_told() -> None:
    with pytest.raises(RktioError, match="no figure for pipe: no end after"):
        collect("import time; print('getppid 1 ns', flush=True); time.sleep(60)", 1.0)


@pytest.fixture
def micro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return program.built()


def test_program_is_built_once(micro: Path) -> None:
    built_at = micro.stat().st_mtime_ns

    assert program.built() == micro
    assert micro.stat().st_mtime_ns == built_at


def test_program_measures_every_benchmark_of_the_table(micro: Path, tmp_path: Path) -> None:
    units = {metric.name: metric.unit for metric in METRICS}
    words = program.arguments(list(units), 0.002, str(tmp_path))

    figures = program.collect("native", [micro, *words], units, timeout_seconds=60.0)

    assert figures.keys() == units.keys()
    assert all(value > 0 for value in figures.values())


def test_unknown_benchmark_of_the_program_is_an_error(micro: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [micro, *program.arguments(["nonsense"], 0.01, str(tmp_path))]

    with pytest.raises(RktioError, match="nonsense: Invalid argument"):
        program.collect("native", command, {"nonsense": "ns"}, timeout_seconds=20.0)
