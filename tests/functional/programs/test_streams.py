# SPDX-License-Identifier: Apache-2.0
"""stdin, stdout and stderr carry bytes unchanged, end when they end, and break when they break."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.functional.programs.conftest import Guest

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

TEN_MB = 10 << 20


def communicate(guest: Guest, *words: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    with guest.start(*words) as process:
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out, err


def test_ten_megabytes_pass_both_ways(guest: Guest) -> None:
    data = os.urandom(TEN_MB)
    assert communicate(guest, "cat", stdin=data) == (0, data, b"")


def test_stderr_is_apart_and_unchanged(guest: Guest) -> None:
    data = os.urandom(1 << 20)
    status, out, err = communicate(guest, "bash", "-c", "cat >&2; echo end", stdin=data)
    assert (status, out, err) == (0, b"end\n", data)


def test_files_serve_as_streams(guest: Guest, tmp_path: Path) -> None:
    data = os.urandom(TEN_MB)
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as stdin, (tmp_path / "out").open("wb") as stdout:
        subprocess.run(
            guest.command("bash", "-c", "cat; sha256sum /dev/null >&2"),
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            env=guest.environment,
            check=True,
        )
    assert (tmp_path / "out").read_bytes() == data


def test_appending_and_offsets_of_the_callers_file_hold(guest: Guest, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"first\n")
    with log.open("ab") as stdout:
        subprocess.run(
            guest.command("echo", "second"), stdout=stdout, env=guest.environment, check=True
        )
        stdout.write(b"third\n")
    assert log.read_bytes() == b"first\nsecond\nthird\n"


def test_no_input_is_the_end_of_it(guest: Guest) -> None:
    assert communicate(guest, "cat", stdin=b"") == (0, b"", b"")
    assert communicate(guest, "wc", "-c", stdin=b"abc") == (0, b"3\n", b"")


def test_closed_streams_do_no_harm(guest: Guest) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *guest.command("sh", "-c", "exit 6")]
    assert subprocess.run(command, env=guest.environment, check=False).returncode == 6


def test_bytes_come_as_they_are_written(guest: Guest) -> None:
    with guest.start("cat") as process:
        assert process.stdin and process.stdout
        for i in range(50):
            line = b"%d\n" % i
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_reader_that_leaves_is_a_broken_pipe(guest: Guest) -> None:
    with guest.start("yes") as process:
        assert process.stdout
        assert process.stdout.read(100000) == b"y\n" * 50000
        process.stdout.close()
        assert process.wait(10) == 141


def test_a_slow_reader_loses_nothing(guest: Guest) -> None:
    with guest.start("sh", "-c", "seq 300000; echo end >&2") as process:
        assert process.stdout and process.stderr
        digest, size = hashlib.sha256(), 0
        while part := os.read(process.stdout.fileno(), 30000):
            digest.update(part)
            size += len(part)
            if size < 200000:
                time.sleep(0.01)  # the pipe is full meanwhile: that is what is tested
        assert process.stderr.read() == b"end\n"
    expected = "".join(f"{i}\n" for i in range(1, 300001)).encode()
    assert digest.digest() == hashlib.sha256(expected).digest()


def test_the_callers_descriptors_stay_blocking(guest: Guest) -> None:
    read_end, write_end = os.pipe()
    subprocess.run(
        guest.command("cat"),
        stdin=subprocess.DEVNULL,
        stdout=write_end,
        env=guest.environment,
        check=True,
    )
    assert os.get_blocking(write_end) and os.get_blocking(read_end)
    os.close(read_end)
    os.close(write_end)
