# SPDX-License-Identifier: Apache-2.0
"""Who may import whom in rktio/, and who may start a process."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.style import sources

# cli → {owner, host, image, bench} → common; bench makes images and launches enclaves.
MAY_IMPORT: dict[str, set[str]] = {
    "common": set(),
    "owner": {"common"},
    "host": {"common"},
    "image": {"common"},
    "bench": {"common", "host", "image"},
    "cli": {"common", "owner", "host", "image", "bench"},
}

STARTERS = {"rktio/common/run.py"}
EXEC = {"rktio/host/launch.py"}  # os.execve: the launcher becomes the enclave
STARTING_MODULES = {"multiprocessing", "pty", "_posixsubprocess", "ctypes"}
STARTING_CALLS = {
    "os": ("exec", "fork", "spawn", "posix_spawn", "popen", "system"),
    "subprocess": ("run", "Popen", "call", "check_", "get"),  # its types and PIPE are free
}


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of each import, at any depth; `from a import b` yields a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def layer(module: str) -> str | None:
    """Return 'host' for rktio.host.launch; None outside rktio's layers."""
    parts = module.split(".")
    return parts[1] if parts[0] == "rktio" and len(parts) > 1 and parts[1] in MAY_IMPORT else None


def breaches_of_layering(name: str, source: str) -> list[str]:
    """Return a line for each import that goes up or sideways."""
    own = layer(name.removesuffix(".py").replace("/", "."))
    if own is None:
        return []
    found = []
    for line, module in imports(ast.parse(source)):
        other = layer(module)
        if other and other != own and other not in MAY_IMPORT[own]:
            found.append(f"{name}:{line}: {own} must not import {module}")
    return found


def starts(module: str, call: str) -> bool:
    """Say whether a function of a module starts a process."""
    return call.startswith(STARTING_CALLS.get(module, ()))


def breaches_of_starting(name: str, source: str) -> list[str]:
    """Return a line for each way to start a process outside common/run.py."""
    if name in STARTERS:
        return []
    tree = ast.parse(source)
    found = [
        f"{name}:{line}: imports {module}; only common/run.py starts processes"
        for line, module in imports(tree)
        if module in STARTING_MODULES or starts(*module.rpartition(".")[::2])
    ]
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if not isinstance(node.func.value, ast.Name):
            continue
        module, call = node.func.value.id, node.func.attr
        if starts(module, call) and not (name in EXEC and call == "execve"):
            found.append(f"{name}:{node.lineno}: {module}.{call}; only common/run.py may")
    return found


def test_layers_only_look_down() -> None:
    names = sources.under("rktio/", suffixes=(".py",))
    sources.report([line for n in names for line in breaches_of_layering(n, sources.text(n))])


def test_only_one_module_starts_processes() -> None:
    names = sources.under("rktio/", suffixes=(".py",))
    sources.report([line for n in names for line in breaches_of_starting(n, sources.text(n))])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("rktio/host/tap.py", "from rktio.owner import keys"),
        ("rktio/owner/keys.py", "import rktio.host.tap"),
        ("rktio/common/run.py", "def f():\n    from rktio.cli import main"),
        ("rktio/image/tree.py", "from rktio import host"),
    ],
)
def test_an_import_that_goes_up_or_sideways_is_found(name: str, source: str) -> None:
    assert breaches_of_layering(name, source)


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess\nsubprocess.run(['ls'])",
        "from subprocess import Popen",
        "import os\nos.fork()",
        "os.execvp('a')",
    ],
)
def test_a_hidden_process_is_found(source: str) -> None:
    assert breaches_of_starting("rktio/host/tap.py", source)


def test_the_launcher_may_become_the_enclave() -> None:
    assert not breaches_of_starting("rktio/host/launch.py", "import os\nos.execve(a, b, c)")


def test_the_types_of_subprocess_are_free() -> None:
    assert not breaches_of_starting("rktio/host/tap.py", "a: subprocess.Popen = f(subprocess.PIPE)")
