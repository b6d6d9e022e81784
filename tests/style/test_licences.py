# SPDX-License-Identifier: Apache-2.0
"""Each file says its licence on the first line, and it is the right one for its place."""

from __future__ import annotations

import re

import pytest

from tests.style import sources

MARK = re.compile(r"SPDX-License-Identifier: ([\w.-]+)")

# The first pattern that a path matches decides.
LICENCES = (
    (r"enclave/libos/overlay/", "GPL-2.0-only"),
    (r"enclave/.*\.(py|build|version)$", "Apache-2.0"),
    (r"enclave/libos/(patches|config)/", "GPL-2.0-only"),
    (r"enclave/libc/", "MIT"),
    (r"enclave/keys/", "Apache-2.0"),  # as OpenSSL, which GPL-2.0-only can't be linked with
    (r"(enclave|abi|host)/", "GPL-2.0-only"),
    (r"", "Apache-2.0"),
)

# Texts that can't carry the line: licences, an empty marker, explanations and plain tables.
WITHOUT = re.compile(
    r"LICENSE$|LICENSES/|.*/py\.typed$|.*\.patch$|enclave/libos/patches/README$"
    r"|.*/testdata/|enclave/libc/musl\.version$|enclave/libos/entry\.syms$"
)


def expected(name: str) -> str:
    """Return the licence that a path must have."""
    return next(licence for pattern, licence in LICENCES if re.match(pattern, name))


def found(name: str) -> str | None:
    """Return the licence on line one, or on line two after a '#!'."""
    lines = sources.text(name).splitlines()[:2]
    if not lines:
        return None
    line = lines[1] if lines[0].startswith(("#!", "\\#!")) and len(lines) > 1 else lines[0]
    match = MARK.search(line)
    return match[1] if match else None


def test_every_file_carries_the_licence_of_its_place() -> None:
    sources.report(
        [
            f"{name}: says {found(name)} on its first line, should be {expected(name)}"
            for name in sources.files()
            if not WITHOUT.match(name) and found(name) != expected(name)
        ]
    )


def test_each_licence_has_its_text() -> None:
    for licence in {licence for _, licence in LICENCES}:
        assert (sources.CHECKOUT / "LICENSES" / f"{licence}.txt").is_file(), licence


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("enclave/libos/overlay/arch/libos/kernel/setup.c", "GPL-2.0-only"),
        ("enclave/runtime/hostcall.c", "GPL-2.0-only"),
        ("enclave/keys/session.c", "Apache-2.0"),
        ("enclave/libc/overlay/src/internal/libos.h", "MIT"),
        ("enclave/libos/build.py", "Apache-2.0"),
        ("rktio/cli/run.py", "Apache-2.0"),
    ],
)
def test_the_table_of_licences_means_what_it_says(name: str, licence: str) -> None:
    assert expected(name) == licence
