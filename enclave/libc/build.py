#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the substituted libc: musl with the overlay and the patches.

The result depends on nothing but its inputs (release, overlay, patches, toolchain files, this
program, compiler) and is cached by their hash: a second build copies a folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT), str(HERE)]

import source as musl_source  # noqa: E402 - found through the line above

from rktio.common.errors import RktioError  # noqa: E402
from rktio.common.run import require, run  # noqa: E402

LOADER = "ld-musl-x86_64.so.1"
FLAGS = {
    "CC": "gcc",
    "CFLAGS": "-O2 -pipe -fno-ident",
    "LDFLAGS": "-Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none",
}
INPUT_FOLDERS = ("overlay", "patches", "toolchain")
BUILDS_KEPT = 4


def main(argv: Sequence[str] | None = None) -> int:
    """Build, or say in one line why not."""
    options = parse(argv)
    try:
        build(options.output.resolve(), options.tarball, options.jobs)
    except RktioError as error:
        hint = f"\n  {error.hint}" if error.hint else ""
        print(f"build.py: {error.message}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build.py: interrupted", file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Build the substituted libc.")
    default = CHECKOUT / "build/libc"
    parser.add_argument("--output", type=Path, default=default, help="default: build/libc/")
    parser.add_argument("--tarball", type=Path, help="a tarball of musl (default: through apt)")
    parser.add_argument("-j", "--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args(argv)


def build(output: Path, tarball: Path | None, jobs: int) -> None:
    """Leave in `output`: the loader, lib/, include/, bin/rkt-io-musl-gcc and musl's licence."""
    for program, package in (("gcc", "gcc"), ("make", "make"), ("patch", "patch")):
        require(program, package)
    cache = Path(os.environ.get("RKT_IO_CACHE") or Path.home() / ".cache/rkt-io").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    releases = musl_source.read_releases(HERE / "musl.version")
    if tarball is None:
        tarball, release = musl_source.obtain(releases, cache / "downloads")
    else:
        release = musl_source.identify(tarball, releases)
    digest = inputs_hash(release)
    result = cache / f"libc-{digest}"
    if not result.is_dir():
        make_libc(result, tarball.resolve(), release, jobs)
    os.utime(result)
    install(result, output)
    prune(cache)
    print(f"{output / LOADER} is up to date (musl {release.version}, {digest})", flush=True)


def inputs_hash(release: musl_source.Release) -> str:
    """Hash everything that the result's bytes depend on."""
    digest = hashlib.sha256(release.sha256.encode())
    for path in sorted(input_files()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(HERE)}\0{len(content)}\0".encode() + content)
    for command in (["gcc", "--version"], ["gcc", "-dumpmachine"], ["ld", "-V"]):
        digest.update(run(command).stdout)
    return digest.hexdigest()[:24]


def input_files() -> Iterator[Path]:
    """Yield the files that go into the result."""
    yield HERE / "build.py"
    for folder in INPUT_FOLDERS:
        yield from (path for path in (HERE / folder).rglob("*") if path.is_file())


def make_libc(result: Path, tarball: Path, release: musl_source.Release, jobs: int) -> None:
    """Compile, and publish the result in the cache."""
    with tempfile.TemporaryDirectory(dir=result.parent, prefix="libc-build-") as scratch:
        work = Path(scratch)
        folder = unpack(work, tarball, release)
        make = ["make", f"-j{jobs}"]
        configure = ["./configure", "--prefix=/", "--syslibdir=/lib", "--disable-wrapper"]
        with step(f"musl {release.version}: configuring"):
            quietly(configure, folder, FLAGS)
        with step(f"musl {release.version}: compiling, about a minute"):
            quietly(make, folder)
        quietly([*make, "install", f"DESTDIR={work / 'tree'}"], folder)
        arrange(work / "tree")
        shutil.copy(folder / "COPYRIGHT", work / "tree")
        # Another build of the same inputs may have been faster.
        if not result.is_dir():
            (work / "tree").rename(result)


def unpack(work: Path, tarball: Path, release: musl_source.Release) -> Path:
    """Unpack, patch and overlay musl; return its folder, whose name ends up in no object."""
    run(["tar", "-xf", tarball, "--no-same-owner", "-C", work])
    folder = work / f"musl-{release.version}"
    for patch in sorted((HERE / "patches").glob("*.patch")):
        quietly(["patch", "-p1", "--fuzz=0", "-i", str(patch)], folder)
    shutil.copytree(HERE / "overlay", folder, dirs_exist_ok=True)
    return folder


@contextmanager
def step(label: str) -> Iterator[None]:
    """Say what takes long, and how long it took."""
    started = time.monotonic()
    print(label, end="", flush=True)
    try:
        yield
    finally:
        print(f" ({time.monotonic() - started:.0f} s)", flush=True)


def quietly(command: list[str], folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a command in an environment in which nothing of the user's shows in the result."""
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent", "LC_ALL": "C"}
    run(command, cwd=folder, env=clean | dict(env or {}))


def arrange(tree: Path) -> None:
    """Go from musl's layout to ours: the loader on top, lib/libc.so a link to it."""
    library = tree / "lib/libc.so"
    (tree / "lib" / LOADER).unlink()
    library.rename(tree / LOADER)
    library.symlink_to(f"../{LOADER}")
    (tree / "bin").mkdir(exist_ok=True)
    shutil.copy(HERE / "toolchain/musl-gcc.specs", tree / "lib")
    shutil.copy(HERE / "toolchain/rkt-io-musl-gcc", tree / "bin")


def install(result: Path, output: Path) -> None:
    """Make `output`, a former result or absent, a copy of `result`, unless it is one already."""
    mark = output / ".inputs"
    if mark.is_file() and mark.read_text() == result.name:
        return
    if output.exists() and not mark.is_file() and any(output.iterdir()):
        raise RktioError(f"{output} holds something else", hint="name another folder: --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = output.with_name(f".{output.name}-{os.getpid()}")
    shutil.copytree(result, fresh, symlinks=True)
    (fresh / ".inputs").write_text(result.name)
    if output.exists():
        shutil.rmtree(output)
    fresh.rename(output)


def prune(cache: Path) -> None:
    """Forget all but the builds used last."""
    builds = [path for path in cache.glob("libc-*") if (path / LOADER).is_file()]
    builds.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in builds[BUILDS_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
