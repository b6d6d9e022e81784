# SPDX-License-Identifier: Apache-2.0
"""The evaluation on real programs: a short run, our clients, and the page in a browser."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rktio.bench import cli, icicle, report, results, sources
from tests.unit.bench.result_sets import document, steady

SCREEN = (1200, 3000)
GREEN, BLUE = (0x00, 0x9E, 0x73), (0x00, 0x72, 0xB2)


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(["redis-server", *words], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if b"Ready to accept" in line:
                    break
            yield port
        finally:
            server.kill()


def redis(port: int, *words: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(port), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.needs("gcc", "redis-server", "redis-cli")
def test_ycsb_loads_runs_and_reports(tmp_path: Path) -> None:
    ycsb = sources.built("ycsb")
    with redis_server(tmp_path) as port:
        subprocess.run([ycsb, "load", "127.0.0.1", str(port), "1000"], check=True)
        fields = redis(port, "HVALS", "user999").split()
        words = ["run", "127.0.0.1", str(port), "1000", "8", "0.5"]
        done = subprocess.run([ycsb, *words], check=True, capture_output=True, text=True)
        keys, calls = redis(port, "DBSIZE"), redis(port, "INFO", "commandstats")

    assert keys.strip() == "1000"
    assert [len(field) for field in fields] == [100] * 10
    figures = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
    assert figures["throughput"] > 100
    assert 0 < figures["p50"] <= figures["p99"] <= figures["p999"]
    assert 0 < figures["client_cpu"] <= 1.05
    counts = {
        line.split(":")[0]: int(line.split("calls=")[1].split(",")[0])
        for line in calls.splitlines()
        if "calls=" in line
    }
    reads, updates = counts["cmdstat_hgetall"], counts["cmdstat_hset"] - 1000
    assert 0.8 < reads / updates < 1.25  # half and half


@pytest.mark.needs("gcc")
def test_ycsb_without_a_server_fails_with_a_line() -> None:
    done = subprocess.run(
        [sources.built("ycsb"), "run", "127.0.0.1", "1", "10", "1", "1"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert done.stderr == "ycsb: cannot connect: Connection refused\n"


@pytest.mark.slow
@pytest.mark.needs("root", "tun", "enclave", "two-cpus", "mmdebstrap", "gcc")
def test_short_run_measures_both_sides_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(Path("/sys/class/net").iterdir())

    assert cli.main(["run", "sendto", "--quick", "--runs", "1", "--out", str(tmp_path)]) == 0

    for name in ("sendto", "sendto@pair"):
        samples = results.load(tmp_path)["scenarios"][name]["samples"]
        assert [sample["system"] for sample in samples] == ["native", "direct", "native-aa"]
        assert all(sample["values"]["32B"]["throughput"] > 1000 for sample in samples)
    assert (tmp_path / "report.html").exists()
    assert set(Path("/sys/class/net").iterdir()) == before


@pytest.mark.slow
@pytest.mark.needs("chromium")
def test_page_shows_its_pictures_in_a_browser(tmp_path: Path) -> None:
    found = document(steady(100.0, 300.0), name="fio-buffered", case="randrw")
    results.save(tmp_path, found)
    path = report.write(tmp_path)
    screen = tmp_path / "screen.png"
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    subprocess.run(
        [
            "chromium",
            *words,
            f"--user-data-dir={tmp_path}/profile",
            f"--window-size={SCREEN[0]},{SCREEN[1]}",
            f"--screenshot={screen}",
            path.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )

    # The bars of the goals (met) and of the library OS are drawn, not only described.
    for colour in (GREEN, BLUE):
        assert count(screen, colour) > 500, colour


def count(picture: Path, colour: tuple[int, int, int]) -> int:
    """Return how many pixels of a PNG have exactly this colour."""
    from matplotlib.image import imread

    rows = (imread(picture)[:, :, :3] * 255).round()
    return int((rows == colour).all(axis=2).sum())


@pytest.mark.slow
@pytest.mark.needs("root", "tun", "enclave", "two-cpus", "mmdebstrap", "gcc", "perf")
def test_cycles_of_an_enclave_have_the_names_of_their_functions(tmp_path: Path) -> None:
    # Bound by its CPU: as many samples on a machine with other work as on a quiet one.
    words = ["flame", "sqlite", "--systems", "direct", "--out", str(tmp_path)]

    assert cli.main(words) == 0

    text = (tmp_path / "flames/sqlite--size100--direct.folded").read_text()
    counts = {";".join(stack): count for stack, count in icicle.unfolded(text).items()}
    assert counts.get("library kernel;linux;libos_copy_user", 0) > 10, text
    assert counts.get("application;libsqlite3.so.0.8.6;sqlite3VdbeExec", 0) > 10, text
