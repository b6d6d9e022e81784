# SPDX-License-Identifier: Apache-2.0
"""Compiled checks of what the library kernel promises to C, in every kind of executable."""

from __future__ import annotations

import pytest

from tests.functional.programs.conftest import SOURCES, VARIANTS, Guest

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap", "gcc")

PROGRAMS = sorted(source.stem for source in SOURCES.glob("*.c"))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_case_holds(checks: Guest, program: str, variant: str) -> None:
    done = checks.run(f"/mnt/{variant}/{program}", timeout=120)
    failed = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    assert done.returncode == 0 and not failed, "\n".join([*failed, done.stderr])
    assert done.stdout.count("\n") > 5
