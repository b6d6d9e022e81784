# SPDX-License-Identifier: Apache-2.0
"""Bad input costs one line that says what and what to do, status 125, and nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import standin

pytestmark = pytest.mark.needs("debugfs", "fsgsbase", "dispatch")

ENCLAVE = standin.CHECKOUT / "build" / "rkt-io-enclave"


@pytest.fixture(scope="module")
def rkt_io_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the launcher; the enclave behind it only ever has to hold what it was given."""
    checkout = standin.make_checkout(tmp_path_factory.mktemp("checkout"))
    return str(checkout / "bin" / "rkt-io-run")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return standin.make_image(tmp_path / "app.img", tmp_path / "root")


class Launcher:
    """Runs rkt-io-run, in a network namespace of its own where a tap is at stake."""

    def __init__(self, program: str) -> None:
        self.program = program

    def refused(self, *words: str | Path) -> str:
        """Return the one line that a refused run prints, without its prefix."""
        return refusal([self.program, *map(str, words)])

    def refused_after(self, setup: str, *words: str | Path) -> str:
        """The same after shell commands, in a new network namespace."""
        script = f'{setup}\n"$@"'  # no exec: it would skip the trap of hold()
        command = ["unshare", "--net", "sh", "-ec", script, "sh", self.program, *map(str, words)]
        return refusal(command)

    @contextmanager
    def running(self, *words: str | Path) -> Iterator[int]:
        """Hold an enclave; yield its pid."""
        command = [self.program, *map(str, words)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"started\n"
                yield process.pid
            finally:
                process.kill()


def refusal(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 125, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("rkt-io: ")
    return done.stderr.removeprefix("rkt-io: ").rstrip("\n")


@pytest.fixture
def launcher(rkt_io_run: str) -> Launcher:
    return Launcher(rkt_io_run)


def test_a_missing_image_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    line = launcher.refused("--net", "none", tmp_path / "none.img", "true")
    assert "none.img does not exist; " in line
    assert "rkt-io-disk create" in line


def test_an_empty_image_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "empty.img").touch()
    assert "empty.img is empty" in launcher.refused("--net", "none", tmp_path / "empty.img", "true")


def test_a_truncated_image_is_refused(launcher: Launcher, image: Path) -> None:
    os.truncate(image, standin.IMAGE_BYTES // 2)
    line = launcher.refused("--net", "none", image, "program")
    assert "app.img is truncated" in line


def test_an_image_cut_within_its_first_block_is_refused(launcher: Launcher, image: Path) -> None:
    os.truncate(image, 1100)
    assert "app.img is" in launcher.refused("--net", "none", image, "program")


def test_an_image_that_is_not_ext4_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "zeros.img"
    path.write_bytes(bytes(1 << 20))
    line = launcher.refused("--net", "none", path, "true")
    assert "zeros.img is not an ext4 image; " in line


def test_a_directory_is_refused(launcher: Launcher, tmp_path: Path) -> None:
    line = launcher.refused("--net", "none", tmp_path, "true")
    assert "is a directory" in line


def test_a_refused_image_is_left_as_it_was(launcher: Launcher, image: Path) -> None:
    before = image.read_bytes()
    launcher.refused("--net", "none", image, "/bin/none")
    assert image.read_bytes() == before


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("/bin/progam", "no program /bin/progam in"),
        ("progam", "no program progam in"),
        ("/bin/plain", "is not executable"),
        ("/bin/foreign", "is for 64-bit ARM"),
        ("/bin", "is a directory"),
    ],
)
def test_a_program_that_can_not_run_is_refused(
    launcher: Launcher, image: Path, program: str, told: str
) -> None:
    assert told in launcher.refused("--net", "none", image, program)


def test_a_misspelt_program_gets_the_nearest(launcher: Launcher, image: Path) -> None:
    line = launcher.refused("--net", "none", image, "/bin/progam")
    assert line.endswith("did you mean /bin/program?")


def test_a_second_disk_is_checked_too(launcher: Launcher, image: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.img"
    data.write_bytes(bytes(1 << 20))
    disk = f"{data},mount=/data"
    line = launcher.refused("--net", "none", "--disk", disk, image, "program")
    assert "data.img is not an ext4 image" in line


def test_more_memory_than_there_is_is_refused(launcher: Launcher, image: Path) -> None:
    line = launcher.refused("--net", "none", "--memory", "4096G", image, "program")
    assert "not enough memory: 4194304 MiB asked for, " in line
    assert "--memory" in line


def test_more_cpus_than_there_are_is_refused(launcher: Launcher, image: Path) -> None:
    line = launcher.refused("--net", "none", "--cpus", "64", image, "program")
    assert "64 CPUs asked for" in line


def test_two_runs_on_one_writable_image_are_refused(launcher: Launcher, image: Path) -> None:
    with launcher.running("--net", "none", image, "program", "sleep") as pid:
        line = launcher.refused("--net", "none", image, "program")
        assert f"app.img is in use by process {pid}" in line
        line = launcher.refused("--net", "none", "--read-only", image, "program")
        assert f"app.img is being written by process {pid}" in line


def test_the_lock_ends_with_a_killed_enclave(launcher: Launcher, image: Path) -> None:
    with launcher.running("--net", "none", image, "program", "sleep"):
        pass
    with launcher.running("--net", "none", image, "program", "sleep"):
        pass


def test_read_only_runs_share_an_image(launcher: Launcher, image: Path) -> None:
    words = ("--net", "none", "--read-only", image, "program", "sleep")
    with launcher.running(*words), launcher.running(*words):
        line = launcher.refused("--net", "none", image, "program")
        assert "app.img is in use by process" in line


@pytest.mark.needs("root", "tun", "ip")
class TestTap:
    def test_a_name_that_another_interface_has_is_refused(
        self, launcher: Launcher, image: Path
    ) -> None:
        setup = "ip link add taken0 type veth peer name taken1"
        line = launcher.refused_after(setup, "--tap-name", "taken0", image, "program")
        assert line.startswith("interface taken0 exists and is not a tap")
        assert line.endswith("choose another --tap-name")

    def test_a_tap_that_another_enclave_holds_is_refused(
        self, launcher: Launcher, image: Path, tmp_path: Path
    ) -> None:
        other = standin.make_image(tmp_path / "other.img", tmp_path / "other")
        setup = hold(launcher, "--tap-name", "held0", other)
        line = launcher.refused_after(
            setup, "--tap-name", "held0", "--address", "10.0.9.1/24", image, "program"
        )
        assert line.startswith("tap held0 is taken by process ")

    def test_an_address_that_another_enclave_has_is_refused(
        self, launcher: Launcher, image: Path, tmp_path: Path
    ) -> None:
        other = standin.make_image(tmp_path / "other.img", tmp_path / "other")
        line = launcher.refused_after(hold(launcher, other), image, "program")
        assert line.startswith("address 10.0.1.1/24 is taken by rkt0 of this host (10.0.1.254/24)")
        assert "held by process " in line
        assert line.endswith("choose another: --address 10.0.2.1/24")

    def test_an_address_of_the_host_is_refused(self, launcher: Launcher, image: Path) -> None:
        setup = "ip link set lo up; ip addr add 10.0.1.1/24 dev lo"
        line = launcher.refused_after(setup, image, "program")
        assert line.startswith("address 10.0.1.1/24 is taken by lo of this host")

    def test_an_ipv6_network_of_the_host_is_refused(self, launcher: Launcher, image: Path) -> None:
        setup = "ip link set lo up; ip -6 addr add fd00:9::5/64 dev lo"
        line = launcher.refused_after(setup, "--address", "fd00:9::1/64", image, "program")
        assert line.startswith("address fd00:9::1/64 is taken by lo")

    def test_a_refused_run_leaves_no_tap(self, launcher: Launcher, image: Path) -> None:
        script = '"$@" 2>/dev/null; ip -o link'
        command = ["unshare", "--net", "sh", "-c", script, "sh", launcher.program, str(image)]
        done = subprocess.run([*command, "none"], capture_output=True, text=True, check=True)
        assert [line.split()[1] for line in done.stdout.splitlines()] == ["lo:"]

    def test_a_killed_enclave_leaves_no_tap(self, launcher: Launcher, image: Path) -> None:
        script = f"{hold(launcher, image)}\nkill -9 $!; wait $! || :; ip -o link"
        command = ["unshare", "--net", "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert [line.split()[1] for line in done.stdout.splitlines()] == ["lo:"]

    def test_without_permission_one_line_tells_how(self, launcher: Launcher, image: Path) -> None:
        image.chmod(0o666)
        command = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]
        command += [launcher.program, "--net", "tap", str(image), "program"]
        line = refusal(command)
        assert line.startswith("making a tap needs CAP_NET_ADMIN; run with sudo, ")
        assert "--net none" in line


def hold(launcher: Launcher, *words: str | Path) -> str:
    """Return shell commands that start an enclave and go on when it runs."""
    *options, image = words
    command = " ".join(map(str, (launcher.program, *options, image, "program", "sleep")))
    return (
        "pipe=$(mktemp -u); mkfifo $pipe\n"
        f"{command} >$pipe &\n"
        "trap 'kill -9 $!' EXIT\n"
        "read -r started <$pipe; rm $pipe"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image = ", "app.toml: malformed TOML: "),
        ("imagee = 'x'", "app.toml: unknown key 'imagee'; did you mean 'image'?"),
        ("[net]\nadress = []", "app.toml: unknown key 'net.adress'; did you mean 'address'?"),
        ("cpus = 'two'", "app.toml: cpus must be an integer, not 'two'"),
        ("memory = '12 sheep'", "app.toml: memory must be a size"),
    ],
)
def test_a_wrong_configuration_is_refused(
    launcher: Launcher, tmp_path: Path, text: str, told: str
) -> None:
    config = tmp_path / "app.toml"
    config.write_text(text)
    assert told in launcher.refused("--config", config)
