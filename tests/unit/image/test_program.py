# SPDX-License-Identifier: Apache-2.0
"""A program that can't start is refused before anything is launched."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rktio.common.errors import RktioError
from rktio.image import Image, ProgramKind, inspect_program

pytestmark = pytest.mark.needs("e2fsck")

LOADER = b"/lib64/ld-linux-x86-64.so.2\0"


def elf(
    *, machine: int = 62, bits: int = 2, kind: int = 3, loader: bytes = b"", order: int = 1
) -> bytes:
    """Return the head of an ELF file."""
    identity = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9)
    form = "<" if order == 1 else ">"
    head = identity + struct.pack(
        f"{form}HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = 3 if loader else 1
    return head + struct.pack("<IIQQQQQQ", segment, 4, 120, 0, 0, len(loader), 0, 1) + loader


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("programs")
    root = base / "root"
    programs = {
        "usr/bin/static": elf(kind=2),
        "usr/bin/dynamic": elf(loader=LOADER),
        "usr/bin/orphan": elf(loader=b"/lib/ld-musl-x86_64.so.1\0"),
        "usr/bin/arm": elf(machine=183),
        "usr/bin/i386": elf(machine=3, bits=1),
        "usr/bin/s390": elf(machine=22, order=2),
        "usr/bin/object": elf(kind=1),
        "usr/bin/short-elf": b"\x7fELF\x02\x01",
        "usr/bin/script": b"#! /bin/static -x\n",
        "usr/bin/lost-script": b"#!/usr/bin/perl6\n",
        "usr/bin/bare": b"echo hello\n",
        "usr/bin/empty-shebang": b"#!\n",
        "usr/bin/loop": b"#!/usr/bin/loop\n",
        "usr/lib64/ld-linux-x86-64.so.2": elf(),
        "opt/local": elf(),
    }
    for name, data in programs.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755)
    (root / "usr/bin/plain").write_bytes(elf())
    (root / "usr/bin/plain").chmod(0o644)
    (root / "bin").symlink_to("usr/bin")
    (root / "lib64").symlink_to("usr/lib64")
    (root / "usr/bin/link").symlink_to("../../bin/./dynamic")
    (root / "usr/bin/dangling").symlink_to("/nowhere")
    (root / "usr/bin/circle").symlink_to("circle")
    path = base / "app.img"
    Image.create(path, directories=[root]).close()
    return path


def refusal(image: Path, program: str) -> str:
    with pytest.raises(RktioError) as caught:
        inspect_program(image, program)
    assert "\n" not in caught.value.message
    return f"{caught.value.message}; {caught.value.hint}"


def test_a_dynamic_program_names_its_loader(image: Path) -> None:
    found = inspect_program(image, "/bin/dynamic")
    assert found.kind is ProgramKind.ELF
    assert found.resolved == "/usr/bin/dynamic"
    assert found.interpreter == "/lib64/ld-linux-x86-64.so.2"


def test_a_static_program_has_no_loader(image: Path) -> None:
    assert inspect_program(image, "/usr/bin/static").interpreter is None


def test_a_script_names_its_interpreter(image: Path) -> None:
    found = inspect_program(image, "/usr/bin/script")
    assert (found.kind, found.interpreter) == (ProgramKind.SCRIPT, "/bin/static")


def test_a_bare_name_is_looked_up(image: Path) -> None:
    assert inspect_program(image, "dynamic").path == "/usr/bin/dynamic"
    assert inspect_program(image, "local", search_path="/nowhere:/opt").path == "/opt/local"


def test_a_relative_path_starts_at_the_working_directory(image: Path) -> None:
    assert inspect_program(image, "./local", cwd="/opt").resolved == "/opt/local"


def test_links_are_followed(image: Path) -> None:
    assert inspect_program(image, "/bin/link").resolved == "/usr/bin/dynamic"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("/usr/bin/absent", "no program /usr/bin/absent"),
        ("/usr/bin/dynamik", "did you mean /usr/bin/dynamic?"),
        ("dynamik", "did you mean /usr/bin/dynamic?"),
        ("/sbin/static", "there is /usr/bin/static"),
        ("/usr/bin/static/x", "no program"),
        ("/usr/bin/dangling", "no program"),
        ("/usr/bin/circle", "no program"),
        ("/usr/bin/plain", "is not executable (mode 0644)"),
        ("plain", "no program plain"),
        ("/usr/bin", "is a directory"),
        ("/usr/bin/arm", "is for 64-bit ARM"),
        ("/usr/bin/i386", "is for 32-bit x86"),
        ("/usr/bin/s390", "is for IBM Z"),
        ("/usr/bin/object", "not a program"),
        ("/usr/bin/short-elf", "damaged ELF"),
        ("/usr/bin/orphan", "needs /lib/ld-musl-x86_64.so.1"),
        ("/usr/bin/lost-script", "needs /usr/bin/perl6"),
        ("/usr/bin/bare", "neither an ELF program nor a script"),
        ("/usr/bin/empty-shebang", "empty #! line"),
        ("/usr/bin/loop", "too many interpreters"),
        ("/usr/bin/\n", "no program /usr/bin/\\n"),
        ("", "no program named"),
    ],
)
def test_what_cannot_start_is_refused(image: Path, program: str, message: str) -> None:
    assert message in refusal(image, program)
