# SPDX-License-Identifier: Apache-2.0
"""The files of an image as a folder, which the baselines on the host's kernel run on.

Copied out once and kept in ~/.cache/rkt-io/trees; what a program writes stays in that copy.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.host.baseline import Io
from rktio.host.options import RunOptions

GPT_SIGNATURE_AT = 512
GPT_SIGNATURE = b"EFI PART"


def with_tree(options: RunOptions) -> RunOptions:
    """Return the options of a baseline with the image's files in a folder. Raises RktioError."""
    refuse_sealed(options)
    if not options.io.on_host_kernel:
        return options
    if os.geteuid() != 0:
        raise RktioError(
            f"--io {options.io} makes mounts and a chroot, which need root",
            hint="sudo rkt-io-run ...",
        )
    return replace(options, tree=tree_of(options.image))


def refuse_sealed(options: RunOptions) -> None:
    """Refuse to run what its owner sealed in a mode that protects nothing. Raises RktioError."""
    if options.io is not Io.DIRECT and is_sealed(options.image):
        raise RktioError(
            f"{options.image} is sealed; --io {options.io} is a baseline without protection",
            hint="--io direct, or an unsealed copy of the image",
        )


def is_sealed(image: Path) -> bool:
    """Return whether the image has the partition table of a sealed one."""
    try:
        with image.open("rb") as file:
            return file.read(GPT_SIGNATURE_AT + len(GPT_SIGNATURE)).endswith(GPT_SIGNATURE)
    except OSError:
        return False  # told where the image is opened


def tree_of(image: Path) -> Path:
    """Return the folder with the image's files; made now if the image changed since."""
    try:
        seen = image.stat()
    except OSError as error:
        raise RktioError(f"cannot open {image}: {error.strerror}") from error
    home = _cache() / hashlib.sha256(os.fsencode(image.resolve())).hexdigest()[:16]
    tree = home / f"{seen.st_ino}-{seen.st_size}-{seen.st_mtime_ns}"
    if not tree.exists():
        _extract(image, home, tree)
    return tree


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "rkt-io" / "trees"


def _extract(image: Path, home: Path, tree: Path) -> None:
    from rktio.common.run import run
    from rktio.image import Image

    run(["rm", "-rf", home])  # of the image as it was before
    home.mkdir(parents=True)
    unfinished = tree.with_suffix(".new")
    with Image.open(image) as opened:
        opened.extract("/", unfinished)
    unfinished.rename(tree)
