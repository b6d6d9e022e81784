# SPDX-License-Identifier: Apache-2.0
"""Fills a `Tree` from tar archives, directories and single files of the host."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Self, cast

from rktio.common.errors import RktioError
from rktio.image import xattrs
from rktio.image.reader import show
from rktio.image.tree import Content, Node, Run, Tree

PAX_XATTR = "SCHILY.xattr."
# Labels of the host's own policy say nothing inside an image.
HOST_XATTRS = ("security.selinux", "security.ima", "security.evm", "security.apparmor")
TAR_TYPES = {
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}
COMPRESSED = {b"\x1f\x8b": "gz", b"BZ": "bz2", b"\xfd7": "xz"}
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Copy:
    """`--copy SRC:DST`: a host's file or directory, owned by root in the image."""

    source: Path
    destination: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `SRC:DST`; the last colon separates, since DST is the path in the image."""
        source, colon, destination = text.rpartition(":")
        if not colon or not source or not destination.startswith("/"):
            raise RktioError(
                f"--copy {text}: must be SRC:DST with an absolute DST",
                hint="for example --copy ./app.py:/srv/app.py",
            )
        return cls(Path(source), destination)


def add_tar(tree: Tree, archive: Path, spool: Path) -> None:
    """Add all files of a tar archive; a compressed one is unpacked into the directory `spool`."""
    try:
        plain = _uncompressed(archive, spool)
        with tarfile.open(plain, "r:", errors="surrogateescape") as tar:
            for member in tar:
                _add_member(tree, plain, member)
    except tarfile.TarError as error:
        raise RktioError(f"{archive} is not a readable tar archive: {error}") from error
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RktioError(f"cannot read {archive}: {reason}") from error


def add_directory(tree: Tree, directory: Path) -> None:
    """Add all below `directory`, with owners, modes, times, hard links and attributes."""
    if not directory.is_dir():
        raise RktioError(f"{directory} is not a directory")
    _add_below(tree, directory, b"", {}, as_root=False)


def add_copy(tree: Tree, copy: Copy) -> None:
    """Add one `--copy`: a file goes into a DST that is a directory, as cp(1) does."""
    source = copy.source
    destination = os.fsencode(copy.destination)
    try:
        is_directory = stat.S_ISDIR(source.stat().st_mode)
    except OSError as error:
        raise RktioError(f"--copy: cannot read {source}: {error.strerror}") from error
    if is_directory:
        _add_below(tree, source, destination, {}, as_root=True)
        return
    if destination.endswith(b"/") or tree.directory(destination) is not None:
        destination += b"/" + os.fsencode(source.name)
    # The source may be a link (a build's latest output); its file is what is meant.
    tree.add(destination, _node(source.resolve(), source.stat(), as_root=True))


def _add_below(
    tree: Tree, top: Path, prefix: bytes, links: dict[tuple[int, int], Node], *, as_root: bool
) -> None:
    for path, status in _walk(top):
        relative = os.fsencode(path)[len(os.fsencode(top)) :].lstrip(b"/")
        where = b"/".join(part for part in (prefix, relative) if part)
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISSOCK(status.st_mode):
            continue  # as tar: a socket means nothing without the process that listens
        node = links.get(identity) or _node(path, status, as_root=as_root)
        if status.st_nlink > 1 and not node.is_directory:
            links[identity] = node
        tree.add(where, node)


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield `top` and all below it, sorted, not following links."""
    stack = [top]
    while stack:
        path = stack.pop()
        try:
            status = path.stat() if path is top else path.lstat()
            if stat.S_ISDIR(status.st_mode):
                stack.extend(sorted(path.iterdir(), reverse=True))
        except OSError as error:
            raise RktioError(f"cannot read {path}: {error.strerror}") from error
        yield path, status


def _node(path: Path, status: os.stat_result, *, as_root: bool) -> Node:
    try:
        node = Node(
            mode=status.st_mode,
            uid=0 if as_root else status.st_uid,
            gid=0 if as_root else status.st_gid,
            mtime_ns=status.st_mtime_ns,
            xattrs=_host_xattrs(path),
        )
        if stat.S_ISLNK(status.st_mode):
            node.target = os.readlink(os.fsencode(path))  # noqa: PTH115 - bytes
        elif stat.S_ISREG(status.st_mode):
            node.content = Content(path, status.st_size, _data_runs(path, status.st_size))
        elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
            node.device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    return node


def _host_xattrs(path: Path) -> dict[str, bytes]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}  # a file system without attributes
    wanted = [name for name in names if xattrs.supported(name) and name not in HOST_XATTRS]
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in wanted}


def _data_runs(path: Path, size: int) -> tuple[Run, ...]:
    """Return what of a file is not in holes, by lseek(2)'s SEEK_DATA."""
    runs = []
    with path.open("rb", buffering=0) as file:
        end = 0
        while end < size:
            try:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                break
            end = min(os.lseek(file.fileno(), start, os.SEEK_HOLE), size)
            runs.append(Run(start, start, end - start))
    return tuple(runs)


def _add_member(tree: Tree, archive: Path, member: tarfile.TarInfo) -> None:
    name = os.fsencode(member.name)
    if member.islnk():
        tree.link(name, os.fsencode(member.linkname))
        return
    kind = TAR_TYPES.get(member.type)
    if kind is None and not member.isreg():
        raise RktioError(f"{archive}: {show(name)} has the unknown type {member.type!r}")
    node = Node(
        mode=stat.S_IMODE(member.mode) | (kind or stat.S_IFREG),
        uid=member.uid,
        gid=member.gid,
        mtime_ns=_mtime_ns(member),
        xattrs=_pax_xattrs(member),
    )
    if kind is None:
        node.content = Content(archive, member.size, _member_runs(member))
    elif kind == stat.S_IFLNK:
        node.target = os.fsencode(member.linkname)
        node.mode = stat.S_IFLNK | 0o777
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        node.device = (member.devmajor, member.devminor)
    tree.add(name, node)


def _member_runs(member: tarfile.TarInfo) -> tuple[Run, ...]:
    sparse: list[tuple[int, int]] | None = getattr(member, "sparse", None)
    if sparse is None:
        return (Run(0, member.offset_data, member.size),) if member.size else ()
    runs = []
    position = member.offset_data
    for offset, length in sparse:
        if length:
            runs.append(Run(offset, position, length))
        position += length
    return tuple(runs)


def _mtime_ns(member: tarfile.TarInfo) -> int:
    """Return the modification time exactly: tarfile's float has no room for nanoseconds."""
    text = member.pax_headers.get("mtime")
    try:
        return int(Decimal(text) * 1_000_000_000) if text else int(member.mtime) * 1_000_000_000
    except (InvalidOperation, ValueError, OverflowError):
        return 0


def _pax_xattrs(member: tarfile.TarInfo) -> dict[str, bytes]:
    found = {}
    for key, value in member.pax_headers.items():
        name = key.removeprefix(PAX_XATTR)
        if name != key and xattrs.supported(name) and name not in HOST_XATTRS:
            found[name] = value.encode(errors="surrogateescape")
    return found


def _uncompressed(archive: Path, spool: Path) -> Path:
    """Return an uncompressed tar, so that contents can be read in place later."""
    with archive.open("rb") as file:
        magic = file.read(4)
    if magic == ZSTD_MAGIC:
        return _spooled_zstd(archive, spool)
    kind = COMPRESSED.get(magic[:2])
    if kind is None:
        return archive
    import gzip
    import lzma
    import zlib

    plain = spool / f"{len(list(spool.iterdir()))}.tar"
    try:
        with _decompressor(archive, kind) as source, plain.open("wb") as target:
            _pump(source, target)
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise RktioError(f"{archive} is a damaged {kind} archive: {error}") from error
    return plain


def _decompressor(archive: Path, kind: str) -> IO[bytes]:
    import bz2
    import gzip
    import lzma

    if kind == "gz":
        return cast(IO[bytes], gzip.open(archive, "rb"))
    return bz2.open(archive, "rb") if kind == "bz2" else lzma.open(archive, "rb")


def _spooled_zstd(archive: Path, spool: Path) -> Path:
    from rktio.common.run import require, run

    plain = spool / f"{len(list(spool.iterdir()))}.tar"
    run([require("zstd", "zstd"), "-q", "-d", "-o", plain, archive])
    return plain


def _pump(source: IO[bytes], target: IO[bytes]) -> None:
    while data := source.read(1 << 20):
        target.write(data)
