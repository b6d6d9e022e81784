# SPDX-License-Identifier: Apache-2.0
"""Musl's source: the original tarball of Debian's source package, checked.

The machine's own apt configuration names the archive; its deb-src entries are derived from the
binary ones, for this once.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rktio.common.errors import RktioError
from rktio.common.run import require, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
NAME_ONE = "name a tarball: --tarball FILE"


@dataclass(frozen=True)
class Release:
    """One release of musl, by the sha256 of its original tarball."""

    version: str
    sha256: str

    @property
    def tarball(self) -> str:
        """Return the file's name in Debian's archive."""
        return f"musl_{self.version}.orig.tar.gz"


def read_releases(path: Path) -> list[Release]:
    """Read musl.version; raises RktioError naming the line that is wrong."""
    releases = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and len(words) != 2:
            raise RktioError(f"{path}:{number}: cannot understand {line!r}")
        if words:
            releases.append(Release(*words))
    return releases


def identify(tarball: Path, releases: Sequence[Release]) -> Release:
    """Return the release that `tarball` is, by its checksum."""
    if not tarball.is_file():
        raise RktioError(f"{tarball} does not exist", hint="--tarball takes a tarball of musl")
    digest = hashlib.sha256(tarball.read_bytes()).hexdigest()
    for release in releases:
        if release.sha256 == digest:
            return release
    raise RktioError(
        f"{tarball} has the checksum {digest}, which musl.version does not list",
        hint=f"known: musl {_versions(releases)}; download it again",
    )


def obtain(releases: Sequence[Release], downloads: Path) -> tuple[Path, Release]:
    """Return (tarball, release): the preferred one, from `downloads` or through apt."""
    for release in releases:
        cached = downloads / release.tarball
        if cached.is_file() and identify(cached, releases) == release:
            return cached, release
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as scratch:
        tarball = _download(releases, Path(scratch))
        release = identify(tarball, releases)
        return tarball.replace(downloads / release.tarball), release


def _versions(releases: Sequence[Release]) -> str:
    return ", ".join(release.version for release in releases)


def _download(releases: Sequence[Release], scratch: Path) -> Path:
    apt = _Apt(scratch)
    print("reading the index of Debian's source packages", flush=True)
    apt.run("apt-get", "--quiet", "update")
    offered = re.findall(r"^Version: (.+)$", apt.run("apt-cache", "showsrc", "musl"), re.M)
    for release in releases:
        for version in offered:
            if version.rpartition("-")[0] == release.version:
                print(f"downloading the source package of musl {version}", flush=True)
                apt.run("apt-get", "--quiet", "--download-only", "source", f"musl={version}")
                return scratch / release.tarball
    raise RktioError(
        f"apt offers musl {', '.join(offered) or 'in no version'}, "
        f"the patches are for {_versions(releases)}",
        hint=NAME_ONE,
    )


class _Apt:
    """apt with an index of its own: it needs no root, and nothing of the machine's changes."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        (scratch / "lists/partial").mkdir(parents=True)
        (scratch / "cache/archives/partial").mkdir(parents=True)
        sources = scratch / "sources.list"
        sources.write_text("".join(_source_entries()))
        self.config = scratch / "apt.conf"
        self.config.write_text(
            f'Dir::Etc::sourcelist "{sources}";\n'
            'Dir::Etc::sourceparts "-";\n'
            f'Dir::State::lists "{scratch}/lists";\n'
            f'Dir::Cache "{scratch}/cache";\n'
            'APT::Sandbox::User "";\n'  # it cannot write into a folder of ours
            'Acquire::Languages "none";\n'
        )

    def run(self, *command: str) -> str:
        """Run a program of apt's in the scratch folder; return what it says."""
        env = os.environ | {"APT_CONFIG": str(self.config), "LC_ALL": "C"}
        try:
            return run(command, cwd=self.scratch, env=env).stdout.decode()
        except RktioError as error:
            hint = f"check the network and apt's sources; or {NAME_ONE}"
            raise RktioError(error.message, hint=hint) from error


def _source_entries() -> list[str]:
    """Return a deb-src line for each Debian archive that apt has binary packages from."""
    fields = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(SIGNED_BY)\t$(ORIGIN)"
    apt = require("apt-get", "apt")
    listing = run([apt, "indextargets", "--format", fields, "Created-By: Packages"]).stdout
    entries = set()
    for line in listing.decode().splitlines():
        uri, release, component, signed_by, origin = line.split("\t")
        if component != "main" or origin not in ("", "$(ORIGIN)", "Debian"):
            continue
        if signed_by.startswith("$"):  # apt before 2.9 doesn't tell
            signed_by = str(KEYRING) if KEYRING.exists() else ""
        options = f" [signed-by={signed_by}]" if signed_by else ""
        entries.add(f"deb-src{options} {uri} {release} {component}\n")
    return sorted(entries)
