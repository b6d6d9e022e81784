# SPDX-License-Identifier: Apache-2.0
"""PID 1 of the library OS, run in plain namespaces with a folder as the disk."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
from functools import cache

import pytest

from tests.native.init.conftest import NAMESPACES, Guest

PROBE = "arg=/usr/bin/probe"


@cache
def without_namespaces() -> str | None:
    """Return why PID 1 can't be run here, or None."""
    mount = ("sh", "-c", "mount -t proc proc /proc")
    done = subprocess.run(
        ["unshare", *NAMESPACES, *mount], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"no user namespaces: {done.stderr.strip()}"


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    why = without_namespaces()
    if why:
        pytest.skip(why)


pytestmark = pytest.mark.needs("gcc")


def output(guest: Guest, *entries: str, before: str = "") -> str:
    done = guest.run(*entries, before=before)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failure(guest: Guest, *entries: str, before: str = "") -> str:
    """Return the one line; a failure has no other output and status 125."""
    done = guest.run(*entries, before=before)
    assert (done.returncode, done.stdout) == (125, ""), done.stderr
    assert re.fullmatch(r"rkt-io: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def test_the_program_gets_its_arguments_and_exactly_its_environment(guest: Guest) -> None:
    told = output(guest, PROBE, "arg=report", "arg=", "arg=a b\nc", "env=A=b=c", "env=EMPTY=")
    lines = told.split("cwd=")[0]
    assert lines == ("arg=/usr/bin/probe\narg=report\narg=\narg=a b\nc\nenv=A=b=c\nenv=EMPTY=\n")


# 32 and 33 are libc's own: whoever runs the tests may ignore them, and no `env` can undo it.
LIBC_SIGNALS = 0b11 << 31


def test_the_program_starts_with_a_clean_slate(guest: Guest) -> None:
    told = output(guest, PROBE)
    assert "leader=1\nparent=1\n" in told
    for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"):
        found = re.search(rf"^{name}:\t([0-9a-f]+)$", told, re.MULTILINE)
        assert found and int(found[1], 16) & ~LIBC_SIGNALS == 0, name


def test_directory_and_host_name_are_set(guest: Guest) -> None:
    told = output(guest, PROBE, "cwd=/etc", "hostname=db.example")
    assert "cwd=/etc\nhost=db.example\n" in told


def test_a_server_may_open_many_files(guest: Guest) -> None:
    if os.geteuid() != 0:
        pytest.skip("a namespace's root may not raise the limit")
    assert "host=rkt-io\n" in output(guest, PROBE)


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_the_exit_status_is_the_programs(guest: Guest, status: int) -> None:
    assert guest.run(PROBE, "arg=exit", f"arg={status}").returncode == status


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_death_by_a_signal_is_128_and_its_number(guest: Guest, sig: signal.Signals) -> None:
    assert guest.run(PROBE, "arg=die", f"arg={sig.value}").returncode == 128 + sig


@pytest.mark.parametrize(
    "sig",
    ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT", "ALRM"],
)
def test_signals_reach_the_program(guest: Guest, sig: str) -> None:
    number = signal.Signals[f"SIG{sig}"]
    with guest.running(PROBE, "arg=wait", f"arg={number.value}") as (process, pid):
        os.kill(pid, number)
        assert process.wait(timeout=30) == 50 + number


def test_the_end_of_the_program_ends_its_children(guest: Guest) -> None:
    assert guest.run(PROBE, "arg=orphan").returncode == 7


def test_a_program_is_found_in_path(guest: Guest) -> None:
    told = output(guest, "arg=probe", "env=PATH=/nowhere::/usr/bin:/bin")
    assert told.startswith("arg=probe\n")


def test_without_path_the_usual_places_are_searched(guest: Guest) -> None:
    assert output(guest, "arg=probe").startswith("arg=probe\n")


def test_a_relative_program_starts_from_the_directory(guest: Guest) -> None:
    assert "cwd=/usr\n" in output(guest, "arg=bin/probe", "cwd=/usr")


def test_a_script_runs_by_its_first_line(guest: Guest) -> None:
    guest.install("bin/script", b"#! /usr/bin/probe report\n")
    assert output(guest, "arg=/bin/script").startswith(
        "arg=/usr/bin/probe\narg=report\narg=/bin/script\n"
    )


def test_a_missing_program_is_named(guest: Guest) -> None:
    assert "no program /bin/nothing in the image; " in failure(guest, "arg=/bin/nothing")


def test_a_program_that_is_not_in_path_is_named(guest: Guest) -> None:
    line = failure(guest, "arg=nothing", "env=PATH=/usr/bin")
    assert "no program nothing in the image's PATH; " in line


def test_a_file_without_execute_permission_is_refused(guest: Guest) -> None:
    guest.install("bin/data", b"\x7fELF", mode=0o644)
    assert "/bin/data is not executable; " in failure(guest, "arg=/bin/data")
    assert "data is not executable; " in failure(guest, "arg=data")


def test_a_directory_is_no_program(guest: Guest) -> None:
    assert "/etc is a directory" in failure(guest, "arg=/etc")


def test_an_empty_name_is_no_program(guest: Guest) -> None:
    assert "name is empty" in failure(guest, "arg=")


def elf(machine: int = 62, bits: int = 64, kind: int = 3, interpreter: str = "") -> bytes:
    """Return the head of an ELF file, with PT_INTERP where there is an interpreter."""
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    head = struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    name = interpreter.encode() + b"\0"
    kind_of_segment = 3 if interpreter else 1
    size = len(name)
    segment = struct.pack("<IIQQQQQQ", kind_of_segment, 4, 120, 120, 120, size, size, 1)
    return ident + head + segment + name


@pytest.mark.parametrize(
    ("machine", "bits", "name"),
    [
        (183, 64, "aarch64"),
        (3, 32, "i386 (32 bits)"),
        (40, 32, "32-bit Arm"),
        (62, 32, "x32"),
        (243, 64, "RISC-V"),
        (258, 64, "258"),
    ],
)
def test_a_program_for_another_machine_is_refused(
    guest: Guest, machine: int, bits: int, name: str
) -> None:
    guest.install("bin/foreign", elf(machine, bits))
    line = failure(guest, "arg=/bin/foreign")
    assert f"/bin/foreign is for another machine, {name}; " in line


def test_a_missing_interpreter_is_named(guest: Guest) -> None:
    guest.install("bin/dynamic", elf(interpreter="/lib64/ld-linux-x86-64.so.2"))
    line = failure(guest, "arg=/bin/dynamic")
    assert "needs its interpreter /lib64/ld-linux-x86-64.so.2, which is not in" in line


@pytest.mark.parametrize("length", [5, 63, 64, 119])
def test_an_elf_file_that_is_cut_off_is_refused(guest: Guest, length: int) -> None:
    guest.install("bin/short", elf()[:length])
    assert "/bin/short is cut off; " in failure(guest, "arg=/bin/short")


def test_an_object_file_is_no_program(guest: Guest) -> None:
    guest.install("bin/object.o", elf(kind=1))
    assert "is an ELF file but not a program" in failure(guest, "arg=/bin/object.o")


def test_a_script_without_its_interpreter_is_refused(guest: Guest) -> None:
    guest.install("bin/script", b"#!/usr/bin/perl -w\n")
    line = failure(guest, "arg=/bin/script")
    assert "/bin/script is a script for /usr/bin/perl, which is not in the image" in line


@pytest.mark.parametrize("content", [b"", b"echo hello\n", b"#!\n", b"#!"])
def test_what_is_neither_program_nor_script_is_refused(guest: Guest, content: bytes) -> None:
    guest.install("bin/odd", content)
    assert "/bin/odd is " in failure(guest, "arg=/bin/odd")


def test_a_missing_directory_is_named(guest: Guest) -> None:
    line = failure(guest, PROBE, "cwd=/var/lib/db")
    assert "cannot start in the directory /var/lib/db: no such file" in line


def test_a_missing_disk_is_named(guest: Guest) -> None:
    assert "no disk /dev/vdb; " in failure(guest, PROBE, "mount=vdb:/data:ext4:rw")


def test_a_file_system_is_mounted_where_the_record_says(guest: Guest) -> None:
    told = output(guest, "mount=none:/data/x:tmpfs:rw", PROBE, "arg=cat", "arg=/proc/mounts")
    assert "tmpfs /data/x tmpfs rw" in told
    for target in ("/proc", "/sys", "/dev/shm", "/run"):
        assert f" {target} " in told
    assert " /tmp " not in told


def test_a_read_only_root_has_writable_tmp_and_run_only(guest: Guest) -> None:
    readonly = "root=vda:ext4:ro"
    for path, status in (("/tmp/x", 0), ("/run/x", 0), ("/etc/x", 1)):
        assert guest.run(readonly, PROBE, "arg=write", f"arg={path}").returncode == status
    assert not (guest.image / "tmp/x").exists()


def test_a_mount_point_that_a_read_only_root_lacks_is_named(guest: Guest) -> None:
    line = failure(guest, "root=vda:ext4:ro", "mount=none:/data:tmpfs:rw", PROBE)
    assert "no directory /data in the image to mount on; " in line


@pytest.mark.parametrize("access", ["rw", "ro"])
def test_name_servers_cover_the_images_file(guest: Guest, access: str) -> None:
    guest.install("etc/resolv.conf", b"nameserver 192.0.2.1\n", mode=0o644)
    root = f"root=vda:ext4:{access}"
    entries = (root, "dns=10.0.1.254", "dns=fd00::53", PROBE, "arg=cat", "arg=/etc/resolv.conf")
    assert output(guest, *entries) == "nameserver 10.0.1.254\nnameserver fd00::53\n"
    assert (guest.image / "etc/resolv.conf").read_bytes() == b"nameserver 192.0.2.1\n"


def test_without_name_servers_the_images_file_stays(guest: Guest) -> None:
    guest.install("etc/resolv.conf", b"nameserver 192.0.2.1\n", mode=0o644)
    told = output(guest, PROBE, "arg=cat", "arg=/etc/resolv.conf")
    assert told == "nameserver 192.0.2.1\n"


def test_name_servers_replace_a_dangling_link(guest: Guest) -> None:
    (guest.image / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    told = output(guest, "dns=10.0.1.254", PROBE, "arg=cat", "arg=/etc/resolv.conf")
    assert told == "nameserver 10.0.1.254\n"


def test_the_substituted_libc_covers_the_images(guest: Guest) -> None:
    (guest.path / "ld-musl-x86_64.so.1").write_bytes(b"ours")
    guest.install("usr/lib/libc.musl.so", b"theirs")
    (guest.image / "lib").symlink_to("usr/lib")
    (guest.image / "usr/lib/ld-musl-x86_64.so.1").symlink_to("/lib/libc.musl.so")
    told = output(guest, PROBE, "arg=cat", "arg=/lib/ld-musl-x86_64.so.1")
    assert told == "ours"
    assert (guest.image / "usr/lib/libc.musl.so").read_bytes() == b"theirs"


def test_an_image_without_musl_stays_as_it_is(guest: Guest) -> None:
    (guest.path / "ld-musl-x86_64.so.1").write_bytes(b"ours")
    assert output(guest, PROBE)
    assert not (guest.path / "ld-musl-x86_64.so.1").exists()
    assert not (guest.image / "lib").exists()


def test_the_record_is_gone_before_the_program_runs(guest: Guest) -> None:
    assert output(guest, PROBE)
    assert not (guest.path / "launch").exists()


def test_sysctls_are_set(guest: Guest) -> None:
    path = "/proc/sys/net/ipv4/ip_default_ttl"
    told = output(guest, "sysctl=net.ipv4.ip_default_ttl=33", PROBE, "arg=cat", f"arg={path}")
    assert told == "33\n"


def test_an_unknown_sysctl_is_named(guest: Guest) -> None:
    line = failure(guest, "sysctl=net.ipv4.nonsense=1", PROBE)
    assert "has no sysctl net.ipv4.nonsense=1; " in line


def test_a_sysctls_wrong_value_is_named(guest: Guest) -> None:
    line = failure(guest, "sysctl=net.ipv4.ip_default_ttl=many", PROBE)
    assert "cannot set sysctl net.ipv4.ip_default_ttl=many: invalid" in line
