# SPDX-License-Identifier: Apache-2.0
"""The command line of rkt-io-run: what it reads, and what the enclave gets from it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rktio.cli.run import main, options_from, parser
from rktio.host.options import Disk, NetOptions, RunOptions
from tests import standin


def read(*words: str) -> RunOptions:
    return options_from(parser().parse_args(words))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return standin.make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    return standin.make_image(folder / "app.img", folder / "root")


def launch(checkout: Path, image: Path, *words: str) -> subprocess.CompletedProcess[str]:
    run = str(checkout / "bin" / "rkt-io-run")
    command = [run, "--net", "none", str(image), "/bin/program", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_words_after_the_image_are_the_programs() -> None:
    options = read("--memory", "64M", "a.img", "redis-server", "--memory", "3", "--", "-x")
    assert options.image == Path("a.img")
    assert options.program == "redis-server"
    assert options.args == ("--memory", "3", "--", "-x")
    assert options.memory_bytes == 64 << 20


def test_flags_reach_their_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_SHELL", "yes")
    options = read(
        *("--disk", "b.img,ro", "--disk", "c.img", "--env", "A=b=c", "--env", "FROM_SHELL"),
        *("--env", "NOT_SET_ANYWHERE", "--sysctl", "vm.swappiness=1", "--address", "10.0.5.1/24"),
        *("--address", "fd00::1/64", "--gateway", "none", "--mtu", "9000", "--stats"),
        *("a.img", "true"),
    )
    assert options.disks == (Disk(Path("b.img"), read_only=True), Disk(Path("c.img")))
    assert options.env == {"A": "b=c", "FROM_SHELL": "yes"}
    assert options.sysctl == {"vm.swappiness": "1"}
    assert options.net == NetOptions(addresses=("10.0.5.1/24", "fd00::1/64"), gateways=(), mtu=9000)
    assert options.stats


def test_a_flag_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path) -> None:
    config = tmp_path / "app.toml"
    config.write_text(
        'image = "a.img"\nprogram = "p"\nargs = ["x"]\ncpus = 2\nmemory = "64M"\n'
        '[env]\nA = "file"\nB = "file"\n[net]\naddress = ["10.0.9.1/24"]\nmtu = 1400\n'
    )
    options = read("--config", str(config), "--cpus", "1", "--env", "A=flag", "--mtu", "1300")
    assert (options.cpus, options.memory_bytes) == (1, 64 << 20)
    assert options.env == {"A": "flag", "B": "file"}
    assert options.net == NetOptions(addresses=("10.0.9.1/24",), mtu=1300)
    assert options.args == ("x",)
    other = read("--config", str(config), "b.img", "q")
    assert (other.image, other.program, other.args) == (Path("b.img"), "q", ())


def test_an_environment_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("# comment\nA=1\n\nB=x y\n")
    assert read("--env-file", str(path), "--env", "A=2", "i", "p").env == {"A": "2", "B": "x y"}


@pytest.mark.parametrize("words", [[], ["a.img"], ["--nett", "none", "a", "b"], ["--cpus", "x"]])
def test_wrong_usage_is_one_line_and_two(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(main(words))
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.needs("fsgsbase", "dispatch")
class TestLaunch:
    def test_the_record_reaches_the_enclave(self, checkout: Path, image: Path) -> None:
        done = launch(checkout, image, "dump")
        assert done.stderr == ""
        assert "root=vda:ext4:rw" in done.stdout.splitlines()
        assert done.stdout.splitlines()[-2:] == ["arg=/bin/program", "arg=dump"]

    def test_the_status_is_the_programs(self, checkout: Path, image: Path) -> None:
        assert launch(checkout, image, "exit", "7").returncode == 7
        assert launch(checkout, image, "kill", "TERM").returncode == -15

    def test_only_needed_descriptors_are_inherited(self, checkout: Path, image: Path) -> None:
        shown = launch(checkout, image, "fds").stdout
        targets = [line.partition(" -> ")[2] for line in shown.splitlines() if " -> " in line]
        assert str(image) in targets
        assert sum("rkt-io-launch" in target for target in targets) == 1
        assert not any(target.endswith(".py") for target in targets)

    def test_no_signal_stays_ignored(self, checkout: Path, image: Path) -> None:
        shown = launch(checkout, image, "sigpipe").stdout
        assert int(shown.split()[1], 16) & (1 << 12 | 1 << 24) == 0  # SIGPIPE, SIGXFSZ

    def test_closed_standard_descriptors_are_filled(self, checkout: Path, image: Path) -> None:
        script = '"$0" --net none "$1" /bin/program dump <&- 2>&-'
        command = ["sh", "-c", script, str(checkout / "bin" / "rkt-io-run"), str(image)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        disk = next(line for line in done.stdout.splitlines() if line.startswith("disk="))
        assert int(disk.split("=")[1].split(":")[0]) > 2

    def test_a_terminal_is_announced(self, checkout: Path, image: Path) -> None:
        ours, theirs = os.openpty()
        run = str(checkout / "bin" / "rkt-io-run")
        command = [run, "--net", "none", str(image), "/bin/program", "dump"]
        with subprocess.Popen(command, stdin=theirs, stdout=theirs) as process:
            assert process.wait() == 0
        assert b"tty=1" in os.read(ours, 65536)
        os.close(ours)
        os.close(theirs)
