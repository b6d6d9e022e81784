# SPDX-License-Identifier: Apache-2.0
"""Puts the built enclave into the wheel, so that its users compile nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "build/rkt-io-enclave"
PACKAGED = "rktio/_enclave/rkt-io-enclave"
SOURCES = "bench"  # scenarios, goals, and the C programs of the benchmarks
PACKAGED_SOURCES = "rktio/bench/_sources"
WHEEL_TAG = "py3-none-linux_x86_64"  # any Python 3; the enclave is a static executable


class EnclaveBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Includes build/rkt-io-enclave. The sdist has it too: `python -m build` starts from that."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the executable to what this build packs."""
        if version == "editable":
            return
        binary = Path(self.root) / BUILT
        if not binary.is_file():
            raise SystemExit(
                f"rkt-io: {BUILT} does not exist; run `make build` before `python -m build`"
            )
        if self.target_name == "sdist":
            build_data["force_include"][str(binary)] = BUILT
            return
        build_data["force_include"][str(Path(self.root) / SOURCES)] = PACKAGED_SOURCES
        build_data["force_include"][str(binary)] = PACKAGED
        build_data["pure_python"] = False
        build_data["tag"] = WHEEL_TAG
