# SPDX-License-Identifier: Apache-2.0
"""Looks into the images before anything starts, so that a mistake costs one line."""

from __future__ import annotations

from rktio.host.options import DEFAULT_PATH, RunOptions


def check_image(options: RunOptions) -> None:
    """Refuse an image or a program that can't run. Raises RktioError."""
    from rktio.image import inspect_program, probe

    probe(options.image)
    for disk in options.disks:
        if disk.mount is not None and not disk.vhost_user:
            probe(disk.path)
    search_path = options.env.get("PATH", DEFAULT_PATH)
    if not _on_another_disk(options, search_path):
        inspect_program(options.image, options.program, search_path=search_path, cwd=options.cwd)


def _on_another_disk(options: RunOptions, search_path: str) -> bool:
    """Return whether the program may lie on a disk that is mounted over the root's folders."""
    if "/" in options.program:
        places = [options.program if options.program[0] == "/" else options.cwd]
    else:
        places = search_path.split(":")
    mounts = [disk.mount.rstrip("/") for disk in options.disks if disk.mount is not None]
    return any(f"{place}/".startswith(f"{mount}/") for place in places for mount in mounts)
