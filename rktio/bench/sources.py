# SPDX-License-Identifier: Apache-2.0
"""Where scenarios and C sources are, and how the programs of ours are built, once per source."""

from __future__ import annotations

import fcntl
import tarfile
from collections.abc import Callable
from pathlib import Path

from rktio.bench.closure import cache_directory, fingerprint
from rktio.common.errors import RktioError
from rktio.common.paths import PACKAGE, checkout
from rktio.common.run import require, run

FLAGS = ("-O2", "-std=gnu11", "-pthread")
SPEEDTEST_MEMBER = "/test/speedtest1.c"
DEBIAN_COMPONENTS = ("", "-updates")


def bench_directory(name: str) -> Path:
    """Return the folder bench/NAME, of the checkout or of the installed package."""
    root = checkout()
    folder = (root / "bench" if root else PACKAGE / "bench" / "_sources") / name
    if not folder.exists():
        raise RktioError(f"{folder} does not exist", hint="run from a checkout of rkt-io")
    return folder


def built(name: str) -> Path:
    """Return one of our programs, compiled by the system's gcc. Raises RktioError."""
    makers: dict[str, Callable[[], Path]] = {
        "await": lambda: _compiled("await", bench_directory("await"), ()),
        "sendto": lambda: _compiled("sendto", bench_directory("sendto"), ()),
        "ycsb": lambda: _compiled("ycsb", bench_directory("ycsb"), ("-lm",)),
        "speedtest1": lambda: _compiled("speedtest1", _speedtest_folder(), ("-lsqlite3",)),
    }
    if name not in makers:
        raise RktioError(f"there is no program {name!r} of ours", hint=f"one of {list(makers)}")
    return makers[name]()


def is_ours(program: str) -> bool:
    """Say whether `built` makes `program`."""
    return program in ("await", "sendto", "ycsb", "speedtest1")


def host_suite() -> str:
    """Return the Debian release of images: the host's, so that what it compiles runs in them."""
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    name = values.get("VERSION_CODENAME", "").strip('"')
    return name if values.get("ID", "").strip('"') == "debian" and name else "bookworm"


def _compiled(name: str, folder: Path, libraries: tuple[str, ...]) -> Path:
    sources = sorted(folder.glob("*.[ch]"))
    gcc = require("gcc", "gcc libc6-dev")
    words = [*FLAGS, *libraries]
    version = run([gcc, "--version"]).stdout
    key = fingerprint([version, " ".join(words).encode(), *(s.read_bytes() for s in sources)])
    binary = cache_directory() / f"{name}-{key}"
    if not binary.exists():
        unfinished = binary.with_suffix(".tmp")
        files = [source for source in sources if source.suffix == ".c"]
        run([gcc, *FLAGS, "-o", unfinished, *files, *libraries])
        unfinished.rename(binary)
    return binary


def _speedtest_folder() -> Path:
    """Return a folder with speedtest1.c alone, out of Debian's source package sqlite3."""
    if not Path("/usr/include/sqlite3.h").exists():
        raise RktioError("sqlite3.h is not installed", hint="sudo apt-get install libsqlite3-dev")
    folder = cache_directory() / f"speedtest1-{host_suite()}"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "speedtest1.c").exists():
            _take_member(_source_archive("sqlite3", folder), folder / "speedtest1.c")
    return folder


def _source_archive(package: str, folder: Path) -> Path:
    """Download a source package of the host's release; `apt.*` stays inside `folder`."""
    apt = require("apt-get", "apt")
    (folder / "apt.lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "apt.cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    suites = [f"{host_suite()}{suffix}" for suffix in DEBIAN_COMPONENTS]
    listed = "".join(f"deb-src http://deb.debian.org/debian {suite} main\n" for suite in suites)
    (folder / "apt.list").write_text(listed)
    (folder / "apt.parts").mkdir(exist_ok=True)
    options = [
        *("-o", f"Dir::Etc::sourcelist={folder}/apt.list"),
        *("-o", f"Dir::Etc::sourceparts={folder}/apt.parts"),
        *("-o", f"Dir::State::lists={folder}/apt.lists"),
        *("-o", f"Dir::Cache={folder}/apt.cache"),
        *("-o", "APT::Sandbox::User=root"),
    ]
    run([apt, *options, "-qq", "update"])
    run([apt, *options, "-qq", "source", "--download-only", package], cwd=folder)
    archives = sorted(folder.glob(f"{package}_*.orig.tar.*"))
    if not archives:
        raise RktioError(f"Debian's source package {package} has no upstream archive")
    return archives[-1]


def _take_member(archive: Path, target: Path) -> None:
    with tarfile.open(archive) as opened:
        for member in opened:
            content = opened.extractfile(member) if member.isfile() else None
            if content is not None and member.name.endswith(SPEEDTEST_MEMBER):
                unfinished = target.with_suffix(".tmp")
                unfinished.write_bytes(content.read())
                unfinished.rename(target)
                return
    raise RktioError(f"{archive} has no {SPEEDTEST_MEMBER.lstrip('/')}")
