#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds the substituted libc: musl with the overlay and the patches.

Same inputs (release, overlay, patches, this program, compiler), same bytes;
a result is kept in the cache under the hash of its inputs.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fetch import FetchError, Release, fetch, identify, read_releases

HERE = Path(__file__).resolve().parent

# A system call is a call here, and would overwrite a red zone.
CFLAGS = "-O2 -pipe -mno-red-zone -fno-ident"
LDFLAGS = "-Wl,-z,relro,-z,now,-z,noexecstack,--build-id=none"
LOADER = "ld-musl-x86_64.so.1"


class BuildError(Exception):
    """A step of the build failed."""


def main() -> int:
    arguments = parse_arguments()
    try:
        build(arguments.output.resolve(), arguments.tarball, arguments.jobs)
    except (BuildError, FetchError) as error:
        print(f"enclave/libc/build.py: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the substituted libc.")
    parser.add_argument("--output", type=Path, required=True, help="folder to fill (replaced)")
    parser.add_argument("--tarball", type=Path, help="musl's tarball (default: through apt)")
    parser.add_argument("-j", "--jobs", type=int, default=2)
    return parser.parse_args()


def build(output: Path, tarball: Path | None, jobs: int) -> None:
    """Leave in `output`: the loader, lib/, include/ and bin/rkt-io-musl-gcc."""
    require_tools()
    cache = Path(os.environ.get("RKT_IO_CACHE", Path.home() / ".cache/rkt-io"))
    releases = read_releases(HERE / "musl.version")
    if tarball:
        release = identify(tarball, releases)
    else:
        tarball, release = fetch(releases, cache / "downloads")
    result = cache / "libc" / input_hash(release)
    if result.exists():
        print(f"musl {release.version}: unchanged, from the cache", flush=True)
    else:
        compile_into(result, tarball, release, jobs)
    install(result, output)


def require_tools() -> None:
    for program, package in (("gcc", "gcc"), ("make", "make"), ("patch", "patch")):
        if not shutil.which(program):
            raise BuildError(f"{program} is missing; apt-get install {package}")


def input_hash(release: Release) -> str:
    digest = hashlib.sha256(release.sha256.encode())
    for path in sorted(inputs()):
        digest.update(f"\0{path.relative_to(HERE)}\0".encode())
        digest.update(path.read_bytes())
    for command in (["gcc", "-v"], ["ld", "--version"]):
        done = subprocess.run(command, capture_output=True, check=True)
        digest.update(done.stdout + done.stderr)
    return digest.hexdigest()[:32]


def inputs() -> Iterator[Path]:
    yield HERE / "build.py"
    for folder in ("overlay", "patches", "toolchain"):
        yield from (path for path in (HERE / folder).rglob("*") if path.is_file())


def compile_into(result: Path, tarball: Path, release: Release, jobs: int) -> None:
    result.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=result.parent) as scratch:
        work = Path(scratch)
        source = prepare(work, tarball, release)
        configure = ["./configure", "--prefix=/", "--syslibdir=/lib", "--disable-wrapper"]
        flags = {"CFLAGS": CFLAGS, "LDFLAGS": LDFLAGS, "CC": "gcc"}
        step(f"musl {release.version}: configuring", configure, source, flags)
        step(f"musl {release.version}: compiling (about a minute)", ["make", f"-j{jobs}"], source)
        tree = work / "tree"
        step(
            f"musl {release.version}: installing",
            ["make", "install", f"DESTDIR={tree}"],
            source,
        )
        arrange(tree)
        tree.rename(result)


def prepare(work: Path, tarball: Path, release: Release) -> Path:
    """The patched source. Its folder's name ends up in no object."""
    unpack = ["tar", "-xzf", str(tarball), "--no-same-owner"]
    step(f"musl {release.version}: unpacking", unpack, work)
    source = work / f"musl-{release.version}"
    for patch in sorted((HERE / "patches").glob("*.patch")):
        apply = ["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(patch)]
        step(f"musl {release.version}: {patch.stem}", apply, source)
    shutil.copytree(HERE / "overlay", source, dirs_exist_ok=True)
    return source


def step(label: str, command: list[str], cwd: Path, env: dict[str, str] | None = None) -> None:
    started = time.monotonic()
    print(label, end="", flush=True)
    clean = {"PATH": os.environ["PATH"], "LC_ALL": "C", "SOURCE_DATE_EPOCH": "0"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=clean | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    print(f" ({time.monotonic() - started:.0f} s)", flush=True)
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise BuildError(f"`{' '.join(command)}` failed in {cwd}:\n{tail}")


def arrange(tree: Path) -> None:
    """From musl's layout to ours: the loader on top, lib/libc.so a link to it."""
    library = tree / "lib/libc.so"
    (tree / "lib" / LOADER).unlink()
    library.rename(tree / LOADER)
    library.symlink_to(f"../{LOADER}")
    shutil.copy(HERE / "toolchain/musl-gcc.specs", tree / "lib")
    (tree / "bin").mkdir(exist_ok=True)
    shutil.copy(HERE / "toolchain/rkt-io-musl-gcc", tree / "bin")


def install(result: Path, output: Path) -> None:
    """Replace `output`, which is a former result or absent, at once."""
    if output.exists() and not (output / LOADER).exists() and any(output.iterdir()):
        raise BuildError(f"{output} holds something else; name another --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=output.parent))
    shutil.copytree(result, fresh, symlinks=True, dirs_exist_ok=True)
    fresh.chmod(0o755)
    if output.exists():
        shutil.rmtree(output)
    fresh.rename(output)
    print(f"musl: {output / LOADER}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
