# SPDX-License-Identifier: Apache-2.0
"""A scenario: one workload as data, read from bench/scenarios/NAME.toml.

`kind` is "program" (runs to its end and prints figures), "server" (serves a client on the host) or
"idle" (a server that is left alone).
Words in braces are filled from the case, from [full] or [quick], and with {server} or {peer},
the addresses of the two ends. A scenario with a network runs in one or more topologies; its name in
results is NAME, or NAME@pair where both ends are on the system under test.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from rktio.bench.sources import bench_directory
from rktio.common.errors import RktioError

BRACES = re.compile(r"\{([a-z_]+)\}")
ADDRESSES = {"server", "peer"}
TEXTS = ("title", "figure", "kind", "parser", "memory", "disk", "scratch", "ready")
LISTS = ("packages", "built", "command", "client", "client_packages", "before")
CHOICES = ("topologies", "systems")
NUMBERS = ("port", "sink_port")
MAPS = ("files", "filled", "case", "full", "quick")
KNOWN = (*TEXTS, *LISTS, *CHOICES, *NUMBERS, *MAPS, "network")
KINDS = ("program", "server", "idle")
REQUIRED = ("title", "kind", "packages", "command", "parser", "case")
# Words of a case that choose how the enclave is started instead of what runs in it.
SWITCHES = ("cpus", "poll", "net")


class Topology(StrEnum):
    """Who is at the other end of the network."""

    ALONE = "alone"  # there is no network
    HOST_CLIENT = "host-client"  # an ordinary process of the host
    PAIR = "pair"  # a program on the same system, on a core of its own
    REMOTE = "remote"  # an ordinary process of another machine


@dataclass(frozen=True)
class Case:
    """One variation of a scenario, with what its braces stand for."""

    name: str
    words: Mapping[str, str]

    def fill(self, command: tuple[str, ...], addresses: Mapping[str, str]) -> list[str]:
        """Return `command` with all braces filled. Raises RktioError for an unknown word."""
        known = {**self.words, **addresses}

        def value(match: re.Match[str]) -> str:
            if match[1] not in known:
                raise RktioError(f"case {self.name} has no value for {{{match[1]}}}")
            return known[match[1]]

        return [BRACES.sub(value, word) for word in command]


@dataclass(frozen=True)
class Scenario:
    """One workload; `cases` are already those of the chosen length (quick or full)."""

    name: str
    title: str
    kind: str
    packages: tuple[str, ...]
    command: tuple[str, ...]
    parser: str
    cases: tuple[Case, ...]
    figure: str = ""
    memory: str = "512M"
    disk: str = "2G"
    built: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    client_packages: tuple[str, ...] = ()  # the first one has the program
    port: int = 0
    sink_port: int = 0
    network: bool = False
    topology: Topology = Topology.HOST_CLIENT
    topologies: tuple[str, ...] = (Topology.HOST_CLIENT,)
    systems: tuple[str, ...] = ()  # those that it is about, where these are not the usual ones
    scratch: str = ""  # size of a second, empty disk of the library OS (/dev/vdb)
    ready: str = ""  # what a server prints when it may be connected to; else its port is tried
    files: Mapping[str, str] = field(default_factory=dict)
    filled: Mapping[str, int] = field(default_factory=dict)

    def parameters(self) -> dict[str, Any]:
        """Return all that decides what is measured, as JSON has it."""
        plain = {key: value for key, value in vars(self).items() if key != "cases"}
        plain["cases"] = {case.name: dict(case.words) for case in self.cases}
        loaded: dict[str, Any] = json.loads(json.dumps(plain))
        return loaded

    @property
    def programs_of_client(self) -> tuple[str, ...]:
        """The programs of ours that the client's end needs."""
        from rktio.bench.sources import is_ours

        words = (*self.client[:1], *self.before[:1])
        return ("await", *(name for name in dict.fromkeys(words) if is_ours(name)))

    def digest(self) -> str:
        """Return a short name of the parameters: samples of another digest don't mix."""
        text = json.dumps(self.parameters(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def names() -> list[str]:
    """Return the names of all scenarios, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def load(name: str, *, quick: bool) -> Scenario:
    """Return the scenario that results call `name`. Raises RktioError, also for an unknown one."""
    stem, at, _ = name.partition("@")
    found = variants(load_all(stem, quick=quick))
    for variant in found:
        if variant.name == name:
            return variant
    if len(found) == 1 and not at:
        return found[0]
    raise RktioError(
        f"there is no scenario {name!r}",
        hint=f"one of {', '.join(variant.name for variant in found)}",
    )


def load_all(stem: str, *, quick: bool) -> Scenario:
    """Return the scenario of a file, in no topology yet: see `variants`. Raises RktioError."""
    if stem not in names():
        from difflib import get_close_matches

        near = get_close_matches(stem, names(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(names())}"
        raise RktioError(f"there is no scenario {stem!r}", hint=hint)
    return read(_folder() / f"{stem}.toml", quick=quick)


def variants(scenario: Scenario) -> tuple[Scenario, ...]:
    """Return the scenario once for each of its topologies, under the names of results."""
    if not scenario.network:
        return (replace(scenario, topology=Topology.ALONE),)
    return tuple(
        replace(scenario, name=result_name(scenario.name, topology), topology=topology)
        for topology in map(Topology, scenario.topologies)
    )


def result_name(name: str, topology: str) -> str:
    """Return what results call a scenario in a topology."""
    return f"{name}@{topology}" if topology in (Topology.PAIR, Topology.REMOTE) else name


def with_remote_client(scenario: Scenario) -> Scenario | None:
    """Return a scenario as it is run against another machine, if it has a client."""
    if scenario.kind != "server" or Topology.HOST_CLIENT not in scenario.topologies:
        return None
    name = result_name(scenario.name.partition("@")[0], Topology.REMOTE)
    return replace(scenario, name=name, topology=Topology.REMOTE)


def read(path: Path, *, quick: bool) -> Scenario:
    """Read one file strictly. Raises RktioError naming file and key."""
    from rktio.common.toml import read_toml

    table = read_toml(path, KNOWN)
    values: dict[str, Any] = {}
    for key in TEXTS:
        values[key] = table.string(key)
    for key in (*LISTS, *CHOICES):
        words = table.strings(key)
        values[key] = None if words is None else tuple(words)
    for key in NUMBERS:
        values[key] = table.integer(key)
    values["network"] = table.boolean("network")
    values["files"] = table.string_map("files")
    filled = table.string_map("filled")
    values["filled"] = None if filled is None else {k: int(v) for k, v in filled.items()}
    length = _free_map(path, "quick" if quick else "full")
    values["cases"] = _cases(path, length)
    given = {key: value for key, value in values.items() if value is not None}
    for key in REQUIRED:
        if key not in table:
            raise RktioError(f"{path}: {key} is missing")
    return checked(path, Scenario(name=path.stem, **given))


def checked(path: Path, scenario: Scenario) -> Scenario:
    """Refuse what could only fail in the middle of a measurement. Raises RktioError."""
    from rktio.bench.parsers import PARSERS

    if scenario.kind not in KINDS:
        raise RktioError(f"{path}: kind must be one of {KINDS}, not {scenario.kind!r}")
    if scenario.kind == "server" and not (scenario.client and scenario.port):
        raise RktioError(f"{path}: a server needs client and port")
    if scenario.kind == "idle" and not scenario.port:
        raise RktioError(f"{path}: an idle server needs port")
    for topology in scenario.topologies:
        if topology not in (Topology.HOST_CLIENT, Topology.PAIR):
            raise RktioError(f"{path}: topologies are host-client and pair, not {topology!r}")
    if scenario.parser not in PARSERS:
        raise RktioError(f"{path}: parser must be one of {', '.join(PARSERS)}")
    addresses = dict.fromkeys(ADDRESSES, "")
    for case in scenario.cases:
        for command in (scenario.command, scenario.client, scenario.before):
            try:
                case.fill(command, addresses)
            except RktioError as error:
                raise RktioError(f"{path}: {error.message}") from error
    return replace(scenario, network=scenario.network or scenario.kind != "program")


def _cases(path: Path, length: Mapping[str, Any]) -> tuple[Case, ...]:
    chosen = length.get("cases")
    common = {key: str(value) for key, value in length.items() if key != "cases"}
    cases = []
    for entry in _raw(path).get("case", ()):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise RktioError(f"{path}: each case needs a name")
        words = {key: str(value) for key, value in entry.items() if key != "name"}
        cases.append(Case(entry["name"], {**common, **words}))
    known = [case.name for case in cases]
    for name in chosen or ():
        if name not in known:
            raise RktioError(f"{path}: there is no case {name!r}", hint=f"one of {known}")
    return tuple(case for case in cases if chosen is None or case.name in chosen)


def _free_map(path: Path, key: str) -> Mapping[str, Any]:
    value = _raw(path).get(key, {})
    if not isinstance(value, dict):
        raise RktioError(f"{path}: {key} must be a table")
    return value


def _raw(path: Path) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(path.read_text())


def _folder() -> Path:
    return bench_directory("scenarios")
