# SPDX-License-Identifier: Apache-2.0
"""rkt-io: unmodified Linux programs on a library OS, with fast I/O.

The public Python API. Names are imported on first use, so that `import rktio`
costs nothing and the command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rktio.cli.api import CompletedRun, Enclave
    from rktio.common.errors import RktioError
    from rktio.host.options import Disk, NetOptions, RunOptions, SealedOptions
    from rktio.image import Image

__all__ = [
    "CompletedRun",
    "Disk",
    "Enclave",
    "Image",
    "NetOptions",
    "RktioError",
    "RunOptions",
    "SealedOptions",
    "__version__",
]

_HOME = {
    "CompletedRun": "rktio.cli.api",
    "Disk": "rktio.host.options",
    "Enclave": "rktio.cli.api",
    "Image": "rktio.image",
    "NetOptions": "rktio.host.options",
    "RktioError": "rktio.common.errors",
    "RunOptions": "rktio.host.options",
    "SealedOptions": "rktio.host.options",
}


def __getattr__(name: str) -> object:
    """Import a public name from its home module on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'rktio' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
