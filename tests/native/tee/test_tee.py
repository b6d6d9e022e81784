# SPDX-License-Identifier: Apache-2.0
"""Evidence comes from the VM's kernel, bound to the question; an agent that lies is found out."""

from __future__ import annotations

import errno
import struct
import subprocess
from pathlib import Path

import pytest

from tests.tsm import Tsm

pytestmark = pytest.mark.needs("gcc", "x86_64")

HERE = Path(__file__).resolve().parent
RUNTIME = HERE.parents[2] / "enclave/runtime"
FLAGS = ("-O2", "-g", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", f"-I{RUNTIME}")
SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
QUESTION = b"r" * 64
BLOB_MAX = 32768
SNP, TDX = 1, 2


def compiled(output: Path, program: str, *names: str) -> Path:
    sources = [HERE / "programs" / program, *(RUNTIME / name for name in names)]
    subprocess.run(["gcc", *FLAGS, *SANITIZE, *sources, "-o", output], check=True)
    return output


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("tee.c", "tee_start.c", "tee_agent.c", "hostcall.c")
    return compiled(tmp_path_factory.mktemp("tee") / "drive", "tee_drive.c", *names)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def outcome(tsm: Tsm, drive: Path, kind: str) -> subprocess.CompletedProcess[str]:
    with tsm:
        return run(tsm.command([drive, kind, tsm.folder]))


def echo(question: bytes) -> tuple[bytes, bytes]:
    return b"out" + question, b"aux"


def test_snp_gives_report_and_certificates(drive: Path, tmp_path: Path) -> None:
    tsm = Tsm(tmp_path / "tsm", "sev_guest", echo)
    done = outcome(tsm, drive, "snp")
    expected = f"1 0 1 {(b'out' + QUESTION).hex()} {b'aux'.hex()}\n"
    assert (done.stdout, done.stderr) == (expected, "")
    assert tsm.asked == [QUESTION]


def test_tdx_gives_a_quote_without_more(drive: Path, tmp_path: Path) -> None:
    tsm = Tsm(tmp_path / "tsm", "tdx_guest", lambda question: (b"quote" + question, None))
    done = outcome(tsm, drive, "tdx")
    assert done.stdout == f"2 0 1 {(b'quote' + QUESTION).hex()} \n"


def test_the_largest_blobs_fit_and_larger_ones_are_refused(drive: Path, tmp_path: Path) -> None:
    whole = bytes(BLOB_MAX)
    done = outcome(Tsm(tmp_path / "fits", "sev_guest", lambda _: (whole, whole)), drive, "snp")
    assert done.stdout == f"1 0 1 {whole.hex()} {whole.hex()}\n"
    larger = Tsm(tmp_path / "larger", "sev_guest", lambda _: (whole + b"x", b""))
    assert outcome(larger, drive, "snp").stdout == f"1 {-errno.EFBIG} 1\n"


@pytest.mark.parametrize("second", ["0\n", "2\n"])
def test_a_report_for_another_question_is_refused(drive: Path, tmp_path: Path, second: str) -> None:
    """The kernel counts questions, and drops the error of one that it didn't take."""
    tsm = Tsm(tmp_path / "tsm", "sev_guest", echo, generations=("0\n", second))
    assert outcome(tsm, drive, "snp").stdout == f"1 {-errno.ESTALE} 1\n"


def test_a_generation_that_is_no_number_is_refused(drive: Path, tmp_path: Path) -> None:
    tsm = Tsm(tmp_path / "tsm", "sev_guest", echo, generations=("\n", "1\n"))
    assert outcome(tsm, drive, "snp").stdout == f"1 {-errno.EPROTO} 1\n"


def test_another_tee_is_named(drive: Path, tmp_path: Path) -> None:
    done = outcome(Tsm(tmp_path / "tsm", "tdx_guest", echo), drive, "snp")
    assert done.returncode == 125
    assert (
        done.stderr
        == "tee: this machine's TEE is 'tdx_guest', not 'sev_guest'; give another --tee\n"
    )


def test_a_machine_without_a_tee_is_named(drive: Path, tmp_path: Path) -> None:
    done = run([str(drive), "snp", str(tmp_path / "absent")])
    assert done.returncode == 125
    assert done.stderr.count("\n") == 1 and "is this a confidential VM" in done.stderr


def test_a_process_says_that_it_is_none(drive: Path) -> None:
    done = run([str(drive), "process"])
    assert done.stdout == f"0 {-errno.EOPNOTSUPP} 1\n"
    assert done.stderr.startswith("rkt-io: not a TEE: ")


def reply(
    number: bytes = b"=" * 8,
    error: int = 0,
    sizes: tuple[int, int] = (3, 2),
    blobs: bytes = b"abcde",
) -> bytes:
    return number + struct.pack("<i3I", error, *sizes, 0) + blobs


def test_an_agent_that_lies_is_found_out(tmp_path: Path) -> None:
    program = compiled(tmp_path / "lying", "lying_agent.c", "tee.c", "hostcall.c")
    cases = [
        (reply(), 0),
        (reply(number=bytes(8)), -errno.EAGAIN),  # of another question: no answer to this one
        (reply(error=-errno.ENXIO), -errno.ENXIO),
        (reply(error=7), -errno.EIO),
        (reply(error=-(1 << 31)), -errno.EIO),
        (reply(sizes=(3, 3)), -errno.EBADMSG),
        (reply(sizes=(2, 2)), -errno.EBADMSG),
        (reply(sizes=((1 << 32) - 1, 6)), -errno.EBADMSG),
        (reply(sizes=(BLOB_MAX + 1, 0), blobs=bytes(BLOB_MAX + 1)), -errno.EBADMSG),
        (reply(sizes=(BLOB_MAX, BLOB_MAX), blobs=bytes(2 * BLOB_MAX)), 0),
        (reply(sizes=(0, 0), blobs=b""), 0),
        (reply()[:23], -errno.EBADMSG),
        (b"x", -errno.EBADMSG),
    ]
    frames = b"".join(struct.pack("=I", len(raw)) + raw for raw, _ in cases)
    done = subprocess.run([program], input=frames, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    found = [int(line) for line in done.stdout.split()]
    assert found == [*(result for _, result in cases), -errno.EPIPE]
