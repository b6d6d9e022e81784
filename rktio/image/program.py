# SPDX-License-Identifier: Apache-2.0
"""Tells whether a program of an image can be run: it is there, executable, and for x86-64."""

from __future__ import annotations

import stat
import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.image.inspection import open_reader
from rktio.image.ondisk import Incompat, Inode
from rktio.image.reader import NotFoundInImageError, Reader, show

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HEAD_BYTES = 4096
MAX_INTERPRETERS = 4  # BINPRM recursion of the kernel
ELF_HEADER = struct.Struct("<4sBBBB8xHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
ET_EXEC, ET_DYN = 2, 3
PT_INTERP = 3
EM_X86_64 = 62
MACHINES = {
    3: "32-bit x86",
    8: "MIPS",
    20: "32-bit PowerPC",
    21: "64-bit PowerPC",
    22: "IBM Z",
    40: "32-bit ARM",
    EM_X86_64: "x86-64",
    183: "64-bit ARM",
    243: "RISC-V",
    258: "LoongArch",
}


class ProgramKind(StrEnum):
    """How the library OS starts a program."""

    ELF = "elf"
    SCRIPT = "script"
    UNKNOWN = "unknown"  # the journal must be replayed first; only the library OS can tell


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """A program in an image."""

    path: str  # absolute, as found by the search path
    resolved: str  # with all symbolic links followed
    kind: ProgramKind
    interpreter: str | None = None  # the dynamic loader, or a script's #! program


def inspect_program(
    path: str | Path, program: str, *, search_path: str = DEFAULT_PATH, cwd: str = "/"
) -> ProgramInfo:
    """Return what `program` is in the image at `path`, as execvp(3) would find it.

    Raises RktioError, one line, for what could not start. Takes a few milliseconds.
    """
    with open_reader(path) as reader:
        return inspect_opened(reader, program, search_path=search_path, cwd=cwd)


def inspect_opened(
    reader: Reader, program: str, *, search_path: str = DEFAULT_PATH, cwd: str = "/"
) -> ProgramInfo:
    """As `inspect_program`, in an opened image."""
    if not program:
        raise RktioError("no program named", hint="rkt-io-run IMAGE PROGRAM [ARGS...]")
    try:
        found, resolved, inode = _find(reader, program, search_path, cwd)
        kind, interpreter = _check(reader, found, inode, MAX_INTERPRETERS)
    except RktioError:
        if not reader.superblock.incompat & Incompat.NEEDS_RECOVERY:
            raise
        return ProgramInfo(program, program, ProgramKind.UNKNOWN)
    return ProgramInfo(found, resolved, kind, interpreter)


def _find(reader: Reader, program: str, search_path: str, cwd: str) -> tuple[str, str, Inode]:
    if "/" in program:
        found = program if program.startswith("/") else f"{cwd.rstrip('/')}/{program}"
        try:
            resolved, inode = reader.lookup(_encode(found))
        except NotFoundInImageError as error:
            raise RktioError(
                f"no program {show(_encode(found))} in {reader.path}",
                hint=_suggestion(reader, found),
            ) from error
        return found, show(resolved), inode
    for directory in search_path.split(":"):
        found = f"{(directory or cwd).rstrip('/')}/{program}"
        try:
            resolved, inode = reader.lookup(_encode(found))
        except NotFoundInImageError:
            continue
        if inode.is_regular and inode.mode & 0o111:
            return found, show(resolved), inode
    raise RktioError(
        f"no program {show(_encode(program))} in {reader.path} (searched {search_path})",
        hint=_suggestion(reader, f"/usr/bin/{program}"),
    )


def _suggestion(reader: Reader, program: str) -> str:
    """Name a like-named program, or how to look for one."""
    from difflib import get_close_matches

    parent, _, name = program.rpartition("/")
    for directory in (parent or "/", "/usr/bin", "/usr/sbin"):
        try:
            _path, inode = reader.lookup(_encode(directory))
            names = [show(entry) for entry in reader.directory(inode)]
        except RktioError:
            continue
        if name in names:
            return f"there is {directory}/{name}"
        near = get_close_matches(name, names, n=1, cutoff=0.75)
        if near:
            return f"did you mean {directory.rstrip('/')}/{near[0]}?"
    return f"rkt-io-disk ls {reader.path} {parent or '/'} shows what there is"


def _check(
    reader: Reader, name: str, inode: Inode, interpreters_left: int
) -> tuple[ProgramKind, str | None]:
    shown = show(_encode(name))
    if inode.is_directory:
        raise RktioError(f"{shown} in {reader.path} is a directory, not a program")
    if not inode.is_regular:
        raise RktioError(f"{shown} in {reader.path} is not a regular file")
    if not inode.mode & 0o111:
        raise RktioError(
            f"{shown} in {reader.path} is not executable (mode {stat.S_IMODE(inode.mode):04o})",
            hint="chmod +x it before making the image, or name its interpreter as the program",
        )
    head = reader.read(inode, HEAD_BYTES)
    if head.startswith(b"\x7fELF"):
        kind, interpreter = ProgramKind.ELF, _elf_interpreter(reader, shown, inode, head)
    elif head.startswith(b"#!"):
        kind, interpreter = ProgramKind.SCRIPT, _script_interpreter(reader, shown, head)
    else:
        raise RktioError(
            f"{shown} in {reader.path} is neither an ELF program nor a script with #!",
            hint=f"run it by its interpreter: rkt-io-run {reader.path} /bin/sh {shown}",
        )
    if interpreter is not None:
        _check_interpreter(reader, shown, interpreter, interpreters_left)
    return kind, interpreter


def _check_interpreter(reader: Reader, shown: str, interpreter: str, left: int) -> None:
    try:
        _resolved, inode = reader.lookup(_encode(interpreter))
    except NotFoundInImageError as error:
        raise RktioError(
            f"{shown} in {reader.path} needs {show(_encode(interpreter))}, which is not there",
            hint="add it to the image (for a #! line: the package of that interpreter)",
        ) from error
    if left == 0:
        raise RktioError(f"{shown} in {reader.path}: too many interpreters of interpreters")
    _check(reader, interpreter, inode, left - 1)


def _elf_interpreter(reader: Reader, shown: str, inode: Inode, head: bytes) -> str | None:
    """Check the ELF header; return the dynamic loader's path, None for a static program."""
    broken = RktioError(f"{shown} in {reader.path} is a damaged ELF file")
    if len(head) < ELF_HEADER.size:
        raise broken
    fields = ELF_HEADER.unpack_from(head)
    bits, order, kind, machine = fields[1], fields[2], fields[5], fields[6]
    if bits != 2 or order != 1 or machine != EM_X86_64:
        if order == 2:
            machine = int.from_bytes(head[18:20], "big")
        name = MACHINES.get(machine, f"machine {machine}")
        if machine == EM_X86_64:
            name = "32-bit x86 (x32)"
        raise RktioError(
            f"{shown} in {reader.path} is for {name}; the library OS runs x86-64 programs",
            hint="install the package for amd64, or build the program for x86-64",
        )
    if kind not in (ET_EXEC, ET_DYN):
        raise RktioError(f"{shown} in {reader.path} is an ELF object, not a program")
    offset, size, count = fields[9], fields[13], fields[14]
    if size != PROGRAM_HEADER.size or not count:
        raise broken
    headers = _slice(reader, inode, head, offset, size * count)
    for header in range(0, len(headers) - size + 1, size):
        kind, _flags, at, _va, _pa, length, _memory, _align = PROGRAM_HEADER.unpack_from(
            headers, header
        )
        if kind == PT_INTERP:
            loader = _slice(reader, inode, head, at, length)
            if not loader or length > HEAD_BYTES:
                raise broken
            return loader.split(b"\0")[0].decode(errors="surrogateescape")
    return None


def _slice(reader: Reader, inode: Inode, head: bytes, at: int, length: int) -> bytes:
    """Return part of a file; it nearly always lies in the `head` that is read already."""
    end = at + length
    if end <= len(head):
        return head[at:end]
    if end > min(inode.size, 1 << 28):
        return b""
    return reader.read(inode, end)[at:]


def _script_interpreter(reader: Reader, shown: str, head: bytes) -> str:
    words = head[2:].split(b"\n")[0].split()
    if not words:
        raise RktioError(f"{shown} in {reader.path} has an empty #! line")
    return words[0].decode(errors="surrogateescape")


def _encode(path: str) -> bytes:
    return path.encode(errors="surrogateescape")
