# SPDX-License-Identifier: Apache-2.0
"""The page stands alone, says what was missed, and compares two sets."""

from __future__ import annotations

import copy
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rktio.bench import cli, goals, page, report, results, tables
from rktio.common.errors import RktioError
from tests.unit.bench.result_sets import document, steady

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
LOADING = {"src", "href", "data", "srcset"}


class Audit(HTMLParser):
    """Collects what the page would load, and which elements it leaves open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in LOADING and value and not value.startswith(("#", "data:")):
                self.loads.append(value)


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    results.save(tmp_path, document(steady(100.0, 300.0)))
    return tmp_path


def test_page_and_pictures_are_written(measured: Path) -> None:
    path = report.write(measured)

    assert path == measured / "report.html"
    for name in ("goals", "nginx"):
        assert (measured / "pictures" / f"{name}.png").read_bytes().startswith(PNG_MAGIC)
        assert "<svg" in (measured / "pictures" / f"{name}.svg").read_text()


def test_page_loads_nothing_and_has_its_pictures_inside(measured: Path) -> None:
    audit = Audit(report.write(measured).read_text())

    assert audit.loads == []
    assert audit.tags.count("svg") == 2
    assert "script" not in audit.tags


def test_same_results_give_the_same_page(measured: Path) -> None:
    first = report.write(measured).read_text()

    assert report.write(measured).read_text() == first


def test_missed_goal_is_red_and_met_one_is_not() -> None:
    found = document(steady(100.0, 300.0), name="nginx@pair")
    text = page.render(found, goals.judge(found), {}, [], None)

    assert '<span class="met">3.00x</span>' in text
    assert '<span class="missed">not measured</span>' in text


def test_busy_machine_is_told() -> None:
    quiet, busy = document(steady(100.0, 300.0)), document(steady(100.0, 300.0))
    busy["scenarios"]["nginx"]["samples"][3]["load"][0] = 7.5

    assert "had other work" not in page.render(quiet, goals.judge(quiet), {}, [], None)
    assert "before 1 of 15 runs" in page.render(busy, goals.judge(busy), {}, [], None)


def test_names_are_escaped() -> None:
    found = document(steady(100.0, 300.0))

    text = page.render(found, goals.judge(found), {}, ["a <b> failed"], None)

    assert "A &lt;fast&gt; CPU" in text
    assert "a &lt;b&gt; failed" in text


def test_two_sets_are_compared_with_significance() -> None:
    before, after = document(steady(100.0, 150.0)), document(steady(100.0, 300.0))

    rate = next(tables.changes(before, after))

    assert (rate.name, rate.ratio.value) == ("nginx 1KiB throughput", 2.0)
    assert rate.p < 0.05
    text = page.render(after, goals.judge(after), {}, [], [rate])
    assert '<span class="met">better</span>' in text


def test_noise_is_no_change() -> None:
    before = document(steady(100.0, 150.0))

    found = list(tables.changes(before, copy.deepcopy(before)))

    assert all(change.p == 1.0 and change.ratio.value == 1.0 for change in found)


def test_sets_of_other_parameters_are_not_compared() -> None:
    before, after = document(steady(100.0, 150.0)), document(steady(100.0, 150.0))
    before["scenarios"]["nginx"]["digest"] = "other"

    assert list(tables.changes(before, after)) == []


def test_json_has_the_promised_keys(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(measured), "--json"]) == 0

    judged = json.loads(capsys.readouterr().out)["goals"]
    assert len(judged) == 11
    assert all({"name", "goal", "value", "met"} <= set(row) for row in judged)
    assert not (measured / "report.html").exists()


def test_list_names_the_scenarios(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["list"])

    assert "redis-ycsb" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["run", "redis", "--out", "x"], "there is no scenario 'redis'"),
        (["run", "sqlite@pair", "--out", "x"], "there is no scenario 'sqlite@pair'"),
        (["quick", "--systems", "native,sgx"], "there is no system 'sgx'"),
        (["quick", "--systems", "natif"], "there is no system 'natif'"),
        (["quick", "--runs", "0"], "--runs 0 is not at least 1"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(words: list[str], told: str) -> None:
    with pytest.raises(RktioError, match=told):
        cli.main(words)


def test_only_root_may_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(RktioError, match="need root"):
        cli.main(["quick", "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_simulated_cost_is_said_in_table_and_picture(tmp_path: Path) -> None:
    found = document({"native": [100.0] * 5, "direct": [300.0] * 5, "sync": [30.0] * 5})
    found["scenarios"]["nginx"]["world_switch_cycles"] = 8200
    results.save(tmp_path, found)

    table = report.write(tmp_path).read_text().split("<h2>nginx</h2>")[1]

    assert "<td>sync (8200 cycles simulated)</td>" in table
    assert "<td>direct</td>" in table
