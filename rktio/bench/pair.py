# SPDX-License-Identifier: Apache-2.0
"""The pair topology: client and server both on the system under test, one core each.

direct: two enclaves back to back over vhost-user. native: two network namespaces over a veth pair.
The client's end runs the unmodified client from an image of its own; `await` in front of it tells
when the server answers, so that no figure has the start of a machine in it.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface

from rktio.bench import cputime, parsers, placement, systems
from rktio.bench.guest import client_scenario, guest_of
from rktio.bench.parsers import Figures
from rktio.bench.scenario import Case, Scenario
from rktio.bench.systems import SYSCTL, Station, System
from rktio.bench.veth import linked_namespaces
from rktio.common.errors import RktioError

SERVER, CLIENT = IPv4Interface("10.231.3.1/24"), IPv4Interface("10.231.3.2/24")
ADDRESSES = {"server": str(SERVER.ip), "peer": str(CLIENT.ip)}
READY = b"await: ready\n"
SERVED_KINDS = ("server",)


@dataclass(frozen=True)
class Ends:
    """The two ends of one wire; `first` has to be started before the other."""

    first: Station
    second: Station


def run_once(station: Station, system: System) -> dict[str, Figures]:
    """Run every case of the scenario once; figures by case. Raises RktioError."""
    cases = systems.cases_on(station.scenario, system)
    found: dict[str, Figures] = {}
    if station.scenario.kind in SERVED_KINDS:
        for alike in systems.switched_alike(cases):
            found |= _served(station.switched(alike[0]), system, alike)
        return found
    return {case.name: _program(station.switched(case), system, case) for case in cases}


def cores_of_client(server: Sequence[int]) -> tuple[int, ...]:
    """Return as many cores as the server has, from those that it leaves."""
    others = placement.client_cores(server)
    if len(others) < len(server):
        raise RktioError(
            f"a pair of {len(server)} cores a side needs {2 * len(server)}",
            hint=f"--cpus {len(others)} at most",
        )
    return others[-len(server) :]


def _served(station: Station, system: System, cases: Sequence[Case]) -> dict[str, Figures]:
    scenario = station.scenario
    command = cases[0].fill(scenario.command, ADDRESSES)
    found = {}
    with (
        _wired(station, _client_station(station), system) as ends,
        systems.serving(ends.first, system, command) as server,
    ):
        if scenario.before:
            _client(ends.second, system, cases[0], scenario.before)
        for case in cases:
            with station.observed(server.pid):
                found[case.name] = _load(ends.second, system, case, server)
    return found


def _program(station: Station, system: System, case: Case) -> Figures:
    """Run a program that talks to the other end, where `sendto sink` holds a port."""
    port = str(station.scenario.sink_port)
    sink = ["/usr/bin/await", ADDRESSES["peer"], "0", "/usr/bin/sendto", "sink", port]
    scenario = replace(client_scenario(station.scenario), built=("await", "sendto"))
    peer = replace(_client_station(station), scenario=scenario, guest=guest_of(scenario))
    with (
        _wired(peer, station, system, addresses=(CLIENT, SERVER)) as ends,
        systems.started_on(ends.first, system, sink, output=subprocess.PIPE) as process,
    ):
        _await_ready(process, f"{system}: the other end")
        return systems.program(ends.second, system, case, ADDRESSES)


def _load(end: Station, system: System, case: Case, server: subprocess.Popen[bytes]) -> Figures:
    """Run the client once; CPU time of both ends is taken from where it began to work."""
    command = [*_awaiting(end.scenario), *case.fill(end.scenario.client, ADDRESSES)]
    before = cputime.children_seconds()
    with systems.started_on(end, system, command, output=subprocess.PIPE) as process:
        _await_ready(process, f"{system}: the client", server)
        starting, busy = cputime.tree_seconds(process.pid), cputime.tree_seconds(server.pid)
        started = time.monotonic()
        output = systems.outcome(process, systems.deadline(case), f"client {command[3]}")
        wall = time.monotonic() - started
        busy = cputime.tree_seconds(server.pid) - busy
    client = cputime.children_seconds() - before - starting
    figures = parsers.parse(end.scenario.parser, output)
    return (
        {"client_cpu": (client / wall, "cores")} | figures | systems.cpu_figure(figures, busy, wall)
    )


def _client(end: Station, system: System, case: Case, words: tuple[str, ...]) -> None:
    command = [*_awaiting(end.scenario), *case.fill(words, ADDRESSES)]
    with systems.started_on(end, system, command, output=subprocess.PIPE) as process:
        systems.outcome(process, systems.deadline(case), f"client {command[3]}")


def _awaiting(scenario: Scenario) -> list[str]:
    port = 0 if scenario.ready else scenario.port
    return ["/usr/bin/await", ADDRESSES["server"], str(port)]


def _await_ready(
    process: subprocess.Popen[bytes], what: str, server: subprocess.Popen[bytes] | None = None
) -> None:
    """Read up to the line of `await`, whose own deadline ends the reading."""
    assert process.stdout is not None
    if process.stdout.readline() == READY:
        return
    if server is not None and server.poll() is not None:
        raise RktioError(f"{what}: its server ended ({server.returncode})")
    _, errors = process.communicate()
    told = (errors or b"").decode(errors="replace").strip().splitlines()[-2:]
    raise RktioError(f"{what} did not start: {' / '.join(told)}")


def _client_station(station: Station) -> Station:
    scenario = client_scenario(station.scenario)
    return Station(
        scenario,
        guest_of(scenario),
        station.folder / "client",
        station.cpus,
        cores=cores_of_client(station.server_cores),
        poll=station.poll,
        net_words=station.net_words,
        read_only=True,
        world_switch_cycles=station.world_switch_cycles,
    )


@contextmanager
def _wired(
    first: Station,
    second: Station,
    system: System,
    addresses: tuple[IPv4Interface, IPv4Interface] = (SERVER, CLIENT),
) -> Iterator[Ends]:
    """Give both stations their end of one wire; the first one's listens."""
    if system is System.LIBOS_HOST:
        raise RktioError(
            "libos-host has threads of the host for a tap, and a pair has none",
            hint="--topology host-client",
        )
    if system is not System.DIRECT:
        cores = (first.server_cores, second.server_cores)
        with linked_namespaces(cores, addresses, SYSCTL) as (one, other):
            yield Ends(replace(first, namespace=one), replace(second, namespace=other))
        return
    with tempfile.TemporaryDirectory(prefix="rkt-io-") as folder:  # sockets' paths are short
        socket = f"{folder}/wire"
        yield Ends(
            replace(first, wire=f"vhost:{socket},server", address=addresses[0]),
            replace(second, wire=f"virtio-user:{socket}", address=addresses[1]),
        )
