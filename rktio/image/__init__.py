# SPDX-License-Identifier: Apache-2.0
"""Disk images: made, checked and read without root, mount or a running library OS.

Names are imported on first use: the launcher needs only `probe` and `inspect_program`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rktio.image.image import FileInfo, Image
    from rktio.image.inspection import ImageInfo, probe
    from rktio.image.program import ProgramInfo, ProgramKind, inspect_program

__all__ = [
    "FileInfo",
    "Image",
    "ImageInfo",
    "ProgramInfo",
    "ProgramKind",
    "inspect_program",
    "probe",
]

_HOME = {
    "FileInfo": "rktio.image.image",
    "Image": "rktio.image.image",
    "ImageInfo": "rktio.image.inspection",
    "ProgramInfo": "rktio.image.program",
    "ProgramKind": "rktio.image.program",
    "inspect_program": "rktio.image.program",
    # Not in a module of its own name: that would shadow the function.
    "probe": "rktio.image.inspection",
}


def __getattr__(name: str) -> object:
    """Import a public name from its home module on first use (PEP 562)."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'rktio.image' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
