# SPDX-License-Identifier: Apache-2.0
"""These tests need what the extra `keys` brings."""

from __future__ import annotations

import importlib.util

MODULES = ("cryptography", "dcap_qvl", "fastapi", "httpx", "hypothesis", "sqlalchemy", "uvicorn")

if any(importlib.util.find_spec(name) is None for name in MODULES):
    collect_ignore_glob = ["test_*.py"]
