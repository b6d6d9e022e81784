# SPDX-License-Identifier: Apache-2.0
"""Where the parts of rkt-io are on disk: in a checkout or in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from rktio.common.errors import RktioError

BINARY_NAME = "rkt-io-enclave"

PACKAGE = Path(__file__).resolve().parent.parent


def checkout() -> Path | None:
    """Return the root of the checkout that this package runs from, if it does."""
    root = PACKAGE.parent
    return root if (root / "enclave" / "libos").is_dir() else None


def enclave_binary() -> Path:
    """Return the enclave's executable: the checkout's build, else the wheel's own."""
    root = checkout()
    built = (root / "build" if root else PACKAGE / "_enclave") / BINARY_NAME
    if not built.is_file():
        raise RktioError(
            f"{built} does not exist: the enclave is not built",
            hint=f"make -C {root} build" if root else "install a wheel made by `python -m build`",
        )
    return built
