# SPDX-License-Identifier: Apache-2.0
"""rkt-io-disk: make disk images, and look into them."""

from __future__ import annotations

import argparse
import json
import signal
import stat
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rktio.cli import disk_sealed
from rktio.cli.report import Parser
from rktio.cli.subcommands import Command, add_commands, run_command
from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from rktio.image import FileInfo

EXAMPLES = """\
examples:
  rkt-io-disk create --debian redis-server app-disk.img
  rkt-io-disk create --tar rootfs.tar.gz --copy ./app:/srv/app --size 2G app-disk.img
  rkt-io-disk keygen owner
  rkt-io-disk create --debian redis-server --encrypt --key-out app.volume --sign owner.key app.img
  rkt-io-disk verify --key owner.crt --deep app.img
  rkt-io-disk ls app-disk.img /etc
  rkt-io-disk cat app-disk.img /etc/passwd
  rkt-io-disk extract app-disk.img /var/lib/redis ./saved
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run rkt-io-disk and return its status."""
    parser = Parser("rkt-io-disk", "Make disk images, and look into them.")
    parser.epilog = EXAMPLES
    add_commands(parser, COMMANDS)
    return run_command(parser, argv)


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("image", metavar="IMAGE", type=Path, nargs="?", help="the file to make")
    add("-o", "--output", metavar="IMAGE", type=Path, help="the same, as an option")
    add(
        "--debian",
        metavar="PACKAGES",
        action="append",
        default=[],
        help="install these Debian packages (comma-separated) and what they need",
    )
    add("--suite", default="bookworm", help="the release of Debian (default: %(default)s)")
    add(
        "--mirror",
        action="append",
        default=[],
        metavar="URL",
        help="where to get packages, or a sources.list line (default: deb.debian.org)",
    )
    add("--tar", metavar="FILE", action="append", default=[], type=Path, help="unpack an archive")
    add(
        "--directory",
        metavar="DIR",
        action="append",
        default=[],
        type=Path,
        help="copy a root tree",
    )
    add(
        "--copy",
        metavar="SRC:DST",
        action="append",
        default=[],
        help="copy a file or directory to DST, owned by root",
    )
    add("--size", help="e.g. 2G (default: the contents, a quarter and at least 256 MiB more)")
    add("--force", action="store_true", help="replace an existing image")
    disk_sealed.create_arguments(parser)


def _create(options: argparse.Namespace) -> int:
    from rktio.common.sizes import parse_size
    from rktio.image.create import Recipe, create_image
    from rktio.image.sources import Copy

    if (options.image is None) == (options.output is None):
        raise RktioError("name one image to make", hint="rkt-io-disk create [options] IMAGE")
    packages = [name.strip() for names in options.debian for name in names.split(",")]
    recipe = Recipe(
        debian=tuple(name for name in packages if name),
        tars=tuple(options.tar),
        directories=tuple(options.directory),
        copies=tuple(map(Copy.parse, options.copy)),
        suite=options.suite,
        mirrors=tuple(options.mirror),
        size_bytes=None if options.size is None else parse_size(options.size),
    )
    # A killed build must still unmount its chroot and remove what is half made.
    signal.signal(signal.SIGTERM, _terminated)
    with disk_sealed.seal_of(options) as seal:
        create_image(options.image or options.output, recipe, force=options.force, seal=seal)
    return 0


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def _ls_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("path", metavar="PATH", nargs="?", default="/")
    parser.add_argument("-l", "--long", action="store_true", help="modes, owners, sizes, times")
    parser.add_argument("-R", "--recursive", action="store_true", help="all below PATH")
    parser.add_argument("--json", action="store_true", help="for scripts")


def _ls(options: argparse.Namespace) -> int:
    from rktio.image import Image

    with Image.open(options.image) as image:
        files = image.list(options.path, recursive=options.recursive)
        if options.json:
            _print_json([_file_record(file) for file in files])
            return 0
        for file in files:
            name = file.path if options.recursive else file.path.rpartition("/")[2]
            print(_long_line(file, name) if options.long else _shown(name))
    return 0


def _cat_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("paths", metavar="PATH", nargs="+")


def _cat(options: argparse.Namespace) -> int:
    from rktio.image import Image

    with Image.open(options.image) as image:
        for path in options.paths:
            for chunk in image.chunks(path):
                sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return 0


def _extract_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("path", metavar="PATH", help="a file or directory of the image")
    parser.add_argument("destination", metavar="DEST", type=Path, help="must not exist")


def _extract(options: argparse.Namespace) -> int:
    from rktio.image import Image

    with Image.open(options.image) as image:
        image.extract(options.path, options.destination)
    return 0


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path)
    parser.add_argument("--json", action="store_true", help="for scripts")


def _info(options: argparse.Namespace) -> int:
    from rktio.common.progress import scaled_bytes
    from rktio.image import probe
    from rktio.image.sealed import is_sealed

    if is_sealed(options.image):
        return disk_sealed.info(options)
    info = probe(options.image)
    if options.json:
        _print_json({**asdict(info), "path": str(info.path), "free_bytes": info.free_bytes})
        return 0
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(info.created))
    state = "has errors: run e2fsck" if info.has_errors else "clean"
    if info.needs_recovery:
        state += ", the journal is replayed at the next start"
    print(f"image:    {info.path}")
    print(f"size:     {scaled_bytes(info.size_bytes)} ({info.blocks} blocks of {info.block_bytes})")
    print(f"free:     {scaled_bytes(info.free_bytes)}, {info.free_inodes} of {info.inodes} inodes")
    print(f"uuid:     {info.uuid}")
    print(f"made:     {made}")
    print(f"state:    {state}")
    print(f"features: {' '.join(info.features)}")
    return 0


def _long_line(file: FileInfo, name: str) -> str:
    size = "{}, {}".format(*file.device) if file.device else str(file.size)
    date = time.strftime("%Y-%m-%d %H:%M", time.gmtime(file.mtime_ns // 1_000_000_000))
    target = f" -> {_shown(file.target)}" if file.target is not None else ""
    owner = f"{file.uid:5} {file.gid:5}"
    mode = stat.filemode(file.mode)
    return f"{mode} {file.links:3} {owner} {size:>12} {date} {_shown(name)}{target}"


def _file_record(file: FileInfo) -> dict[str, Any]:
    record = asdict(file)
    record["xattrs"] = {name: value.hex() for name, value in file.xattrs.items()}
    record["mode"] = f"{file.mode:06o}"
    return record


def _shown(name: str) -> str:
    from rktio.image.reader import show

    return show(name.encode(errors="surrogateescape"))


def _print_json(value: dict[str, Any] | Iterable[dict[str, Any]]) -> None:
    print(json.dumps(value, indent=2))


COMMANDS = (
    Command("create", _create_arguments, _create, "make an image from packages and files"),
    Command("ls", _ls_arguments, _ls, "list files of an image"),
    Command("cat", _cat_arguments, _cat, "print files of an image"),
    Command("extract", _extract_arguments, _extract, "copy files out of an image"),
    Command("info", _info_arguments, _info, "show size, free space and state of an image"),
    Command("keygen", disk_sealed.keygen_arguments, disk_sealed.keygen, "make an owner's key"),
    Command("sign", disk_sealed.sign_arguments, disk_sealed.sign, "sign a sealed image"),
    Command("verify", disk_sealed.verify_arguments, disk_sealed.verify, "check a sealed image"),
)
