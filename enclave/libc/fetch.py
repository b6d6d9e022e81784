# SPDX-License-Identifier: Apache-2.0
"""Musl's source: the original tarball of Debian's source package, checked.

The machine's own apt configuration names the archive; where that has no
deb-src entries, they are derived from its binary ones, for this once.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class FetchError(Exception):
    """No release of musl that this build knows could be had."""


@dataclass(frozen=True)
class Release:
    """One release of musl, by the sha256 of its original tarball."""

    version: str
    sha256: str

    @property
    def tarball(self) -> str:
        return f"musl_{self.version}.orig.tar.gz"


def read_releases(path: Path) -> list[Release]:
    lines = [line.split("#")[0].split() for line in path.read_text().splitlines()]
    return [Release(*line) for line in lines if line]


def identify(tarball: Path, releases: list[Release]) -> Release:
    """The release that `tarball` is, by its checksum."""
    try:
        digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    except OSError as error:
        raise FetchError(f"{tarball}: {error.strerror}; name a tarball of musl") from error
    for release in releases:
        if release.sha256 == digest:
            return release
    known = ", ".join(release.version for release in releases)
    raise FetchError(
        f"{tarball}: sha256 {digest} is of no release in musl.version ({known}); "
        "download it again, or use Debian's source package musl"
    )


def fetch(releases: list[Release], downloads: Path) -> tuple[Path, Release]:
    """The preferred release, from `downloads` or through apt."""
    for release in releases:
        cached = downloads / release.tarball
        if cached.exists() and identify(cached, releases) == release:
            return cached, release
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as scratch:
        tarball = _apt_source(releases, Path(scratch))
        release = identify(tarball, releases)
        return tarball.rename(downloads / release.tarball), release


def _apt_source(releases: list[Release], scratch: Path) -> Path:
    apt = _Apt(scratch)
    print("musl: reading the index of Debian's source packages", flush=True)
    apt.run("apt-get", "--quiet", "update")
    offered = re.findall(r"^Version: (.+)$", apt.run("apt-cache", "showsrc", "musl"), re.M)
    for release in releases:
        for version in offered:
            if version.rsplit("-", 1)[0] == release.version:
                print(f"musl: downloading the source package, version {version}", flush=True)
                apt.run("apt-get", "--quiet", "--download-only", "source", f"musl={version}")
                return scratch / release.tarball
    known = ", ".join(release.version for release in releases)
    raise FetchError(
        f"apt offers musl {', '.join(offered) or 'in no version'}, this build knows {known}; "
        "name a tarball with --tarball FILE"
    )


class _Apt:
    """apt with an index of its own, so that no root and no clean-up is needed."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        (scratch / "lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        sources = scratch / "source.list"
        sources.write_text("".join(sorted(_source_entries())))
        self.config = scratch / "apt.conf"
        self.config.write_text(
            f'Dir::Etc::sourcelist "{sources}";\n'
            'Dir::Etc::sourceparts "-";\n'
            f'Dir::State::lists "{scratch}/lists";\n'
            f'Dir::Cache "{scratch}/cache";\n'
            f'APT::Sandbox::User "{"root" if os.getuid() == 0 else ""}";\n'
            'Acquire::Languages "none";\n'
        )

    def run(self, *command: str) -> str:
        env = os.environ | {"APT_CONFIG": str(self.config), "LC_ALL": "C"}
        done = subprocess.run(command, cwd=self.scratch, env=env, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-3:]
            raise FetchError(
                f"`{' '.join(command)}` failed: {' / '.join(last)}; "
                "check the network and apt's sources, or name a tarball with --tarball FILE"
            )
        return done.stdout


def _source_entries() -> set[str]:
    """deb-src lines for every Debian archive that apt has binary packages from."""
    if not shutil.which("apt-get"):
        raise FetchError("no apt on this machine; name a tarball of musl with --tarball FILE")
    fields = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(SIGNED_BY)\t$(ORIGIN)"
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    entries = set()
    for line in listing.splitlines():
        uri, release, component, signed_by, origin = line.split("\t")
        if component == "main" and origin in ("", "Debian"):
            if signed_by.startswith("$"):  # apt before 2.9 doesn't tell
                signed_by = str(KEYRING) if KEYRING.exists() else ""
            options = f" [signed-by={signed_by}]" if signed_by else ""
            entries.add(f"deb-src{options} {uri} {release} {component}\n")
    return entries
