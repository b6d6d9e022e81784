# SPDX-License-Identifier: Apache-2.0
"""Disk files: opened and locked for as long as the enclave lives.

The lock is a flock on the descriptor that the enclave inherits, so it ends with the enclave
however that ends: exclusive for a writable disk, shared for a read-only one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host.record import OpenDisk

LOCKS = Path("/proc/locks")


def open_disk(path: Path, *, read_only: bool, buffered: bool) -> OpenDisk:
    """Open and lock one disk. The caller owns the descriptor.

    `buffered` keeps the host's page cache in between; a file system without O_DIRECT
    (tmpfs) does so in any case.
    """
    fd = _open(path, read_only)
    try:
        _check_kind(path, fd, read_only)
        _lock(path, fd, read_only)
        direct = not buffered and _set_direct(fd)
    except BaseException:
        os.close(fd)
        raise
    return OpenDisk(fd, read_only, direct)


def lock_holder_pid(fd: int) -> int | None:
    """Return the process that holds a flock on the descriptor's file (proc(5), /proc/locks)."""
    info = os.fstat(fd)
    wanted = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    try:
        lines = LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if "->" not in words and words[1] == "FLOCK" and words[5] == wanted:
            pid = int(words[4])
            return pid if pid > 0 else None  # 0: in another PID namespace
    return None


def _open(path: Path, read_only: bool) -> int:
    flags = (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC | os.O_NONBLOCK
    if not read_only and path.is_block_device():
        flags |= os.O_EXCL  # the kernel then refuses a device that is mounted or in use
    try:
        fd = os.open(path, flags)
    except FileNotFoundError as error:
        raise RktioError(
            f"{path} does not exist", hint="make an image with rkt-io-disk create"
        ) from error
    except IsADirectoryError as error:
        raise RktioError(
            f"{path} is a directory, not a disk image",
            hint=f"rkt-io-disk create --directory {path} FILE",
        ) from error
    except OSError as error:
        raise _open_error(path, read_only, error) from error
    os.set_blocking(fd, True)
    return fd


def _open_error(path: Path, read_only: bool, error: OSError) -> RktioError:
    if error.errno == errno.EBUSY:
        return RktioError(
            f"{path} is mounted or in use on this host", hint=f"sudo umount {path}, or open it ro"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and not read_only:
        return RktioError(
            f"{path} can't be written: {error.strerror}",
            hint="mend its permissions, or run it read-only (--read-only, or FILE,ro for --disk)",
        )
    return RktioError(f"cannot open {path}: {error.strerror}")


def _check_kind(path: Path, fd: int, read_only: bool) -> None:
    info = os.fstat(fd)
    if stat.S_ISBLK(info.st_mode):
        return
    if stat.S_ISDIR(info.st_mode):
        raise RktioError(
            f"{path} is a directory, not a disk image",
            hint=f"rkt-io-disk create --directory {path} FILE",
        )
    if not stat.S_ISREG(info.st_mode):
        raise RktioError(f"{path} is neither a file nor a block device")
    if info.st_size == 0:
        raise RktioError(f"{path} is empty", hint="make an image with rkt-io-disk create")
    loop = None if read_only else _loop_device(path)
    if loop is not None:
        raise RktioError(
            f"{path} is attached to {loop} on this host; writing to both would destroy it",
            hint=f"sudo umount {loop}; sudo losetup -d {loop}",
        )


def _loop_device(path: Path) -> str | None:
    wanted = str(path.resolve())
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        if backing.read_text().strip() == wanted:
            return f"/dev/{backing.parent.parent.name}"
    return None


def _lock(path: Path, fd: int, read_only: bool) -> None:
    kind = fcntl.LOCK_SH if read_only else fcntl.LOCK_EX
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _held_error(path, fd, read_only) from error
    except OSError as error:
        raise RktioError(f"cannot lock {path}: {error.strerror}") from error


def _held_error(path: Path, fd: int, read_only: bool) -> RktioError:
    pid = lock_holder_pid(fd)
    if pid == os.getpid():
        holder = "another disk or enclave of this process"
    else:
        holder = f"process {pid}" if pid else "another process"
    if read_only:
        return RktioError(f"{path} is being written by {holder}", hint="wait for it to end")
    return RktioError(
        f"{path} is in use by {holder}",
        hint="wait for it to end, run from a copy, or have every run open it read-only",
    )


def _set_direct(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
    except OSError:
        return False
    return True
