# SPDX-License-Identifier: Apache-2.0
"""`Image`: the Python API of disk images."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rktio.common.errors import RktioError
from rktio.image.inspection import ImageInfo, image_info, open_reader
from rktio.image.ondisk import Inode
from rktio.image.program import DEFAULT_PATH, ProgramInfo, inspect_opened
from rktio.image.reader import Reader, show


@dataclass(frozen=True, slots=True)
class FileInfo:
    """One file of an image, with what stat(2) would tell."""

    path: str  # absolute; bytes that aren't UTF-8 are surrogate-escaped
    mode: int  # type and permissions
    uid: int
    gid: int
    size: int
    links: int
    inode: int
    mtime_ns: int
    device: tuple[int, int] | None  # major, minor
    target: str | None  # of a symbolic link
    xattrs: dict[str, bytes]


class Image:
    """An ext4 image, read without mounting it: `with Image.open("app-disk.img") as image:`.

    Reading does not replay the journal, and is not meant for an image that runs.
    """

    def __init__(self, reader: Reader) -> None:
        """Use `Image.open` or `Image.create`."""
        self._reader = reader

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open an image after checking it. Raises RktioError."""
        return cls(open_reader(path))

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        debian: Iterable[str] = (),
        tars: Iterable[str | Path] = (),
        directories: Iterable[str | Path] = (),
        copies: Iterable[tuple[str | Path, str]] = (),
        suite: str | None = None,
        mirrors: Iterable[str] = (),
        size_bytes: int | None = None,
        force: bool = False,
    ) -> Self:
        """Make an image and open it; sources are added in the order of the parameters.

        The same inputs give the same bytes. Raises RktioError.
        """
        from rktio.image.create import Recipe, create_image
        from rktio.image.debian import DEFAULT_SUITE
        from rktio.image.sources import Copy

        recipe = Recipe(
            debian=tuple(debian),
            tars=tuple(map(Path, tars)),
            directories=tuple(map(Path, directories)),
            copies=tuple(Copy(Path(source), destination) for source, destination in copies),
            suite=suite or DEFAULT_SUITE,
            mirrors=tuple(mirrors),
            size_bytes=size_bytes,
        )
        create_image(Path(path), recipe, force=force)
        return cls.open(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the image; closing twice is fine."""
        self._reader.close()

    @property
    def path(self) -> Path:
        """The image file."""
        return self._reader.path

    def info(self) -> ImageInfo:
        """Return sizes, features and state."""
        return image_info(self._reader)

    def stat(self, path: str, *, follow: bool = True) -> FileInfo:
        """Return one file. Raises RktioError where it isn't there."""
        found, inode = self._reader.lookup(_encode(path), follow=follow)
        return self._file_info(found, inode)

    def list(self, path: str = "/", *, recursive: bool = False) -> Iterator[FileInfo]:
        """Yield the files of a directory (or a single file), sorted by name."""
        found, inode = self._reader.lookup(_encode(path))
        if not inode.is_directory:
            yield self._file_info(found, inode)
            return
        if recursive:
            walk = self._reader.walk(found, inode)
            next(walk)
            for child, node in walk:
                yield self._file_info(child, node)
            return
        for name, number in sorted(self._reader.directory(inode).items()):
            yield self._file_info(found.rstrip(b"/") + b"/" + name, self._reader.inode(number))

    def read(self, path: str) -> bytes:
        """Return the contents of a file."""
        return self._reader.read(self._regular(path))

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield the contents of a file of any size in pieces, holes as zeros."""
        inode = self._regular(path)
        zeros = bytes(1 << 20)
        at = 0
        for offset, chunk in self._reader.chunks(inode):
            while at < offset:
                yield zeros[: offset - at]
                at += min(len(zeros), offset - at)
            yield chunk
            at = offset + len(chunk)
        while at < inode.size:
            yield zeros[: inode.size - at]
            at += min(len(zeros), inode.size - at)

    def extract(self, path: str, destination: str | Path) -> None:
        """Copy a file, or a directory with all in it, to `destination` of the host.

        Modes, times, links, holes and attributes are kept; owners and device nodes
        only for root. An existing destination is never overwritten.
        """
        from rktio.image.extract import extract

        found, inode = self._reader.lookup(_encode(path), follow=False)
        extract(self._reader, found, inode, Path(destination))

    def program(
        self, program: str, *, search_path: str = DEFAULT_PATH, cwd: str = "/"
    ) -> ProgramInfo:
        """Return what `program` is, as `inspect_program`. Raises RktioError."""
        return inspect_opened(self._reader, program, search_path=search_path, cwd=cwd)

    def _regular(self, path: str) -> Inode:
        found, inode = self._reader.lookup(_encode(path))
        if not inode.is_regular:
            what = "a directory" if inode.is_directory else "not a regular file"
            raise RktioError(f"{show(found)} in {self.path} is {what}")
        return inode

    def _file_info(self, path: bytes, inode: Inode) -> FileInfo:
        is_device = stat.S_ISCHR(inode.mode) or stat.S_ISBLK(inode.mode)
        return FileInfo(
            path=path.decode(errors="surrogateescape"),
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            size=inode.size,
            links=inode.links,
            inode=inode.number,
            mtime_ns=inode.mtime_ns,
            device=inode.device if is_device else None,
            target=_decode(self._reader.readlink(inode)) if inode.is_symlink else None,
            xattrs=self._reader.xattrs(inode),
        )


def _encode(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


def _decode(path: bytes) -> str:
    return path.decode(errors="surrogateescape")
