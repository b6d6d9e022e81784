# SPDX-License-Identifier: Apache-2.0
"""The command line: output, exit status, refusals."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest

from rktio.bench import cli, micro
from rktio.bench.comparison import Metric, Result

FAST = Result(Metric("pipe", "ns", 5.0), (100.0,), (700.0,))
SLOW = Result(Metric("futex", "ns", 5.0), (100.0,), (300.0,))


@pytest.fixture(autouse=True)
def keep_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[micro.MicroOptions]:
    options: list[micro.MicroOptions] = []

    def measure(given: micro.MicroOptions) -> list[Result]:
        options.append(given)
        return [FAST, SLOW]

    monkeypatch.setattr(micro, "measure", measure)
    return options


@pytest.mark.usefixtures("asked")
def test_json_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["micro", "--json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document["results"]] == ["pipe", "futex"]


@pytest.mark.usefixtures("asked")
def test_table_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["micro"]) == 0

    out = capsys.readouterr().out
    assert "7.00x" in out
    assert "alternating runs" in out


@pytest.mark.usefixtures("asked")
def test_missed_goal_fails_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["micro", "--goals"]) == 1

    assert "goal missed: futex: 3.00x, 5.00x wanted" in capsys.readouterr().err


def test_options_reach_the_measurement(asked: list[micro.MicroOptions]) -> None:
    cli.main(["micro", "--runs", "9", "--only", "pipe", "--seconds", "0.1"])

    assert (asked[0].runs, asked[0].seconds) == (9, 0.1)
    assert [metric.name for metric in asked[0].metrics] == ["pipe"]


@pytest.mark.parametrize(
    "argv", [[], ["nonsense"], ["micro", "--runs", "0"], ["micro", "--seconds", "-1"]]
)
def test_wrong_usage_exits_with_two(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(argv)

    assert caught.value.code == 2
