# SPDX-License-Identifier: Apache-2.0
"""Images that hold one of the host's own programs, so that both sides run the same bytes."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import require, run

# What a program may expect, and where the library OS mounts its own file systems.
DIRECTORIES = ("bench", "dev", "etc", "proc", "root", "run", "sys", "tmp")


def cache_directory() -> Path:
    """Return the directory of what is built once; it is on the file system that is measured."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(base) / "rkt-io" / "bench"
    path.mkdir(parents=True, exist_ok=True)
    return path


def parse_ldd(output: str) -> list[Path]:
    """Return the files that ldd names: `soname => path (address)` or `path (address)`."""
    found = []
    for line in output.splitlines():
        words = line.split()
        if "not found" in line:
            raise RktioError(f"a library is missing: {line.strip()}")
        found += [Path(word) for word in words if word.startswith("/")][-1:]
    return found


def closure(program: Path) -> list[Path]:
    """Return `program` and every library that it loads, by the paths it loads them from."""
    output = run([require("ldd", "libc-bin"), program]).stdout.decode()
    return [program, *parse_ldd(output)]


def fingerprint(parts: Iterable[bytes]) -> str:
    """Return a short name for the contents of `parts`, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def image_with(program: Path, installed: str, size_bytes: int) -> Path:
    """Return an image that has `program` at the path `installed`; made once per content.

    It is a template: nobody may write to it. Take a copy with `scratch_copy`.
    """
    files = closure(program)
    key = fingerprint([installed.encode(), str(size_bytes).encode()])
    key = fingerprint([key.encode(), *(path.read_bytes() for path in files)])
    image = cache_directory() / f"{Path(installed).name}-{key}.img"
    if not image.exists():
        _create_image(
            image, size_bytes, {str(path): path for path in files[1:]} | {installed: program}
        )
    return image


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Give a directory on the measured file system, removed at the end."""
    with tempfile.TemporaryDirectory(dir=cache_directory(), prefix="run-") as folder:
        yield Path(folder)


def scratch_copy(image: Path, folder: Path) -> Path:
    """Return a writable copy of `image` in `folder`, as sparse as the original."""
    copy = folder / image.name
    run(["cp", "--sparse=always", "--reflink=auto", image, copy])
    return copy


def file_system_of(path: Path) -> str:
    """Return `type on source` of the file system that holds `path` (proc(5), mountinfo)."""
    best, described = -1, "unknown"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        mountpoint = place.split()[4]
        if path.resolve().is_relative_to(mountpoint) and len(mountpoint) >= best:
            best, described = len(mountpoint), " on ".join(kind.split()[:2])
    return described


def _create_image(image: Path, size_bytes: int, places: Mapping[str, Path]) -> None:
    from rktio.image import Image

    with tempfile.TemporaryDirectory() as skeleton:
        Path(skeleton).chmod(0o755)  # becomes the image's root
        for name in DIRECTORIES:
            (Path(skeleton) / name).mkdir()
        copies = [(source, place) for place, source in places.items()]
        Image.create(image, directories=[skeleton], copies=copies, size_bytes=size_bytes).close()
