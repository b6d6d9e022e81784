# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from rktio.common.errors import RktioError
from rktio.host import machine


def test_more_memory_than_there_is_names_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_available_bytes", lambda: 1 << 30)
    machine.check_memory(960 << 20)
    with pytest.raises(RktioError, match="1024 MiB asked for, 960 MiB available") as caught:
        machine.check_memory(1 << 30)
    assert caught.value.hint == "--memory 960M or less"


def test_a_full_machine_gets_no_useless_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory_available_bytes", lambda: 10 << 20)
    with pytest.raises(RktioError) as caught:
        machine.check_memory(1 << 30)
    assert caught.value.hint == "free some first"


def test_an_old_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "has_fsgsbase", lambda: True)
    monkeypatch.setattr(machine, "kernel_version", lambda: (5, 10))
    with pytest.raises(RktioError, match="Syscall User Dispatch"):
        machine.check_processor()


def test_a_processor_without_fsgsbase_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "auxiliary_vector", lambda: {machine.AT_HWCAP2: 0})
    with pytest.raises(RktioError, match="FSGSBASE"):
        machine.check_processor()


def test_facts_of_this_machine_are_readable() -> None:
    assert machine.memory_available_bytes() > 0
    assert machine.kernel_version() > (3, 0)
    assert machine.auxiliary_vector()
    assert "fpu" in machine.cpu_flags()
