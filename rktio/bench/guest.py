# SPDX-License-Identifier: Apache-2.0
"""The image of a scenario and the same files as a folder: both sides run the same bytes.

Made once per list of packages and files, and kept in ~/.cache/rkt-io/bench.
"""

from __future__ import annotations

import random
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from rktio.bench import sources
from rktio.bench.closure import DIRECTORIES, cache_directory, fingerprint
from rktio.bench.scenario import Scenario
from rktio.common.run import run

GUEST_VERSION = b"2"  # of what this module puts into a guest
STANZA_NAME = re.compile(r"^Package: (.*)$", re.MULTILINE)
STANZA_VERSION = re.compile(r"^Version: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Guest:
    """`image` is a template that nobody writes to; `tree` has its files for the native side."""

    image: Path
    tree: Path

    def versions(self, packages: tuple[str, ...]) -> dict[str, str]:
        """Return the versions of Debian packages in the guest."""
        found = {}
        for stanza in (self.tree / "var/lib/dpkg/status").read_text().split("\n\n"):
            name, version = STANZA_NAME.search(stanza), STANZA_VERSION.search(stanza)
            if name and version and name[1] in packages:
                found[name[1]] = version[1]
        return found


def guest_of(scenario: Scenario) -> Guest:
    """Return the guest of a scenario, made now if it is not cached. Raises RktioError."""
    binaries = {name: sources.built(name) for name in scenario.built}
    parts = [
        GUEST_VERSION,
        sources.host_suite().encode(),
        " ".join(sorted(scenario.packages)).encode(),
        scenario.disk.encode(),
        repr((sorted(scenario.files.items()), sorted(scenario.filled.items()))).encode(),
        *(name.encode() + binary.read_bytes() for name, binary in sorted(binaries.items())),
    ]
    stem = cache_directory() / f"guest-{scenario.packages[0]}-{fingerprint(parts)}"
    guest = Guest(stem.with_suffix(".img"), stem.with_suffix(".tree"))
    if not guest.image.exists():
        _create(guest.image, scenario, binaries)
    if not guest.tree.exists():
        _extract(guest)
    return guest


def client_scenario(scenario: Scenario) -> Scenario:
    """Return what the guest at the client's end is made of."""
    return replace(
        scenario,
        packages=scenario.client_packages or ("libc-bin",),
        built=scenario.programs_of_client,
        filled={},
        memory="512M",
        disk="2G",
    )


def _create(image: Path, scenario: Scenario, binaries: dict[str, Path]) -> None:
    from rktio.host.options import parse_size
    from rktio.image import Image

    with tempfile.TemporaryDirectory(dir=image.parent) as folder:
        skeleton = Path(folder)
        skeleton.chmod(0o755)  # becomes the image's root
        for name in DIRECTORIES:
            (skeleton / name).mkdir()
        (skeleton / "tmp").chmod(0o1777)
        for path, text in scenario.files.items():
            _place(skeleton, path, text.encode())
        for path, size in scenario.filled.items():
            _place(skeleton, path, random.Random(0).randbytes(size))  # noqa: S311 - not secret
        copies = [(binary, f"/usr/bin/{name}") for name, binary in binaries.items()]
        Image.create(
            image,
            tars=[_packages(scenario.packages)],
            directories=[skeleton],
            copies=copies,
            suite=sources.host_suite(),
            size_bytes=parse_size(scenario.disk),
        ).close()


def _packages(packages: tuple[str, ...]) -> Path:
    """Return an archive with `packages` installed; made once, so that other files are cheap."""
    from rktio.image.debian import DEFAULT_EPOCH, install

    suite = sources.host_suite()
    names = [suite.encode(), *(name.encode() for name in sorted(packages))]
    archive = cache_directory() / f"packages-{packages[0]}-{fingerprint(names)}.tar"
    if not archive.exists():
        unfinished = archive.with_suffix(".new")
        install(packages, unfinished, suite=suite, mirrors=(), epoch=DEFAULT_EPOCH)
        unfinished.rename(archive)
    return archive


def _place(skeleton: Path, path: str, content: bytes) -> None:
    target = skeleton / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _extract(guest: Guest) -> None:
    from rktio.image import Image

    unfinished = guest.tree.with_suffix(".new")
    run(["rm", "-rf", unfinished])
    with Image.open(guest.image) as image:
        image.extract("/", unfinished)
    unfinished.rename(guest.tree)
