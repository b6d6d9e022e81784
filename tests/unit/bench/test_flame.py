# SPDX-License-Identifier: Apache-2.0
"""Samples become layers, modules and functions; names come from the guest's own files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from rktio.bench import flame, icicle
from rktio.bench.elfsymbols import Resolver, symbols
from rktio.common.run import run

SOURCE = "int counted(int n) { return n * 3; }\nint last(int n) { return counted(n) + 1; }\n"
KERNEL = (0x70002000, 0x704F0000)
SCRIPT = """
 ffffffff8123 finish_task_switch.isra.0 ([kernel.kallsyms])
        70003000 tcp_sendmsg (/somewhere/rkt-io-enclave)
        70700000 __memmove_avx512 (/somewhere/rkt-io-enclave)
    7f0000001010 [unknown] (/rkt-io-ram (deleted))
    7f0000009999 [unknown] ([unknown])
"""


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """A tree with one library, reached by a link that is absolute in the guest."""
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "source.c").write_text(SOURCE)
    library = tmp_path / "usr/lib/libcounted.so.1.2"
    run(["gcc", "-shared", "-fPIC", "-nostdlib", "-o", library, tmp_path / "source.c"])
    (tmp_path / "usr/lib/libcounted.so.1").symlink_to("/usr/lib/libcounted.so.1.2")
    return tmp_path


def start_of_function(guest: Path, name: str) -> int:
    lines = run(["nm", "-D", guest / "usr/lib/libcounted.so.1.2"]).stdout.decode().splitlines()
    return next(int(line.split()[0], 16) for line in lines if line.endswith(f" {name}"))


def maps(path: str) -> str:
    return f"7f0000000000-7f0000008000 r-xp 00000000 fe:00 12       {path}\n"


def test_function_is_named_by_where_its_file_is_mapped(guest: Path) -> None:
    found = Resolver(maps("/usr/lib/libcounted.so.1"), guest)

    address = 0x7F0000000000 + start_of_function(guest, "last") + 2
    assert found.name(address) == ("libcounted.so.1", "last")
    assert found.name(0x7F0000007FFF) == ("libcounted.so.1", "[libcounted.so.1]")
    assert found.name(0x7E0000000000) is None


def test_file_that_is_no_program_has_no_functions(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")

    assert symbols(tmp_path / "text").names == ()


def test_samples_are_sorted_into_layers(guest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flame, "enclave_binary", lambda: Path("/x/rkt-io-enclave"))

    found = flame.stacks(SCRIPT, Resolver(maps("/usr/lib/none.so"), guest), KERNEL)

    assert dict(found) == {
        ("host kernel", "linux", "finish_task_switch.isra.0"): 1,
        ("library kernel", "linux", "tcp_sendmsg"): 1,
        ("runtime", "rkt-io-enclave", "__memmove_avx512"): 1,
        ("application", "none.so", "[none.so]"): 1,
        ("application", "[no file]", "[no symbol]"): 1,
    }


def test_graph_has_a_box_for_each_frame_as_wide_as_its_share() -> None:
    counts: dict[tuple[str, ...], int] = {
        ("application", "a.so", "f<int>"): 3,
        ("host kernel", "linux", "g"): 1,
    }

    picture = ElementTree.fromstring(icicle.drawn(counts, "a title"))

    boxes = {
        box[0].text: float(box[1].get("width", "0"))
        for box in picture.findall("{http://www.w3.org/2000/svg}g")
    }
    assert boxes["all samples: 4 samples, 100.0 %"] == icicle.WIDTH
    assert boxes["f<int>: 3 samples, 75.0 %"] == 0.75 * icicle.WIDTH
    assert boxes["g: 1 samples, 25.0 %"] == 0.25 * icicle.WIDTH
    assert icicle.unfolded(icicle.folded(counts)) == counts


def test_graphs_of_a_result_set_are_found_by_scenario(tmp_path: Path) -> None:
    (tmp_path / "flames").mkdir()
    for name in ("nginx@pair--1KiB--direct", "nginx@pair--1KiB--native", "sqlite--size100--direct"):
        (tmp_path / "flames" / f"{name}.svg").write_text(f"<svg>{name}</svg>")

    found = flame.pictures(tmp_path)

    assert sorted(found) == ["nginx@pair", "sqlite"]
    assert found["nginx@pair"].count("<svg>") == 2
