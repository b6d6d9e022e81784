#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the library kernel into one linkable object, build/libos.o.

The result depends on nothing but its inputs (tarball, patches, overlay, configuration, this
program, compiler) and is cached by their hash: a second build copies a file.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
sys.path[:0] = [str(CHECKOUT), str(HERE)]

import tree as kernel_tree  # noqa: E402 - found through the line above

from rktio.common.errors import RktioError  # noqa: E402
from rktio.common.progress import Progress  # noqa: E402
from rktio.common.run import popen, run  # noqa: E402

ARCH = "libos"
CACHED_BUILDS_KEPT = 4
ERROR_LINES_SHOWN = 3
STAMP = ".rkt-io-inputs"  # in a tree: the hash of the inputs that it is being built from
COMPILES = ("  CC  ", "  AS  ")  # how kbuild announces the objects that the bar counts
HEADER_FOLDERS = ("include", f"arch/{ARCH}/include", "arch/x86/include")
ERROR_MARKS = ("error: ", "undefined reference", "No space left")


@dataclass(frozen=True)
class Build:
    """One build: what goes in, and where it happens."""

    version: kernel_tree.LinuxVersion
    tarball: Path
    tarball_sha256: str
    config: Mapping[str, str]
    compiler: str
    jobs: int
    incremental: bool
    cache: Path
    out: Path

    @property
    def patches(self) -> list[Path]:
        """The patches in the order of their numbers."""
        return sorted((HERE / "patches").glob("[0-9]*.patch"))

    @property
    def tree(self) -> Path:
        """The kernel tree of this tarball and these patches."""
        digest = hashlib.sha256(self.tarball_sha256.encode())
        for patch in self.patches:
            digest.update(patch.read_bytes())
        return self.cache / f"linux-{digest.hexdigest()[:16]}"

    def inputs_hash(self) -> str:
        """Hash everything that the object's bytes depend on."""
        digest = hashlib.sha256()
        overlay = HERE / "overlay"
        own = [HERE / "build.py", HERE / "tree.py", HERE / "entry.syms", *self.patches]
        for path in own:
            _feed(digest, path.name, path.read_bytes())
        for name in kernel_tree.overlay_files(overlay):
            _feed(digest, name, (overlay / name).read_bytes())
        for word in (self.tarball_sha256, str(self.version.epoch), self.compiler):
            _feed(digest, "", word.encode())
        _feed(digest, ".config", kernel_tree.render_fragment(self.config).encode())
        mode = "-incremental" if self.incremental else ""
        return f"{digest.hexdigest()[:24]}{mode}"


def _feed(digest: hashlib._Hash, name: str, content: bytes) -> None:
    digest.update(f"{name}\0{len(content)}\0".encode())
    digest.update(content)


def main(argv: Sequence[str] | None = None) -> int:
    """Build, or say in one line why not."""
    options = parse(argv)
    try:
        build_object(plan(options))
    except RktioError as error:
        hint = f"\n  {error.hint}" if error.hint else ""
        print(f"build.py: {error.message}{hint}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("build.py: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Build the library kernel into build/libos.o.")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "build", help="default: build/")
    parser.add_argument("--tarball", type=Path, help="a kernel.org linux-6.12.y tarball")
    parser.add_argument("--sha256", help="the checksum that the tarball must have")
    parser.add_argument("--debug", action="store_true", help="add config/debug.config")
    parser.add_argument(
        "--incremental", action="store_true", help="rebuild only what changed in the tree"
    )
    parser.add_argument("-j", "--jobs", type=int, default=len(os.sched_getaffinity(0)))
    return parser.parse_args(argv)


def plan(options: argparse.Namespace) -> Build:
    """Find every input of the build."""
    cache = Path(os.environ.get("RKT_IO_CACHE") or Path.home() / ".cache/rkt-io").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    version = kernel_tree.LinuxVersion.read(HERE / "linux.version")
    tarball, digest = kernel_tree.find_tarball(version, cache, options.tarball, options.sha256)
    return Build(
        version=version,
        tarball=tarball,
        tarball_sha256=digest,
        config=read_config(options.debug),
        compiler=compiler_identity(),
        jobs=options.jobs,
        incremental=options.incremental,
        cache=cache,
        out=options.out.resolve(),
    )


def read_config(debug: bool) -> dict[str, str]:
    """Merge the fragments; a later one wins."""
    wanted: dict[str, str] = {}
    for name in ["base.config", *(["debug.config"] if debug else [])]:
        path = HERE / "config" / name
        wanted |= kernel_tree.read_fragment(path.read_text(), str(path))
    return wanted


def compiler_identity() -> str:
    """Return what the compiler, the assembler and the linker call themselves."""
    tools = (["gcc", "--version"], ["gcc", "-dumpmachine"], ["as", "--version"], ["ld", "-V"])
    return "".join(run(command).stdout.decode().splitlines()[0] for command in tools)


def build_object(build: Build) -> None:
    """Put libos.o and libos-headers.args into the output folder, from the cache if possible."""
    digest = build.inputs_hash()
    cached = build.cache / f"libos-{digest}"
    started = time.monotonic()
    if not cached.is_dir():
        with locked(build.cache / f"{build.tree.name}.lock"):
            if not cached.is_dir():
                make_kernel(build, digest, cached)
    os.utime(cached)
    build.out.mkdir(parents=True, exist_ok=True)
    install(cached / "libos.o", build.out / "libos.o")
    write_if_changed(build.out / "libos-headers.args", header_arguments(cached / "headers"))
    prune(build.cache)
    print(f"libos.o is up to date ({digest}, {time.monotonic() - started:.1f} s)", flush=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep two builds of one cache out of each other's tree."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another build of the library kernel", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def make_kernel(build: Build, digest: str, cached: Path) -> None:
    """Compile in the tree, and publish the result in the cache."""
    tree = build.tree
    if not tree.is_dir():
        kernel_tree.unpack(build.tarball, tree, build.patches)
    kernel_tree.check_series(tree, build.version.series)
    kernel_tree.lay_overlay(HERE / "overlay", tree)
    make = Make(build)
    start_afresh(build, make, digest)
    configure(build, make)
    make.compile("vmlinux_o")
    make.quietly("init/version-timestamp.o")
    link(build, cached)


def start_afresh(build: Build, make: Make, digest: str) -> None:
    """Remove what other inputs left in the tree; an interrupted build of these goes on."""
    stamp = build.tree / STAMP
    known = stamp.read_text() if stamp.exists() else None
    if known is not None and known != digest and not build.incremental:
        make.quietly("clean")
    stamp.write_text(digest)


def configure(build: Build, make: Make) -> None:
    """Write .config from the fragments, and make sure that all of them took effect."""
    fragment = build.tree / ".rkt-io-config"
    fragment.write_text(kernel_tree.render_fragment(build.config))
    config = build.tree / ".config"
    make.quietly("allnoconfig", f"KCONFIG_ALLCONFIG={fragment}")
    kernel_tree.check_config(build.config, config.read_text())


class Make:
    """kbuild in one tree, with the environment that makes its output reproducible."""

    def __init__(self, build: Build) -> None:
        self.build = build
        self.log = build.out / "libos.log"
        build.out.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def command(self, *words: str) -> list[str]:
        """Return the command line of one make."""
        remap = f"-ffile-prefix-map={self.build.tree}=/usr/src/linux"
        return [
            *("make", "-C", str(self.build.tree), f"-j{self.build.jobs}", f"ARCH={ARCH}"),
            *("LOCALVERSION=", f"KCFLAGS={remap}", f"KAFLAGS={remap}", *words),
        ]

    def environment(self) -> dict[str, str]:
        """Return an environment in which nothing of the user's shows in the object."""
        stamp = time.strftime("%a %b %e %H:%M:%S UTC %Y", time.gmtime(self.build.version.epoch))
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C",
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(self.build.version.epoch),
            "KBUILD_BUILD_TIMESTAMP": stamp,
            "KBUILD_BUILD_USER": "rkt-io",
            "KBUILD_BUILD_HOST": "rkt-io",
            "KBUILD_BUILD_VERSION": "1",
        }

    def quietly(self, *words: str) -> None:
        """Run a short step; its output goes to the log."""
        for _ in self._lines(*words):
            pass

    def compile(self, *words: str) -> None:
        """Run the long step under a progress bar."""
        expected = None if self.build.incremental else self.build.version.objects
        started = time.monotonic()
        with Progress("library kernel", expected, "objects") as progress:
            for line in self._lines(*words):
                if not line.startswith(COMPILES):
                    continue
                progress.advance(1)
                elapsed = time.monotonic() - started
                progress.note(timing(elapsed, progress.done, expected))
        print(f"compiled {progress.done} objects", flush=True)

    def _lines(self, *words: str) -> Iterator[str]:
        """Run make to its end, yielding its output; raises RktioError where it fails."""
        child = popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(),
        )
        assert child.stdout is not None
        said: list[str] = []
        with self.log.open("ab") as log, child, child.stdout as output:
            for raw in output:
                log.write(raw)
                line = raw.decode(errors="replace").rstrip()
                said.append(line)
                yield line
        if child.returncode != 0:
            shown = "".join(f"\n    {line}" for line in reasons(said))
            raise RktioError(f"make {words[0]} failed{shown}", hint=f"full log: {self.log}")


def reasons(said: Sequence[str]) -> list[str]:
    """Return the lines of make's output that tell why it failed."""
    if errors := [line for line in said if any(mark in line for mark in ERROR_MARKS)]:
        return errors[:ERROR_LINES_SHOWN]
    stops = [number for number, line in enumerate(said) if "*** " in line]
    end = stops[0] + 1 if stops else len(said)
    return list(said[max(0, end - ERROR_LINES_SHOWN) : end])


def timing(elapsed: float, done: int, expected: int | None) -> str:
    """Return 'elapsed 1:05, 4:10 left'."""
    text = f"elapsed {minutes(elapsed)}"
    if expected and done < expected:
        text += f", {minutes(elapsed * (expected - done) / done)} left"
    return text


def minutes(seconds: float) -> str:
    """Return seconds as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def link(build: Build, cached: Path) -> None:
    """Make one object whose only global symbols are the entry API, and cache it with headers."""
    part = cached.with_name(f"{cached.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    whole = part / "vmlinux.o"
    inputs = [build.tree / "vmlinux.o", build.tree / "init/version-timestamp.o"]
    run(["ld", "-m", "elf_x86_64", "-r", "-o", whole, *inputs])
    keep = HERE / "entry.syms"
    check_entry_symbols(whole, keep)
    run(["objcopy", f"--keep-global-symbols={keep}", whole, part / "libos.o"])
    whole.unlink()
    for folder in HEADER_FOLDERS:
        copy_headers(build.tree / folder, part / "headers" / folder)
    part.rename(cached)


def check_entry_symbols(whole: Path, keep: Path) -> None:
    """Refuse an entry API that names what the kernel doesn't define."""
    listed = [line.partition("#")[0].strip() for line in keep.read_text().splitlines()]
    output = run(["nm", "--defined-only", "--extern-only", "--format=posix", whole]).stdout
    defined = {line.split()[0] for line in output.decode().splitlines() if line}
    if missing := [name for name in listed if name and name not in defined]:
        raise RktioError(f"{keep} lists what the kernel does not define: {', '.join(missing)}")


def copy_headers(source: Path, target: Path) -> None:
    """Hard-link a folder of headers: the tree moves on, what was cached stays."""
    shutil.copytree(source, target, copy_function=os.link, ignore=shutil.ignore_patterns("*.cmd"))


def header_arguments(headers: Path) -> str:
    """Return the flags (a gcc @file) for preprocessing with the kernel's headers."""
    arch = headers / "arch" / ARCH / "include"
    include = headers / "include"
    folders = [
        *(arch, arch / "generated", include, arch / "uapi", arch / "generated/uapi"),
        *(include / "uapi", include / "generated/uapi"),
    ]
    flags = ["-nostdinc", *(f'-I"{folder}"' for folder in folders)]
    for header in ("compiler-version.h", "kconfig.h"):
        flags.append(f'-include "{include / "linux" / header}"')
    return "".join(f"{flag}\n" for flag in [*flags, "-D__KERNEL__", "-Ulinux"])


def install(source: Path, target: Path) -> None:
    """Copy a file unless it is the same already, so that nothing is linked again for nothing."""
    if target.is_file() and kernel_tree.sha256(target) == kernel_tree.sha256(source):
        return
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def write_if_changed(path: Path, text: str) -> None:
    """Write a small file, leaving its time stamp alone where nothing changed."""
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def prune(cache: Path) -> None:
    """Forget all but the builds used last; a kernel tree stays for the next build."""
    builds = [path for path in cache.glob("libos-*") if path.is_dir()]
    builds.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in builds[CACHED_BUILDS_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
