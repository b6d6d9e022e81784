# SPDX-License-Identifier: Apache-2.0
"""The kernel tree in the cache: Linux's tarball, our patches, our overlay, our configuration.

A tree belongs to one tarball and one set of patches. The overlay is laid over it again at each
build: a file that did not change keeps its time stamp, so that make rebuilds only what it must.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import run

HERE = Path(__file__).resolve().parent
OVERLAY_LIST = ".rkt-io-overlay"  # what the overlay put into the tree, one path a line
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LinuxVersion:
    """linux.version: which tarballs are known, and the constants of a reproducible build."""

    series: str
    package: str
    sources: Mapping[str, str]  # Debian package version -> sha256 of its tarball
    tarballs: frozenset[str]  # sha256 of further tarballs
    epoch: int
    objects: int

    @classmethod
    def read(cls, path: Path) -> LinuxVersion:
        """Read `path`; raises RktioError naming the line that is wrong."""
        single = {"series": "", "package": "", "epoch": "", "objects": ""}
        sources: dict[str, str] = {}
        tarballs: set[str] = set()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            key, equals, value = line.partition("=")
            if not line or line.startswith("#"):
                continue
            if key == "source" and len(value.split()) == 2:
                version, digest = value.split()
                sources[version] = digest
            elif key == "tarball":
                tarballs.add(value)
            elif key in single and equals:
                single[key] = value
            else:
                raise RktioError(f"{path}:{number}: cannot understand {line!r}")
        return cls(
            series=single["series"],
            package=single["package"],
            sources=sources,
            tarballs=frozenset(tarballs),
            epoch=int(single["epoch"]),
            objects=int(single["objects"]),
        )

    @property
    def known(self) -> frozenset[str]:
        """Every sha256 that may be built without the user vouching for it."""
        return frozenset(self.sources.values()) | self.tarballs


def sha256(path: Path) -> str:
    """Return the sha256 of a file as hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def find_tarball(
    version: LinuxVersion, cache: Path, named: Path | None, vouched: str | None
) -> tuple[Path, str]:
    """Return (tarball, sha256): the one the user named, else Debian's, downloaded if need be."""
    if named is not None:
        return _named_tarball(version, named, vouched)
    file_name = f"{version.package}.tar.xz"
    for candidate in (Path("/usr/src") / file_name, cache / file_name):
        if candidate.is_file() and (digest := sha256(candidate)) in version.known:
            return candidate, digest
    return _downloaded_tarball(version, cache / file_name)


def _named_tarball(version: LinuxVersion, path: Path, vouched: str | None) -> tuple[Path, str]:
    if not path.is_file():
        raise RktioError(f"{path} does not exist", hint="--tarball takes a linux-6.12.y tarball")
    digest = sha256(path)
    if digest == vouched or (vouched is None and digest in version.known):
        return path, digest
    expected = f"has sha256 {digest}, not {vouched}" if vouched else "has an unknown checksum"
    raise RktioError(f"{path} {expected}", hint=f"if you trust this file, pass --sha256 {digest}")


def _downloaded_tarball(version: LinuxVersion, target: Path) -> tuple[Path, str]:
    """Fetch Debian's package without root, and take only the tarball out of it."""
    scratch = target.parent / f"download-{os.getpid()}"
    scratch.mkdir(parents=True)
    try:
        release = _apt_download(version, scratch)
        (package,) = scratch.glob("*.deb")
        run(["dpkg-deb", "-x", package, scratch / "unpacked"])
        got = scratch / "unpacked/usr/src" / target.name
        if (digest := sha256(got)) != version.sources[release]:
            raise RktioError(f"{package.name} holds a tarball with an unknown checksum")
        got.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return target, digest


def _apt_download(version: LinuxVersion, folder: Path) -> str:
    """Download the first known revision that apt can find, and return which."""
    for release in version.sources:
        package = f"{version.package}={release}"
        # apt's own sandbox user cannot write into a folder of ours.
        command = ["apt-get", "-o", "APT::Sandbox::User=", "download", package]
        if run(command, cwd=folder, check=False).returncode == 0:
            print(f"downloaded {package}", flush=True)
            return release
    raise RktioError(
        f"apt-get can download none of {version.package} {', '.join(version.sources)}",
        hint="run `apt-get update`; or give a kernel.org linux-6.12.y tarball: --tarball FILE",
    )


def unpack(tarball: Path, tree: Path, patches: Iterable[Path]) -> None:
    """Make `tree` from the tarball and the patches; it appears complete or not at all."""
    part = tree.with_name(f"{tree.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    print(f"unpacking {tarball}", flush=True)
    run(["tar", "-xf", tarball, "-C", part, "--strip-components=1", "--no-same-owner"])
    for patch in sorted(patches):
        run(["patch", "-p1", "--forward", "--fuzz=0", "-i", patch.resolve()], cwd=part)
    part.rename(tree)


def check_series(tree: Path, series: str) -> None:
    """Refuse a tree of another Linux series than the overlay was written for."""
    lines = (tree / "Makefile").read_text().splitlines()[:5]
    fields = dict(line.split(" = ", 1) for line in lines if " = " in line)
    found = f"{fields.get('VERSION')}.{fields.get('PATCHLEVEL')}"
    if found != series:
        raise RktioError(f"the tarball holds Linux {found}, the overlay is for {series}")


def overlay_files(overlay: Path) -> list[str]:
    """Return the overlay's files as sorted paths relative to Linux's root."""
    return sorted(str(p.relative_to(overlay)) for p in overlay.rglob("*") if p.is_file())


def lay_overlay(overlay: Path, tree: Path) -> None:
    """Make the overlay's files in the tree what they are in the checkout, and remove lost ones."""
    listing = tree / OVERLAY_LIST
    before = set(listing.read_text().splitlines()) if listing.exists() else set()
    now = overlay_files(overlay)
    for name in now:
        target = tree / name
        if name not in before and target.exists():
            raise RktioError(
                f"{overlay / name} would replace a file of Linux itself",
                hint="the overlay only adds files; put the change into patches/",
            )
    # The list goes first: after an interruption it names too much rather than too little.
    listing.write_text("".join(f"{name}\n" for name in sorted(before | set(now))))
    for name in now:
        _copy_if_changed(overlay / name, tree / name)
    for name in before - set(now):
        (tree / name).unlink(missing_ok=True)
    listing.write_text("".join(f"{name}\n" for name in now))


def _copy_if_changed(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    # Replaced, never rewritten: cached headers are hard links to the old file.
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.chmod(0o755 if os.access(source, os.X_OK) else 0o644)
    part.replace(target)


def read_fragment(text: str, name: str) -> dict[str, str]:
    """Return {symbol: value} of a Kconfig fragment; 'n' where it says 'is not set'."""
    wanted: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("# CONFIG_") and line.endswith(" is not set"):
            wanted[line.split()[1]] = "n"
        elif line.startswith("CONFIG_") and "=" in line:
            symbol, value = line.split("=", 1)
            wanted[symbol] = value
        elif line and not line.startswith("#"):
            raise RktioError(f"{name}:{number}: not a line of a Kconfig fragment: {line!r}")
    return wanted


def render_fragment(wanted: Mapping[str, str]) -> str:
    """Return the fragment that KCONFIG_ALLCONFIG reads."""
    return "".join(
        f"# {symbol} is not set\n" if value == "n" else f"{symbol}={value}\n"
        for symbol, value in wanted.items()
    )


def check_config(wanted: Mapping[str, str], got_text: str) -> None:
    """Raise RktioError naming every symbol that Kconfig silently decided otherwise."""
    got = read_fragment(got_text, ".config")
    lost = [
        f"{symbol}={value} (got {got.get(symbol, 'n')})"
        for symbol, value in wanted.items()
        if got.get(symbol, "n") != value
    ]
    if lost:
        raise RktioError(
            f"the kernel configuration did not take: {', '.join(lost)}",
            hint="a dependency is missing, or another symbol selects it: mend config/*.config",
        )
