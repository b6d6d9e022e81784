# SPDX-License-Identifier: Apache-2.0
"""Guests are made once per packages and files, and both sides get the same bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import rktio.image.debian
from rktio.bench import guest
from rktio.bench.scenario import Scenario
from rktio.image import Image
from tests.unit.bench.result_sets import scenario

FILES = {"/srv/nginx.conf": "daemon off;\n"}


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Keep what would be installed; an archive with a list of packages takes its place."""
    import tarfile

    asked: list[tuple[str, ...]] = []
    status = tmp_path / "status"
    status.write_text("Package: nginx-light\nVersion: 1.22\n")

    def install(packages: tuple[str, ...], target: Path, **_: object) -> None:
        asked.append(packages)
        with tarfile.open(target, "w") as archive:
            archive.add(status, "var/lib/dpkg/status")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(rktio.image.debian, "install", install)
    return asked


def served(**changes: object) -> Scenario:
    base = dataclasses.replace(scenario(), files=FILES, filled={"/srv/1k": 1024}, disk="64M")
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def test_image_and_tree_hold_the_same(installed: list[tuple[str, ...]]) -> None:
    found = guest.guest_of(served())

    with Image.open(found.image) as image:
        inside = b"".join(image.chunks("/srv/1k"))
    assert inside == (found.tree / "srv/1k").read_bytes()
    assert len(inside) == 1024
    assert (found.tree / "srv/nginx.conf").read_text() == "daemon off;\n"
    assert found.versions(("nginx-light",)) == {"nginx-light": "1.22"}


def test_guest_is_made_once(installed: list[tuple[str, ...]]) -> None:
    first, second = guest.guest_of(served()), guest.guest_of(served())

    assert first == second
    assert installed == [("nginx-light",)]


def test_other_files_install_nothing_anew(installed: list[tuple[str, ...]]) -> None:
    first = guest.guest_of(served())
    second = guest.guest_of(served(files={"/srv/nginx.conf": "daemon on;\n"}))

    assert first.image != second.image
    assert installed == [("nginx-light",)]
