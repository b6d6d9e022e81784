# SPDX-License-Identifier: Apache-2.0
"""Where the parts of rkt-io are on disk: in a checkout or in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from rktio.common.errors import RktioError

BINARY_NAME = "rkt-io-enclave"
BINARY_VARIABLE = "RKT_IO_ENCLAVE"

PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """Return the root of the checkout that this package runs from, if it does."""
    root = PACKAGE.parent
    return root if (root / "enclave" / "libos").is_dir() else None


def enclave_binary() -> Path:
    """Return the enclave's executable: $RKT_IO_ENCLAVE, the checkout's build, or the wheel's own.

    The variable is for tests of a copy, while a build replaces the checkout's own.
    """
    named = os.environ.get(BINARY_VARIABLE)
    if named:
        return _existing(Path(named), f"{BINARY_VARIABLE} names no file")
    root = checkout()
    built = (root / "build" if root else PACKAGE / "_enclave") / BINARY_NAME
    hint = f"make -C {root} build" if root else "install a wheel made by `python -m build`"
    return _existing(built, hint)


def _existing(binary: Path, hint: str) -> Path:
    if not binary.is_file():
        raise RktioError(f"{binary} does not exist: the enclave is not built", hint=hint)
    return binary
