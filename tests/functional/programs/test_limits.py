# SPDX-License-Identifier: Apache-2.0
"""A full disk, no memory, a power cut, and programs that cannot start."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.functional.programs.conftest import Guest
from tests.functional.running import CHECKOUT, host

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap", "e2fsck")


@pytest.fixture
def data_disk(tmp_path: Path) -> Path:
    """Give an empty disk of 64 MiB."""
    (tmp_path / "empty").mkdir()
    disk = tmp_path / "data.img"
    create = (CHECKOUT / "bin" / "rkt-io-disk", "create", "--directory", tmp_path / "empty")
    host(*create, "--size", "64M", disk)
    return disk


def is_sound(disk: Path) -> bool:
    """Replay the journal, then look for faults."""
    subprocess.run(["/sbin/e2fsck", "-p", disk], check=False, capture_output=True)
    done = subprocess.run(["/sbin/e2fsck", "-fn", disk], check=False, capture_output=True)
    return done.returncode == 0


def test_a_full_disk_is_told_and_survived(guest: Guest, data_disk: Path) -> None:
    writing = guest.with_options("--disk", f"{data_disk},mount=/mnt")
    script = (
        "echo kept >/mnt/kept; sync; dd if=/dev/zero of=/mnt/big bs=1M; echo status $?; "
        "echo more >/mnt/more; echo status $?; "
        "rm /mnt/big; echo again >/mnt/again && cat /mnt/again"
    )
    done = writing.run("bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("status 1\n") and done.stdout.endswith("again\n")
    assert "No space left on device" in done.stderr
    assert is_sound(data_disk)
    assert writing.output("cat", "/mnt/kept", "/mnt/again") == "kept\nagain\n"


def test_a_full_disk_is_told_to_mappings_and_fsync(guest: Guest, data_disk: Path) -> None:
    writing = guest.with_options("--disk", f"{data_disk},mount=/mnt")
    script = (
        "import os, errno\n"
        "f = os.open('/mnt/f', os.O_RDWR | os.O_CREAT)\n"
        "try: os.posix_fallocate(f, 0, 1 << 30)\n"
        "except OSError as e: print(errno.errorcode[e.errno])\n"
    )
    assert writing.output("python3", "-c", script) == "ENOSPC\n"
    assert is_sound(data_disk)


def test_a_full_tmpfs_is_told(guest: Guest) -> None:
    done = guest.run("bash", "-c", "dd if=/dev/zero of=/tmp/big bs=1M count=4000; echo status $?")
    assert done.stdout == "status 1\n"
    assert "No space left on device" in done.stderr


def test_a_program_that_eats_all_memory_dies_of_it(guest: Guest) -> None:
    small = guest.with_options("--memory", "256M")
    done = small.run("python3", "-c", "x = []\nwhile True: x.append(bytearray(1 << 20))")
    assert done.returncode == 137, done.stderr
    assert "ut of memory" in done.stderr


def test_others_survive_the_one_that_eats_all_memory(guest: Guest) -> None:
    small = guest.with_options("--memory", "256M")
    eat = "x = []\nwhile True: x.append(bytearray(1 << 20))"
    done = small.run("bash", "-c", f"python3 -c '{eat}'; echo $?; echo still here; seq 3 | wc -l")
    assert done.stdout == "137\nstill here\n3\n"


def test_what_was_synced_survives_sigkill(guest: Guest, data_disk: Path) -> None:
    writing = guest.with_options("--disk", f"{data_disk},mount=/mnt")
    script = (
        "import os\n"
        "for i in range(100000):\n"
        "    with open(f'/mnt/{i % 200}', 'wb') as f:\n"
        "        f.write(b'%d\\n' % i * 1000); f.flush(); os.fsync(f.fileno())\n"
        "    print(i, flush=True)\n"
    )
    synced = -1
    for _ in range(3):
        with writing.start("python3", "-c", script) as process:
            assert process.stdout
            for line in process.stdout:
                synced = int(line)
                if synced == 60:
                    break
            process.kill()
            # What it had acknowledged before it died may still be in the pipe.
            synced = max([synced, *map(int, process.stdout.read().split(b"\n")[:-1])])
        check = (
            "import sys\n"
            f"for i in range({synced} + 1):\n"
            "    lines = open(f'/mnt/{i}').read().split()\n"
            "    assert lines == [str(i)] * 1000, (i, len(lines), lines[:1])\n"
            "print('good')\n"
        )
        assert writing.output("python3", "-c", check) == "good\n"
        assert is_sound(data_disk)


def refusal(guest: Guest, *words: str) -> str:
    """Return the one line of a run that could not start."""
    done = guest.run(*words)
    assert done.returncode == 125, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("rkt-io: ")
    return done.stderr


@pytest.fixture(scope="module")
def odd_image(guest: Guest, tmp_path_factory: pytest.TempPathFactory) -> Guest:
    """Give an image of programs that cannot run; the launcher is made not to look."""
    folder = tmp_path_factory.mktemp("odd")
    root = folder / "root"
    for name in ("proc", "sys", "dev", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    source = folder / "main.c"
    source.write_text("int main(void) { return 0; }\n")
    host("gcc", "-o", root / "dynamic", source)
    host("gcc", "-o", root / "static", "-static", source)
    elf = bytearray((root / "static").read_bytes())
    elf[18] = 183  # EM_AARCH64
    (root / "arm").write_bytes(elf)
    (root / "truncated").write_bytes((root / "static").read_bytes()[:40])
    (root / "empty").write_bytes(b"")
    (root / "text").write_text("just text\n")
    (root / "script").write_text("#!/no/interpreter\n")
    (root / "plain").write_bytes((root / "static").read_bytes())
    for name in ("arm", "truncated", "empty", "text", "script"):
        (root / name).chmod(0o755)
    (root / "plain").chmod(0o644)
    image = folder / "odd.img"
    host(CHECKOUT / "bin" / "rkt-io-disk", "create", "--directory", root, "--size", "32M", image)
    return replace(guest, image=image)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("/none", "none"),
        ("nosuchprogram", "nosuchprogram"),
        ("/dynamic", "ld-linux-x86-64.so.2"),
        ("/arm", "ARM"),
        ("/truncated", "/truncated"),
        ("/empty", "/empty"),
        ("/text", "/text"),
        ("/script", "/no/interpreter"),
        ("/plain", "executable"),
        ("/tmp", "/tmp"),
    ],
)
def test_what_cannot_start_is_named(odd_image: Guest, program: str, said: str) -> None:
    assert said in refusal(odd_image, program)


def test_a_missing_directory_is_named(guest: Guest) -> None:
    assert "/no/dir" in refusal(guest.with_options("--cwd", "/no/dir"), "true")


def test_a_missing_mount_point_is_named(guest: Guest, data_disk: Path) -> None:
    options = ("--disk", f"{data_disk},mount=/no/mount/point")
    assert "/no/mount/point" in refusal(guest.with_options(*options), "true")


def test_a_disk_without_a_file_system_is_named(guest: Guest, tmp_path: Path) -> None:
    blank = tmp_path / "blank.img"
    blank.write_bytes(bytes(1 << 20))
    assert "blank.img" in refusal(guest.with_options("--disk", f"{blank},mount=/mnt"), "true")


def test_an_unknown_sysctl_is_named(guest: Guest) -> None:
    assert "net.nothing" in refusal(guest.with_options("--sysctl", "net.nothing=1"), "true")


def test_too_little_memory_is_told(guest: Guest) -> None:
    for size in ("4M", "16M", "32M"):
        done = guest.with_options("--memory", size).run("true", timeout=20)
        assert done.returncode in (0, 125, 137), (size, done)
        assert done.returncode == 0 or "memory" in done.stderr, (size, done)
