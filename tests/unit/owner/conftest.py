# SPDX-License-Identifier: Apache-2.0
"""These tests need what the extra `keys` brings."""

from __future__ import annotations

import importlib.util

MODULES = ("cryptography", "dcap_qvl", "fastapi", "httpx", "hypothesis", "sqlalchemy", "uvicorn")

if any(importlib.util.find_spec(name) is None for name in MODULES):
    collect_ignore_glob = ["test_*.py"]
else:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.unit.owner.brokering import Bench, make_bench

    @pytest.fixture
    def bench(tmp_path: Path) -> Iterator[Bench]:
        """Return a broker with one secret, one reference value and one grant."""
        made = make_bench(tmp_path / "keys")
        yield made
        made.http.close()
        made.store.close()
