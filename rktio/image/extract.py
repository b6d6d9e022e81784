# SPDX-License-Identifier: Apache-2.0
"""Copies files out of an image to the host."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.image.ondisk import Inode
from rktio.image.reader import Reader, show


def extract(reader: Reader, path: bytes, inode: Inode, destination: Path) -> None:
    """Copy `inode` and all below it to `destination`, which must not exist.

    Names come from the image, which may be hostile: the reader refuses names with a
    slash, nothing existing is written to, and no link that was made is followed.
    """
    top = os.fsencode(destination)
    made: dict[int, bytes] = {}
    directories: list[tuple[bytes, Inode]] = []
    try:
        for found, node in reader.walk(path, inode):
            target = top + found[len(path.rstrip(b"/")) :] if found != path else top
            if node.number in made:
                os.link(made[node.number], target, follow_symlinks=False)
                continue
            if not _make(reader, node, target):
                continue
            if node.is_directory:
                directories.append((target, node))
                continue
            made[node.number] = target
            _set_attributes(reader, node, target)
        for target, node in reversed(directories):
            _set_attributes(reader, node, target)
    except FileExistsError as error:
        raise RktioError(
            f"{os.fsdecode(error.filename2 or error.filename)} exists already",
            hint="name a destination that does not exist",
        ) from error
    except OSError as error:
        where = os.fsdecode(error.filename) if error.filename else destination
        raise RktioError(f"cannot extract {show(path)}: {where}: {error.strerror}") from error


def _make(reader: Reader, node: Inode, target: bytes) -> bool:
    """Make the file `target`; False where this user can't make such a file."""
    if node.is_directory:
        os.mkdir(target, 0o700)  # noqa: PTH102 - bytes
    elif node.is_symlink:
        os.symlink(reader.readlink(node), target)  # noqa: PTH211 - bytes
    elif node.is_regular:
        _copy_data(reader, node, target)
    elif stat.S_ISFIFO(node.mode) or stat.S_ISSOCK(node.mode):
        os.mknod(target, node.mode)
    elif os.geteuid() == 0:
        os.mknod(target, node.mode, os.makedev(*node.device))
    else:
        return False
    return True


def _copy_data(reader: Reader, node: Inode, target: bytes) -> None:
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(fd, node.size)
        for offset, chunk in reader.chunks(node):
            view = memoryview(chunk)
            while view:
                done = os.pwrite(fd, view, offset)
                offset += done
                view = view[done:]
    finally:
        os.close(fd)


def _set_attributes(reader: Reader, node: Inode, target: bytes) -> None:
    if os.geteuid() == 0:
        os.chown(target, node.uid, node.gid, follow_symlinks=False)
    if not node.is_symlink:
        os.chmod(target, stat.S_IMODE(node.mode))  # noqa: PTH101 - bytes
    for name, value in reader.xattrs(node).items():
        if name.startswith("user.") or os.geteuid() == 0:
            os.setxattr(target, name, value, follow_symlinks=False)
    os.utime(target, ns=(node.atime_ns, node.mtime_ns), follow_symlinks=False)
