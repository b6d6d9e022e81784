# SPDX-License-Identifier: Apache-2.0
"""Installs Debian packages into a tar archive with mmdebstrap: the files of an image.

Maintainer scripts run, so there are users, alternatives and ld.so.cache as on any Debian
machine. Needs no root where user namespaces are allowed. Downloads are kept.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.progress import Progress
from rktio.common.run import popen, require
from rktio.image.tree import Tree

DEFAULT_SUITE = "bookworm"  # fixed, so that the host's release does not change the image
DEFAULT_EPOCH = 1735689600  # 2025-01-01; SOURCE_DATE_EPOCH overrides it
PACKAGE_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?([=/][A-Za-z0-9.+:~/-]+)?")
SUITE_NAME = re.compile(r"[a-z][a-z0-9.-]*(/[a-z0-9.-]+)?")
ERROR_LINES_SHOWN = 4
MIN_MEMORY_BYTES = 3 << 30
# As in Debian's own slim container images: no manuals and translations; licences stay.
# Taken out afterwards: dpkg's path-exclude makes mmdebstrap unpack by a slow filter (+12 s).
DOCUMENTATION = tuple(
    b"usr/share/" + name + b"/"
    for name in (b"doc", b"groff", b"info", b"lintian", b"locale", b"man")
)
KEPT_DOCUMENTATION = re.compile(rb"usr/share/(doc/[^/]+(/copyright)?|locale/locale\.alias)")
# What the installation leaves behind and no program needs; locks, backups and logs.
LEFTOVERS = (
    "var/cache/apt/archives/lock",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/passwords.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/apt/lists/lock",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/status-old",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/systemd/random-seed",
    "var/log/bootstrap.log",
    "etc/.pwd.lock",
)
STAGES = (
    "running apt-get update",
    "downloading packages",
    "extracting archives",
    "installing essential packages",
    "installing remaining packages",
    "cleaning package lists",
    "creating tarball",
)


def check_packages(packages: Sequence[str], suite: str) -> None:
    """Refuse what apt would take for an option or a pattern. Raises RktioError."""
    for package in packages:
        if not PACKAGE_NAME.fullmatch(package):
            raise RktioError(
                f"--debian: {package!r} is not a package name",
                hint="separate packages by commas: --debian redis-server,nginx-light",
            )
    if not SUITE_NAME.fullmatch(suite):
        raise RktioError(f"--suite: {suite!r} is not a release of Debian", hint="e.g. bookworm")


def install(
    packages: Sequence[str], target: Path, *, suite: str, mirrors: Sequence[str], epoch: int
) -> None:
    """Install `packages` and what they need into the tar archive `target`."""
    check_packages(packages, suite)
    mmdebstrap = require("mmdebstrap", "mmdebstrap")
    with _cache() as cache:
        command = _command(mmdebstrap, mode(), packages, suite, mirrors, cache)
        with target.open("wb") as output:
            _run(command, output.fileno(), packages, epoch, cache / "mmdebstrap.log", suite)


def trim(tree: Tree) -> None:
    """Take out what programs don't need: documentation, locks, backups, logs."""
    for path in list(tree.nodes):
        if path.startswith(DOCUMENTATION) and not KEPT_DOCUMENTATION.fullmatch(path):
            del tree.nodes[path]
    for name in LEFTOVERS:
        tree.nodes.pop(name.encode(), None)


def _command(
    mmdebstrap: Path,
    chroot_mode: str,
    packages: Sequence[str],
    suite: str,
    mirrors: Sequence[str],
    cache: Path,
) -> list[str]:
    archives = shlex.quote(str(cache / "archives"))
    lists = shlex.quote(str(cache / "lists"))
    return [
        str(mmdebstrap),
        f"--mode={chroot_mode}",
        "--variant=essential",
        "--architectures=amd64",
        "--format=tar",
        f"--include={','.join(packages)}",
        "--dpkgopt=force-unsafe-io",  # nothing here must survive a power failure
        '--customize-hook=sed -i /force-unsafe-io/d "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap',
        '--aptopt=Acquire::Languages "none"',
        "--skip=essential/unlink",  # keep the downloads until the hook has copied them
        '--setup-hook=mkdir -p "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists',
        f"--setup-hook=sync-in {archives} /var/cache/apt/archives",
        f"--setup-hook=sync-in {lists} /var/lib/apt/lists",
        f"--customize-hook=sync-out /var/cache/apt/archives {archives}",
        f"--customize-hook=sync-out /var/lib/apt/lists {lists}",
        # sync-in brought along the owner and mode of the cache's directories.
        '--customize-hook=chown 0:0 "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists',
        '--customize-hook=chmod 755 "$1"/var/cache/apt/archives "$1"/var/lib/apt/lists',
        # mmdebstrap copies these two from the host; the library OS sets both at launch.
        '--customize-hook=echo localhost > "$1"/etc/hostname; chmod 644 "$1"/etc/hostname',
        '--customize-hook=: > "$1"/etc/resolv.conf; chmod 644 "$1"/etc/resolv.conf',
        '--customize-hook=printf "127.0.0.1 localhost\\n::1 localhost\\n" > "$1"/etc/hosts',
        suite,
        "-",
        *mirrors,
    ]


def _run(
    command: list[str],
    output: int,
    packages: Sequence[str],
    epoch: int,
    log_file: Path,
    suite: str,
) -> None:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "LC_ALL": "C.UTF-8"}
    environment.setdefault("TMPDIR", _work_directory())
    environment["PATH"] = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    label = f"installing {', '.join(packages)}"
    process = popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, env=environment
    )
    log: list[str] = []
    try:
        with Progress(label, len(STAGES), "steps") as progress:
            assert process.stderr is not None
            for raw in process.stderr:
                line = raw.decode(errors="replace").strip()
                log.append(line)
                if any(stage in line for stage in STAGES):
                    progress.note(line.removeprefix("I: ").rstrip("."))
                    progress.advance(1)
            if process.wait():
                log_file.write_text(f"{shlex.join(command)}\n" + "\n".join(log) + "\n")
                raise failure(log, suite, log_file)
    except BaseException:
        _stop(process)
        raise


def _work_directory() -> str:
    """Return where to unpack: memory, where there is plenty, halves the time."""
    shared = Path("/dev/shm")  # noqa: S108 - mmdebstrap makes its own directory in it
    try:
        status = os.statvfs(shared)
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return tempfile.gettempdir()
    available = next(int(line.split()[1]) << 10 for line in lines if "MemAvailable" in line)
    room = min(status.f_bavail * status.f_frsize, available // 2)
    if status.f_flag & os.ST_NOEXEC or room < MIN_MEMORY_BYTES:
        return tempfile.gettempdir()
    return str(shared)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End mmdebstrap by the signal on which it unmounts and cleans up."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def failure(log: list[str], suite: str, log_file: Path) -> RktioError:
    """Return what mmdebstrap's messages mean to the user."""
    for line in log:
        unknown = re.search(r"Unable to locate package (\S+)", line)
        if unknown:
            return RktioError(
                f"Debian {suite} has no package {unknown[1]}",
                hint=f"https://packages.debian.org/search?suite={suite}&keywords={unknown[1]}",
            )
        if re.search(r"Could not resolve|Could not connect|Temporary failure resolving", line):
            return RktioError(
                f"cannot download from Debian: {line.lstrip('EWI: ')}",
                hint="check the network; apt's proxy settings of this host are used",
            )
        if "does not have a Release file" in line:
            return RktioError(
                f"the mirror has no release {suite!r} of Debian",
                hint="--suite bookworm, for example",
            )
        if "No space left on device" in line:
            return RktioError(
                "the disk is full while installing packages", hint="set TMPDIR to a larger disk"
            )
    errors = [line for line in log if line.startswith("E: ")] or log
    told = ", ".join(line.removeprefix("E: ") for line in errors[-ERROR_LINES_SHOWN:])
    return RktioError(f"mmdebstrap failed: {told}", hint=f"all its messages: {log_file}")


def mode() -> str:
    """Return mmdebstrap's mode: root's own, or a user namespace with subordinate ids."""
    if os.geteuid() == 0:
        return "root"
    require("newuidmap", "uidmap")
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        user = str(os.geteuid())
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        lines = path.read_text().splitlines() if path.exists() else []
        if not any(line.split(":")[0] in (user, str(os.geteuid())) for line in lines):
            raise RktioError(
                f"user {user} has no subordinate ids in {path}, which installing needs",
                hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}",
            )
    if _forbids_namespaces():
        raise RktioError(
            "this host does not let users make user namespaces",
            hint="sudo sysctl kernel.unprivileged_userns_clone=1, or run this as root",
        )
    return "unshare"


def _forbids_namespaces() -> bool:
    """Tell whether Debian's or the kernel's switch is off."""
    for name in ("kernel/unprivileged_userns_clone", "user/max_user_namespaces"):
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() == "0":
            return True
    return False


@contextmanager
def _cache() -> Iterator[Path]:
    """Yield the directory of apt's downloads, one user at a time."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    cache = Path(base) / "rkt-io" / "apt"
    try:
        for name in ("archives", "lists"):
            (cache / name).mkdir(parents=True, exist_ok=True)
        lock = os.open(cache / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise RktioError(f"cannot write to {cache}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache
    finally:
        os.close(lock)
