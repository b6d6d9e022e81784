# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
from pathlib import Path

import pytest

import rktio
from rktio.cli import api
from rktio.cli.api import PIPE, Enclave
from rktio.host import launch
from rktio.host.options import NetOptions
from tests import standin

pytestmark = pytest.mark.needs("fsgsbase", "dispatch")


@pytest.fixture(autouse=True)
def enclave_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = standin.make_enclave(tmp_path / "rkt-io-enclave")
    monkeypatch.setattr(launch, "enclave_binary", lambda: binary)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return standin.make_image(tmp_path / "app.img", tmp_path / "root")


def enclave(image: Path, *words: str, **streams: int) -> Enclave:
    return Enclave(
        image,
        "/bin/program",
        *words,
        net=NetOptions.none(),
        stdin=streams.get("stdin"),
        stdout=streams.get("stdout"),
    )


def test_public_names_are_there() -> None:
    for name in rktio.__all__:
        assert getattr(rktio, name) is not None
    with pytest.raises(AttributeError):
        rktio.nothing  # noqa: B018


def test_a_run_returns_status_and_output(image: Path) -> None:
    done = enclave(image, "dump").run()
    assert done.status == 0
    assert b"arg=dump\n" in done.stdout
    assert enclave(image, "exit", "9").run().status == 9
    assert enclave(image, "kill", "KILL").run().status == 137


def test_input_reaches_the_program(image: Path) -> None:
    assert enclave(image, "cat").run(input=b"hello").stdout == b"hello"


def test_a_checked_run_raises(image: Path) -> None:
    with pytest.raises(rktio.RktioError, match="exit status 9"):
        enclave(image, "exit", "9").run(check=True)


def test_a_run_that_takes_too_long_leaves_nothing(image: Path) -> None:
    slow = enclave(image, "sleep")
    with pytest.raises(rktio.RktioError, match="still runs"):
        slow.run(timeout=0.3)
    assert not slow.running()


def test_a_block_ends_the_enclave_and_frees_the_image(image: Path) -> None:
    with enclave(image, "sleep", stdout=PIPE) as first:
        assert first.stdout.readline() == b"started\n"
        with pytest.raises(rktio.RktioError, match="in use"):
            enclave(image, "dump").run()
        assert first.running()
    assert not first.running()
    assert enclave(image, "dump").run().status == 0


def test_a_program_that_ignores_sigterm_is_killed(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "END_SECONDS", 0.2)
    with enclave(image, "stubborn", stdin=PIPE, stdout=PIPE) as stubborn:
        assert stubborn.stdout.readline() == b"started\n"
    assert stubborn.wait() == 137


def test_signals_reach_the_program(image: Path) -> None:
    with enclave(image, "sleep", stdout=PIPE) as running:
        running.stdout.readline()
        running.signal(signal.SIGUSR1)
        assert running.wait(10) == 128 + signal.SIGUSR1


def test_kill_is_a_power_cut(image: Path) -> None:
    with enclave(image, "sleep", stdout=PIPE) as running:
        assert running.kill() == 137


def test_misuse_is_explained(image: Path) -> None:
    idle = enclave(image, "dump")
    with pytest.raises(rktio.RktioError, match="was not started"):
        idle.wait()
    idle.run()
    with pytest.raises(rktio.RktioError, match="started before"):
        idle.start()
    with enclave(image, "dump", stdout=PIPE) as other, pytest.raises(rktio.RktioError):
        other.stdin.write(b"")


def test_the_address_is_the_first(image: Path) -> None:
    assert enclave(image).address is None
    assert Enclave(image, "/bin/program").address == "10.0.1.1"


def test_a_file_describes_an_enclave(image: Path, tmp_path: Path) -> None:
    config = tmp_path / "app.toml"
    config.write_text(
        'image = "app.img"\nprogram = "/bin/program"\nargs = ["dump"]\n[net]\nmode = "none"\n'
    )
    assert Enclave.from_config(config).run().status == 0
