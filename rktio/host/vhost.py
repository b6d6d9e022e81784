# SPDX-License-Identifier: Apache-2.0
"""The Unix socket over which vhost-user's two ends find each other.

It is opened here, so that the enclave never names a path of the host.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from rktio.common.errors import RktioError

PATH_MAX_BYTES = 107  # sun_path, less its NUL
WAITING_MAX = 4


def open_socket(path: Path, *, listen: bool) -> int:
    """Return a descriptor that listens at `path`, or that is connected to who does.

    A socket that nobody listens at any more is replaced. Raises RktioError.
    """
    if len(os.fsencode(path)) > PATH_MAX_BYTES:
        raise RktioError(f"{path}: longer than {PATH_MAX_BYTES} bytes, the most for a socket")
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if listen:
            _listen(end, path)
        else:
            _connect(end, path)
    except BaseException:
        end.close()
        raise
    return end.detach()


def _connect(end: socket.socket, path: Path) -> None:
    try:
        end.connect(str(path))
    except OSError as error:
        raise RktioError(
            f"nobody to connect to at {path}: {error.strerror}",
            hint="start the other end first, or let this one listen: add ,server",
        ) from error


def _listen(end: socket.socket, path: Path) -> None:
    _remove_stale(path)
    try:
        end.bind(str(path))
        path.chmod(0o600)
        end.listen(WAITING_MAX)
    except OSError as error:
        raise RktioError(f"cannot listen at {path}: {error.strerror}") from error


def _remove_stale(path: Path) -> None:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise RktioError(f"{path} exists and is no socket", hint="choose another path")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                raise RktioError(f"{path}: {error.strerror}") from error
            path.unlink()
            return
    raise RktioError(f"{path} is taken: somebody listens there", hint="choose another path")
