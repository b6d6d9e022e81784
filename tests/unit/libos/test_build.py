# SPDX-License-Identifier: Apache-2.0
"""The build of the library kernel: what its cache depends on, and what a failure shows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rktio.common.errors import RktioError


@pytest.fixture
def plan(build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A build of an invented overlay; nothing of it is compiled."""
    here = tmp_path / "libos"
    (here / "overlay/arch").mkdir(parents=True)
    (here / "overlay/arch/a.c").write_text("int a;")
    (here / "patches").mkdir()
    for name in ("build.py", "tree.py", "entry.syms"):
        (here / name).write_text(name)
    monkeypatch.setattr(build, "HERE", here)
    version = build.kernel_tree.LinuxVersion("6.12", "p", {}, frozenset(), 1763164800, 10)
    return build.Build(
        version=version,
        tarball=tmp_path / "linux.tar.xz",
        tarball_sha256="00",
        config={"CONFIG_NET": "y"},
        compiler="gcc 12",
        jobs=1,
        incremental=False,
        cache=tmp_path / "cache",
        out=tmp_path / "out",
    )


def test_the_same_inputs_have_the_same_hash(plan: Any) -> None:
    elsewhere = dataclasses.replace(plan, jobs=8, out=Path("/elsewhere"), cache=Path("/c"))
    assert elsewhere.inputs_hash() == plan.inputs_hash()


@pytest.mark.parametrize(
    "change",
    [
        {"tarball_sha256": "11"},
        {"config": {"CONFIG_NET": "n"}},
        {"compiler": "gcc 14"},
        {"incremental": True},
    ],
)
def test_another_input_has_another_hash(plan: Any, change: dict[str, Any]) -> None:
    assert dataclasses.replace(plan, **change).inputs_hash() != plan.inputs_hash()


@pytest.mark.parametrize("name", ["overlay/arch/b.c", "entry.syms", "patches/0001-a-b.patch"])
def test_another_file_has_another_hash(plan: Any, build: ModuleType, name: str) -> None:
    before = plan.inputs_hash()
    (build.HERE / name).write_text("changed")
    assert plan.inputs_hash() != before


def test_nothing_of_the_user_reaches_the_kernels_build(
    plan: Any, build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setenv("MAKEFLAGS", "-k")
    first = build.Make(plan).environment()
    monkeypatch.setenv("USER", "somebody")
    assert build.Make(plan).environment() == first
    assert not {"CFLAGS", "MAKEFLAGS", "USER"} & first.keys()


def test_a_failure_shows_the_compilers_errors(build: ModuleType) -> None:
    said = ["  CC      a.o", "a.c:1:1: error: expected ';'", "  CC b.o", "make: *** [a.o] Error 1"]
    assert build.reasons(said) == ["a.c:1:1: error: expected ';'"]


def test_a_failure_without_errors_shows_what_led_to_the_stop(build: ModuleType) -> None:
    said = ["1", "2", "can't open Kconfig", "make: *** [config] Error 1", "make: Leaving"]
    assert build.reasons(said) == ["2", "can't open Kconfig", "make: *** [config] Error 1"]


def test_the_time_left_is_told(build: ModuleType) -> None:
    assert build.timing(65, 50, 100) == "elapsed 1:05, 1:05 left"
    assert build.timing(65, 120, 100) == "elapsed 1:05"
    assert build.timing(65, 50, None) == "elapsed 1:05"


def test_an_entry_that_the_kernel_lacks_is_named(build: ModuleType, tmp_path: Path) -> None:
    source, whole, keep = (tmp_path / name for name in ("a.c", "a.o", "entry.syms"))
    source.write_text("int libos_start(void) { return 0; }")
    build.run(["gcc", "-c", source, "-o", whole])
    keep.write_text("# the entry API\nlibos_start\n")
    build.check_entry_symbols(whole, keep)
    keep.write_text("libos_start\nlibos_stop\n")
    with pytest.raises(RktioError, match="libos_stop"):
        build.check_entry_symbols(whole, keep)


def test_old_builds_are_forgotten_and_trees_stay(build: ModuleType, tmp_path: Path) -> None:
    for number in range(build.CACHED_BUILDS_KEPT + 2):
        (tmp_path / f"libos-{number}").mkdir()
    (tmp_path / "linux-1").mkdir()
    build.prune(tmp_path)
    assert len(list(tmp_path.glob("libos-*"))) == build.CACHED_BUILDS_KEPT
    assert (tmp_path / "linux-1").is_dir()
