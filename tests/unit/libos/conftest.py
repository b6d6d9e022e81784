# SPDX-License-Identifier: Apache-2.0
"""The build programs of the library kernel, which are no package, as modules."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

LIBOS = Path(__file__).resolve().parents[3] / "enclave/libos"


def load(name: str) -> ModuleType:
    """Import one module of enclave/libos without leaving its short name behind."""
    sys.path.insert(0, str(LIBOS))
    known = {short: sys.modules.pop(short, None) for short in ("tree", "build")}
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(LIBOS))
        for short, module in known.items():
            sys.modules.pop(short, None)
            if module is not None:
                sys.modules[short] = module


@pytest.fixture(scope="session")
def tree() -> ModuleType:
    """enclave/libos/tree.py."""
    return load("tree")


@pytest.fixture(scope="session")
def build() -> ModuleType:
    """enclave/libos/build.py."""
    return load("build")
