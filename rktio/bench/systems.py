# SPDX-License-Identifier: Apache-2.0
"""The systems that a scenario runs on, and one run of it on one of them.

native: the host's kernel, in a chroot of the guest's files and a network namespace behind veth.
native-aa: the same once more; its ratio to native is the noise of the machine.
native-busypoll: native with the host's sockets polling the device (net.core.busy_poll).
direct: the library OS over its tap, its disk an image on the file system of the native files.
sync, switchless, libos-host: the baselines of rktio.bench.baselines.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Interface
from itertools import groupby
from pathlib import Path
from typing import IO, cast

from rktio.bench import baselines, cputime, parsers, placement
from rktio.bench.closure import scratch_copy
from rktio.bench.guest import Guest, client_scenario, guest_of
from rktio.bench.parsers import Figures
from rktio.bench.remote import Remote
from rktio.bench.remote import cpu_seconds as remote_cpu_seconds
from rktio.bench.scenario import SWITCHES, Case, Scenario, Topology
from rktio.bench.sources import built, is_ours
from rktio.bench.veth import server_behind_veth
from rktio.common.errors import RktioError
from rktio.common.run import popen, require

DIRECT_ADDRESS = IPv4Interface("10.231.1.1/24")
NATIVE_ADDRESS = IPv4Interface("10.231.2.1/24")
READY_SECONDS = 60.0
RETRY_SECONDS = 0.02
SETTLE_SECONDS = 1.0  # from the first answer to the end of what a start leaves to do
SLACK_SECONDS = 240.0  # a run that takes so much longer than planned hangs
STDERR_LINES_SHOWN = 4
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
}
# What is compared is the systems, not their defaults: published buffer sizes, and Reno, the one
# congestion control that every kernel has and permits in a new namespace.
SYSCTL = {
    "net.core.somaxconn": "1024",
    "net.ipv4.tcp_congestion_control": "reno",
    "net.ipv4.tcp_rmem": "4096 87380 56623104",
    "net.ipv4.tcp_wmem": "4096 65536 56623104",
}
# Of the host, not of a namespace: microseconds that a socket polls before it sleeps.
BUSY_POLL = {"net/core/busy_poll": "50", "net/core/busy_read": "50"}
# $1: the guest's files, $2: the folder for /bench; the mounts end with the program.
CHROOT = (
    'set -e; t=$1; b=$2; shift 2; mount --bind "$t" "$t"; mount --rbind /dev "$t/dev"; '
    'mount -t proc proc "$t/proc"; mount --rbind /sys "$t/sys"; mount -t tmpfs tmpfs "$t/run"; '
    'mount --bind "$b" "$t/bench"; exec chroot "$t" "$@"'
)


class System(StrEnum):
    """What a scenario can run on today."""

    NATIVE = "native"
    DIRECT = "direct"
    NATIVE_AA = "native-aa"
    NATIVE_BUSYPOLL = "native-busypoll"
    SYNC = "sync"
    SWITCHLESS = "switchless"
    LIBOS_HOST = "libos-host"


LIBRARY_OS = (System.DIRECT, System.LIBOS_HOST)


Observer = Callable[[int], AbstractContextManager[None]]
# An observed program prints where its files are mapped: also in an enclave, whose own
# /proc/PID/maps it is. Some time after the start, when it has loaded what it needs.
TELLING_MAPS = (
    '(for d in 0.3 0.7 1 2; do sleep $d; cat /proc/$$/maps; done) >&2 2>/dev/null & exec "$@"'
)


@dataclass
class Station:
    """What one scenario's runs share: its guest, cores and a folder for their files."""

    scenario: Scenario
    guest: Guest
    folder: Path
    cpus: int = 1
    cores: tuple[int, ...] = ()  # instead of the last ones
    namespace: int | None = None  # a process whose network native programs share
    wire: str = "tap"  # of the library OS, as --net has it
    address: IPv4Interface = DIRECT_ADDRESS  # of the library OS
    net_words: str = ""  # what of its network is switched off
    poll: str = "adaptive"
    read_only: bool = False  # the guest's own files serve, and nothing is written to them
    remote: Remote | None = None  # where clients run, instead of here
    observer: Observer | None = None  # given the process of the system under test
    errors: IO[bytes] | None = None  # where an observed program tells its mappings
    world_switch_cycles: int | None = None  # of the baselines; None: the default
    _copies: dict[str, Path] = field(default_factory=dict)

    @property
    def server_cores(self) -> tuple[int, ...]:
        """The cores of the system under test."""
        return self.cores or placement.server_cores(self.cpus)

    def image(self) -> Path:
        """Return the library OS's writable copy of the image; kept between its runs."""
        if self.read_only:
            return self.guest.image
        if "image" not in self._copies:
            self._copies["image"] = scratch_copy(self.guest.image, self.folder)
        return self._copies["image"]

    def bench_folder(self, system: System) -> Path:
        """Return what a native system has at /bench; kept between its runs."""
        folder = self.folder / system
        folder.mkdir(exist_ok=True, parents=True)
        return folder

    def scratch_disks(self) -> tuple[Path, ...]:
        """Return a new sparse file, where the scenario wants a second disk."""
        if not self.scenario.scratch:
            return ()
        from rktio.host.options import parse_size

        path = self.folder / "scratch.img"
        path.unlink(missing_ok=True)
        path.touch()
        os.truncate(path, parse_size(self.scenario.scratch))
        return (path,)

    def observed(self, pid: int) -> AbstractContextManager[None]:
        """Observe a process for as long as it does what is measured."""
        return self.observer(pid) if self.observer else nullcontext()

    def switched(self, case: Case) -> Station:
        """Return the station with what the words of a case say about the enclave."""
        words = case.words
        return replace(
            self,
            cpus=int(words.get("cpus", self.cpus)),
            poll=words.get("poll", self.poll),
            net_words=words.get("net", self.net_words),
        )


def run_once(station: Station, system: System) -> dict[str, Figures]:
    """Run every case of the scenario once; figures by case. Raises RktioError."""
    with ExitStack() as stack:
        if system is System.NATIVE_BUSYPOLL:
            stack.enter_context(_settings(BUSY_POLL))
        if station.scenario.topology is Topology.PAIR:
            from rktio.bench import pair

            return pair.run_once(station, system)
        if station.remote:
            networks = (str(DIRECT_ADDRESS.network), str(NATIVE_ADDRESS.network))
            stack.enter_context(station.remote.routed(networks))
        if station.scenario.sink_port:
            stack.enter_context(_sink(station.scenario.sink_port))
        if station.scenario.kind == "program":
            cases = cases_on(station.scenario, system)
            return {c.name: program(station.switched(c), system, c) for c in cases}
        return _served(station, system)


def cases_on(scenario: Scenario, system: System) -> list[Case]:
    """Return the cases that a system can tell apart: polling is the library OS's own."""
    own = (set(SWITCHES) - {"cpus"}) if system is not System.DIRECT else set()
    return [case for case in scenario.cases if not own & set(case.words)]


def program(
    station: Station, system: System, case: Case, addresses: Mapping[str, str] | None = None
) -> Figures:
    """Run a program to its end and return what it printed as figures."""
    command = case.fill(station.scenario.command, addresses or _addresses(system))
    before, started = cputime.children_seconds(), time.monotonic()
    with (
        started_on(station, system, command, output=subprocess.PIPE) as process,
        station.observed(process.pid),
    ):
        output = outcome(process, deadline(case), system)
    cpu = cputime.children_seconds() - before
    figures = parsers.parse(station.scenario.parser, output)
    return figures | cpu_figure(figures, cpu, time.monotonic() - started)


def _served(station: Station, system: System) -> dict[str, Figures]:
    """Serve all cases that need no other enclave than the last one, and begin again for others."""
    found: dict[str, Figures] = {}
    for cases in switched_alike(cases_on(station.scenario, system)):
        found |= _served_cases(station.switched(cases[0]), system, cases)
    return found


def switched_alike(cases: Sequence[Case]) -> list[list[Case]]:
    """Return the cases in groups that one start of the server can serve."""

    def switches(case: Case) -> list[str | None]:
        return [case.words.get(name) for name in SWITCHES]

    return [list(group) for _, group in groupby(cases, key=switches)]


def _served_cases(station: Station, system: System, cases: Sequence[Case]) -> dict[str, Figures]:
    scenario, addresses = station.scenario, _addresses(system)
    command = cases[0].fill(scenario.command, addresses)
    found = {}
    with serving(station, system, command) as process:
        if not scenario.ready:
            _await_port(addresses["server"], scenario.port, process, system)
        if scenario.before:
            _client(station, cases[0], scenario.before, addresses)
        for case in cases:
            if scenario.kind == "idle":
                found[case.name] = _left_alone(process.pid, float(case.words["seconds"]))
            else:
                found[case.name] = _load(station, case, process.pid, addresses)
    return found


@contextmanager
def serving(
    station: Station, system: System, command: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a server; one that tells when it is ready is waited for.

    To connect to it is no such question: iperf3 takes that for a test, and refuses the next.
    """
    ready = station.scenario.ready.encode()
    station.folder.mkdir(exist_ok=True)
    with (
        (station.folder / "server.log").open("w+b") as log,
        started_on(station, system, command, output=log.fileno()) as process,
    ):
        end = time.monotonic() + READY_SECONDS
        while ready not in (told := Path(log.name).read_bytes()):
            if process.poll() is not None or time.monotonic() > end:
                last = b" / ".join(told.strip().splitlines()[-STDERR_LINES_SHOWN:])
                raise RktioError(f"{system}: no server: {last.decode(errors='replace')}")
            time.sleep(RETRY_SECONDS)
        yield process


def _left_alone(pid: int, seconds: float) -> Figures:
    """Return memory, and CPU time while nothing is asked of the server."""
    time.sleep(SETTLE_SECONDS)
    before, started = cputime.tree_seconds(pid), time.monotonic()
    time.sleep(seconds)
    used = cputime.tree_seconds(pid) - before
    return {
        "memory": (cputime.tree_memory_bytes(pid) / (1 << 20), "MiB"),
        # In steps of a tick (10 ms); half of one stands for none, as ratios are taken.
        "idle_cpu": (max(used, 0.005) / (time.monotonic() - started) * 100, "%"),
    }


def _load(station: Station, case: Case, pid: int, addresses: Mapping[str, str]) -> Figures:
    """Run the client once; CPU time of both ends is taken over the same time."""
    server = cputime.tree_seconds(pid)
    started = time.monotonic()
    with station.observed(pid):
        output, client = _client(station, case, station.scenario.client, addresses)
    wall = time.monotonic() - started
    server = cputime.tree_seconds(pid) - server
    figures = parsers.parse(station.scenario.parser, output)
    return {"client_cpu": (client / wall, "cores")} | figures | cpu_figure(figures, server, wall)


def _client(
    station: Station, case: Case, command: tuple[str, ...], addresses: Mapping[str, str]
) -> tuple[str, float]:
    """Run a client on the cores that the server has not; its output, and its CPU time."""
    program, *words = case.fill(command, addresses)
    if station.remote:
        return _remote_client(station, station.remote, [program, *words], deadline(case))
    path = (
        built(program)
        if is_ours(program)
        else require(program, (*station.scenario.client_packages, program)[0])
    )
    cores = placement.client_cores(station.server_cores)
    before = cputime.children_seconds()
    process = popen(
        placement.placed([path, *words], cores),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    output = outcome(process, deadline(case), f"client {program}")
    return output, cputime.children_seconds() - before


def _remote_client(
    station: Station, remote: Remote, command: Sequence[str], seconds: float
) -> tuple[str, float]:
    folder = remote.push(guest_of(client_scenario(station.scenario)))
    process = remote.client(folder, CHROOT, command, ENVIRONMENT, seconds)
    output, errors = process.communicate()
    told = errors.decode(errors="replace")
    if process.returncode:
        last = " / ".join(told.strip().splitlines()[-STDERR_LINES_SHOWN:])
        raise RktioError(f"client {command[0]} on {remote.target}: {process.returncode}: {last}")
    return output.decode(errors="replace"), remote_cpu_seconds(told)


def cpu_figure(figures: Figures, cpu_seconds: float, wall_seconds: float) -> Figures:
    """Return CPU time per operation, or in all where there is no throughput."""
    if "throughput" not in figures:
        return {"cpu": (max(cpu_seconds, 1e-9), "s")}
    rate, unit = figures["throughput"]
    return {"cpu": (max(cpu_seconds / wall_seconds / rate * 1e6, 1e-9), f"us/{unit[:-2]}")}


@contextmanager
def started_on(
    station: Station, system: System, command: Sequence[str], *, output: int
) -> Iterator[subprocess.Popen[bytes]]:
    if station.observer:
        command = ["/bin/sh", "-c", TELLING_MAPS, "sh", *command]
    start = _start_direct if system in LIBRARY_OS else _start_native
    with start(station, system, command, output) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                placement.stop(process)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


@contextmanager
def _start_native(
    station: Station, system: System, command: Sequence[str], output: int
) -> Iterator[subprocess.Popen[bytes]]:
    unshare, nsenter = require("unshare", "util-linux"), require("nsenter", "util-linux")
    tree, folder = station.guest.tree, station.bench_folder(system)
    words: list[str | Path] = [
        *(unshare, "--mount", "/bin/sh", "-c", CHROOT, "sh", tree, folder),
        *command,
    ]
    fds: tuple[int, ...] = ()
    with ExitStack() as stack:
        mark = f"{station.folder}/{time.monotonic_ns()}"
        stack.callback(placement.kill_marked, mark)  # daemons that it left
        env = {**ENVIRONMENT, placement.MARK: mark}
        holder = station.namespace
        if system in baselines.ON_HOST_KERNEL:
            image, cycles = station.guest.image, station.world_switch_cycles
            words, fds = stack.enter_context(
                baselines.on_host_kernel(system, image, (tree, folder), command, env, cycles)
            )
        if station.scenario.network and holder is None:
            holder = stack.enter_context(
                server_behind_veth(
                    ["sleep", "infinity"], station.server_cores, NATIVE_ADDRESS, SYSCTL
                )
            )
        if holder is not None:
            words = [nsenter, "-t", str(holder), "-n", *words]
        yield popen(
            placement.placed(words, station.server_cores),
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=_errors(station, output),
            env=env,
        )


@contextmanager
def _start_direct(
    station: Station, system: System, command: Sequence[str], output: int
) -> Iterator[subprocess.Popen[bytes]]:
    from rktio.host.baseline import Io
    from rktio.host.launch import prepared
    from rktio.host.options import Disk, NetMode, NetOptions, Poll, RunOptions, parse_size

    words = ",".join(filter(None, (station.wire, station.net_words)))
    net = NetOptions(cast(NetMode, words), addresses=(str(station.address),))
    options = RunOptions(
        image=station.image(),
        program=command[0],
        args=tuple(command[1:]),
        memory_bytes=parse_size(station.scenario.memory),
        cpus=station.cpus,
        disks=tuple(map(Disk, station.scratch_disks())),
        poll=Poll(station.poll),
        read_only=station.read_only,
        tmpfs=("/tmp",) if station.read_only else (),  # noqa: S108 - inside the enclave
        net=net if station.scenario.network else NetOptions.none(),
        env=ENVIRONMENT,
        sysctl=SYSCTL if station.scenario.network else {},
        insecure_no_lockdown=station.observer is not None,  # else nobody may look
        io=Io(system),
        world_switch_cycles=station.world_switch_cycles if system in baselines.NAMES else None,
    )
    with prepared(options) as launch:
        process = popen(
            placement.placed(launch.argv, station.server_cores),
            pass_fds=launch.fds,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=_errors(station, output),
            env={},
        )
    yield process


def _errors(station: Station, output: int) -> int | IO[bytes]:
    """Return where stderr goes: a pipe only where it is read, else to where stdout goes."""
    if station.errors:
        return station.errors
    return subprocess.PIPE if output == subprocess.PIPE else subprocess.STDOUT


def outcome(process: subprocess.Popen[bytes], deadline_seconds: float, what: str) -> str:
    try:
        output, errors = process.communicate(timeout=deadline_seconds)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise RktioError(f"{what}: no end after {deadline_seconds:.0f} s") from error
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        words = (errors or output or b"").decode(errors="replace")  # sysbench tells on stdout
        told = words.strip().splitlines()[-STDERR_LINES_SHOWN:]
        raise RktioError(f"{what}: exit status {process.returncode}: {' / '.join(told)}")
    return output.decode(errors="replace")


def deadline(case: Case) -> float:
    return SLACK_SECONDS + 3 * float(case.words.get("seconds", "0"))


def _addresses(system: System) -> dict[str, str]:
    own = DIRECT_ADDRESS if system in LIBRARY_OS else NATIVE_ADDRESS
    return {"server": str(own.ip), "peer": str(own.network.network_address + 254)}


def _await_port(host: str, port: int, process: subprocess.Popen[bytes], system: str) -> None:
    """Wait until the server takes connections."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection((host, port), timeout=1.0):
                return
        except OSError:
            time.sleep(RETRY_SECONDS)
    ended = process.poll()
    how = f"does not answer after {READY_SECONDS:.0f} s" if ended is None else f"ended ({ended})"
    raise RktioError(f"{system}: the server at {host}:{port} {how}")


@contextmanager
def _sink(port: int) -> Iterator[None]:
    """Hold a UDP port on the host, so that datagrams to it are no errors; they are dropped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        held.bind(("0.0.0.0", port))  # noqa: S104 - both networks are of this machine
        yield


@contextmanager
def _settings(values: Mapping[str, str]) -> Iterator[None]:
    """Change settings of the host's kernel, and put them back."""
    files = {Path("/proc/sys") / name: value for name, value in values.items()}
    before = {path: path.read_text() for path in files}
    try:
        for path, value in files.items():
            path.write_text(value)
        yield
    finally:
        for path, value in before.items():
            path.write_text(value)


def check_permitted() -> None:
    """Refuse without root, before anything was built. Raises RktioError."""
    if os.geteuid() != 0:
        raise RktioError(
            "taps, namespaces and chroots need root", hint="sudo bin/rkt-io bench run ..."
        )
