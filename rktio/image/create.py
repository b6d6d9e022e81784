# SPDX-License-Identifier: Apache-2.0
"""Makes an image: gathers files from all sources, and puts a complete image in place or none."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rktio.common.errors import RktioError
from rktio.common.progress import Progress, scaled_bytes
from rktio.image.allocator import ImageFullError
from rktio.image.debian import DEFAULT_EPOCH, DEFAULT_SUITE, check_packages, install, trim
from rktio.image.mkfs import BLOCK_BYTES, MIN_IMAGE_BYTES, Need, default_size, make_empty, need_of
from rktio.image.seal import Seal, write_sealed
from rktio.image.sources import Copy, add_copy, add_directory, add_tar
from rktio.image.tree import Tree
from rktio.image.writer import Writer


@dataclass(frozen=True, slots=True)
class Recipe:
    """What goes into an image, added in this order; later files replace earlier ones."""

    debian: tuple[str, ...] = ()
    tars: tuple[Path, ...] = ()
    directories: tuple[Path, ...] = ()
    copies: tuple[Copy, ...] = ()
    suite: str = DEFAULT_SUITE
    mirrors: tuple[str, ...] = ()
    size_bytes: int | None = None  # None: the contents, a quarter and at least 256 MiB more


def create_image(
    path: Path, recipe: Recipe, *, force: bool = False, seal: Seal | None = None
) -> None:
    """Make the image `path`. The same recipe over the same inputs gives the same bytes.

    With `seal` it is a partitioned, read-only image, encrypted and signed as that says.

    An existing file is only replaced with `force`, and only by a complete image.
    SOURCE_DATE_EPOCH bounds the times of files. Raises RktioError.
    """
    _check(path, recipe, force)
    epoch = _source_date_epoch()
    try:
        with tempfile.TemporaryDirectory(prefix="rkt-io-disk-") as spool:
            tree = _gather(recipe, Path(spool), epoch)
            if seal is None:
                _write(path, tree, recipe.size_bytes, epoch, force)
            else:
                _write_sealed(path, tree, recipe.size_bytes, epoch, force, seal)
    except OSError as error:
        raise _os_error(path, error) from error


def _check(path: Path, recipe: Recipe, force: bool) -> None:
    if not (recipe.debian or recipe.tars or recipe.directories or recipe.copies):
        raise RktioError(
            "nothing to put into the image",
            hint="--debian redis-server, --tar, --directory or --copy",
        )
    if recipe.size_bytes is not None and recipe.size_bytes < MIN_IMAGE_BYTES:
        raise RktioError(
            f"an image has at least {scaled_bytes(MIN_IMAGE_BYTES)}", hint="--size 16M"
        )
    if path.exists() and not path.is_file():
        raise RktioError(f"{path} exists and is not a file")
    if path.exists() and not force:
        raise _exists(path)
    if not path.parent.is_dir():
        raise RktioError(f"{path.parent} is not a directory", hint=f"mkdir -p {path.parent}")
    check_packages(recipe.debian, recipe.suite)


def _gather(recipe: Recipe, spool: Path, epoch: int | None) -> Tree:
    tree = Tree()
    if recipe.debian:
        archive = spool / "debian.tar"
        install(
            recipe.debian,
            archive,
            suite=recipe.suite,
            mirrors=recipe.mirrors,
            epoch=DEFAULT_EPOCH if epoch is None else epoch,
        )
        add_tar(tree, archive, spool)
        trim(tree)
    for tar in recipe.tars:
        add_tar(tree, tar, spool)
    for directory in recipe.directories:
        add_directory(tree, directory)
    for copy in recipe.copies:
        add_copy(tree, copy)
    if epoch is not None:
        tree.clamp_times(epoch)
    return tree


def _write(path: Path, tree: Tree, size_bytes: int | None, epoch: int | None, force: bool) -> None:
    size = default_size(need_of(tree)) if size_bytes is None else size_bytes
    with _new_file(path, force) as (fd, temporary):
        _write_ext4(fd, temporary, path, tree, size, epoch)
        os.fsync(fd)


def _write_sealed(
    path: Path, tree: Tree, size_bytes: int | None, epoch: int | None, force: bool, seal: Seal
) -> None:
    size = default_size(need_of(tree), writable=False) if size_bytes is None else size_bytes
    size = -(-size // BLOCK_BYTES) * BLOCK_BYTES
    with (
        _new_file(path, force) as (fd, _),
        tempfile.NamedTemporaryFile(prefix=f".{path.name}.", suffix=".plain", dir=path.parent) as p,
    ):
        plain = Path(p.name)
        _write_ext4(p.fileno(), plain, path, tree, size, epoch)
        with Progress(f"sealing {path}", size) as progress:
            root_hash = write_sealed(fd, plain, seal, progress)
            progress.note(f"root hash {root_hash.hex()}")
        os.fsync(fd)


def _write_ext4(
    fd: int, temporary: Path, path: Path, tree: Tree, size: int, epoch: int | None
) -> None:
    need = need_of(tree)
    data = sum(node.content.read_bytes for node in set(tree.nodes.values()) if node.content)
    try:
        uuid = UUID(bytes=tree.digest()[:16], version=5)
        created = DEFAULT_EPOCH if epoch is None else epoch
        make_empty(temporary, size, need, uuid=uuid, epoch=created)
        with Progress(f"writing {path}", data) as progress:
            Writer(fd, temporary, tree).write(progress)
    except ImageFullError as error:
        raise _too_small(size, need) from error


@contextmanager
def _new_file(path: Path, force: bool) -> Iterator[tuple[int, Path]]:
    """Yield a new file beside `path` that takes its place when all went well."""
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    temporary = Path(name)
    try:
        yield fd, temporary
        umask = os.umask(0o077)
        os.umask(umask)
        os.fchmod(fd, 0o666 & ~umask)
        _put_in_place(temporary, path, force)
    finally:
        os.close(fd)
        temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path, force: bool) -> None:
    if force:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)  # unlike rename(2), never over an existing file
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        temporary.rename(path)  # a file system without hard links


def _exists(path: Path) -> RktioError:
    return RktioError(f"{path} exists already", hint="--force replaces it (its data is lost)")


def _too_small(size: int, need: Need) -> RktioError:
    enough = default_size(need)
    return RktioError(
        f"the contents ({scaled_bytes(need.data_bytes)}) don't fit in an image of "
        f"{scaled_bytes(size)}",
        hint=f"leave --size out, or use at least --size {enough >> 20}M",
    )


def _source_date_epoch() -> int | None:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise RktioError(
            f"SOURCE_DATE_EPOCH={text!r} is not a number of seconds", hint="unset SOURCE_DATE_EPOCH"
        )
    return int(text)


def _os_error(path: Path, error: OSError) -> RktioError:
    where = error.filename or path
    if error.errno == errno.ENOSPC:
        return RktioError(
            f"the disk is full while making {path}", hint="free some space, or set TMPDIR elsewhere"
        )
    return RktioError(f"cannot make {path}: {where}: {error.strerror}")
