# SPDX-License-Identifier: Apache-2.0
"""rkt-io-run: run one program of an image as an enclave."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rktio
from rktio.cli.report import Parser, reported
from rktio.common.errors import RktioError
from rktio.host.baseline import DEFAULT_WORLD_SWITCH_CYCLES, Io
from rktio.host.nvme import PREFIX as NVME_PREFIX
from rktio.host.nvme import NvmeDisk
from rktio.host.options import (
    Disk,
    NetOptions,
    Poll,
    RunOptions,
    SealedOptions,
    parse_size,
)

STATUS_NOT_STARTED = 125

# Flag -> name in RunOptions, for those that are taken over as they are.
PLAIN = (
    "cpus",
    "read_only",
    "buffered",
    "cwd",
    "hostname",
    "poll",
    "stats",
    "log_level",
    "insecure_no_lockdown",
    "io",
    "world_switch_cycles",
    "io_threads",
)
# The same for SealedOptions.
SEALED = (
    ("sealed_config", "config"),
    ("owner_key", "owner_key"),
    ("keys", "keys"),
    ("tee", "tee"),
    ("insecure_key_file", "insecure_key_file"),
)
# The same for NetOptions.
NET_PLAIN = ("tap_name", "mtu", "mac")
NET_LISTS = (("address", "addresses"), ("host_address", "host_addresses"), ("dns", "dns"))

EPILOG = """\
exit status: the program's own (128+n when signal n ended it), 125 when it could not
start, 2 for wrong usage. Everything else: man rkt-io-run, docs/running.md.
"""


def parser() -> Parser:
    """Return the parser; flags that were not given are absent from its result or None."""
    root = Parser(
        "rkt-io-run",
        "Run PROGRAM of the disk image IMAGE on the library OS.",
        usage="rkt-io-run [options] IMAGE PROGRAM [ARGS...]\n"
        "       rkt-io-run [options] --config FILE [IMAGE PROGRAM [ARGS...]]\n"
        "       rkt-io-run [options] --sealed-config FILE --owner-key CERT IMAGE [ARGS...]",
    )
    root.epilog = EPILOG
    root.add_argument("words", nargs=REMAINDER, metavar="IMAGE PROGRAM [ARGS...]")
    add = root.add_argument
    add("--version", action="version", version=f"rkt-io {rktio.__version__}")
    add("--config", type=Path, metavar="FILE", help="settings in TOML; flags win over the file")
    add("--memory", metavar="SIZE", help="RAM of the library OS (default 1G)")
    add("--cpus", type=int, metavar="N", help="CPUs, one host thread each (default 1)")
    add("--poll", metavar="HOW", help=f"an idle CPU: {', '.join(Poll)} (default adaptive)")
    add("--debug", action="store_true", help="show where an error came from")
    add("--log-level", type=int, metavar="N", help="kernel messages on stderr, 0..8 (default 4)")
    add("--stats", action="store_true", default=None, help="print counters on stderr at exit")
    add(
        "--insecure-no-lockdown",
        action="store_true",
        default=None,
        help="no seccomp filter, and gdb and perf may attach: for debugging",
    )
    _add_disks(root)
    _add_net(root)
    _add_program(root)
    _add_sealed(root)
    _add_baselines(root)
    return root


def _add_sealed(root: Parser) -> None:
    add = root.add_argument_group("sealed images").add_argument
    add("--sealed-config", type=Path, metavar="FILE", help="what runs, signed by the owner")
    add("--owner-key", type=Path, metavar="CERT", help="the owner's certificate")
    add("--keys", metavar="URL", help="the key broker that releases the image's key")
    add("--tee", metavar="HOW", help="who vouches to it: snp, tdx, process (default: what is here)")
    add(
        "--insecure-key-file",
        type=Path,
        metavar="FILE",
        help="the key from a file of the host: for development without a broker",
    )


def _add_disks(root: Parser) -> None:
    add = root.add_argument_group("disks").add_argument
    add("--read-only", action="store_true", default=None, help="never write to IMAGE")
    add("--buffered", action="store_true", default=None, help="keep the host's page cache between")
    add(
        "--disk",
        action="append",
        metavar="FILE[,ro][,buffered][,mount=/PATH]|nvme:ADDRESS[,ns=1][,ro][,mount=/PATH]",
        help="one more disk: vdb, vdc, ...; FILE may be vhost-user:SOCKET",
    )
    add(
        "--data",
        action="append",
        metavar="NAME=FILE[,size=SIZE][,mount=/PATH]",
        help="a disk that only the enclave can read: /data/NAME",
    )
    add("--tmpfs", action="append", metavar="/PATH", help="mount a file system in memory")


def _add_net(root: Parser) -> None:
    add = root.add_argument_group("network").add_argument
    add(
        "--net",
        metavar="HOW",
        help="tap, none, virtio-user:SOCKET[,server] or vhost:SOCKET[,server] "
        "(default: tap where permitted); ,tso=off ,csum=off ,lro=off ,gso=off ,gro=off "
        ",zerocopy=off and ,mq=N to measure",
    )
    add("--tap-name", metavar="NAME", help="name of the tap, or a persistent one of yours")
    add(
        "--address",
        action="append",
        metavar="IP/PREFIX",
        help="address of the enclave, IPv4 or IPv6, repeatable (default 10.0.1.1/24)",
    )
    add(
        "--host-address",
        action="append",
        metavar="IP/PREFIX",
        help="address of the tap (default .254 of each network)",
    )
    add(
        "--gateway",
        action="append",
        metavar="IP",
        help="default route (default: the tap's address); none: no default route",
    )
    add("--dns", action="append", metavar="IP", help="name server, repeatable")
    add("--mtu", type=int, metavar="BYTES", help="default 1500")
    add("--mac", metavar="MAC", help="default: follows from the address")


def _add_program(root: Parser) -> None:
    add = root.add_argument_group("program").add_argument
    add("--env", action="append", metavar="K[=V]", help="set K, or pass this shell's K on")
    add("--env-file", type=Path, metavar="FILE", help="K=V lines")
    add("--cwd", metavar="/PATH", help="directory that the program starts in (default /)")
    add("--hostname", metavar="NAME", help="host name inside (default rkt-io)")
    add("--sysctl", action="append", metavar="K=V", help="setting of the library kernel")


def _add_baselines(root: Parser) -> None:
    add = root.add_argument_group("baselines, for measurements: nothing is shielded").add_argument
    add("--io", metavar="HOW", help=f"who does I/O: {', '.join(Io)} (default direct)")
    add(
        "--world-switch-cycles",
        type=int,
        metavar="N",
        help=f"simulated cost of leaving and coming back (default {DEFAULT_WORLD_SWITCH_CYCLES})",
    )
    add("--io-threads", type=int, metavar="N", help="threads of the host (default 1; switchless 2)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns only when the program could not be started."""
    _fill_standard_descriptors()
    args = parser().parse_args(argv)
    return reported(lambda: _launch(args), debug=args.debug, failure=STATUS_NOT_STARTED)


def _launch(args: Namespace) -> int:
    options = options_from(args)
    if options.io is not Io.DIRECT:
        from rktio.cli.baseline import with_tree

        options = with_tree(options)
    from rktio.cli.preflight import check_image
    from rktio.host.launch import prepared

    tty = os.isatty(0) and os.isatty(1)
    with prepared(options, tty=tty, check_image=check_image) as launch:
        for note in launch.notes:
            sys.stderr.write(f"rkt-io: {note}\n")
        launch.exec()


def options_from(args: Namespace) -> RunOptions:
    """Merge flag over file over default."""
    settings: dict[str, Any] = {}
    if args.config is not None:
        from rktio.host.config import read_config

        settings = read_config(args.config)
    net = settings.pop("net", {}) | _net_flags(args)
    env = settings.pop("env", {})
    sysctl = settings.pop("sysctl", {})
    sealed = settings.pop("sealed", {}) | _sealed_flags(args)
    if list(sealed) == ["insecure_key_file"]:  # for a data disk or a tunnel of a plain image
        settings |= sealed
        sealed = {}
    settings |= _plain_flags(args) | _words(args.words, sealed=bool(sealed))
    if sealed:
        settings["sealed"] = _sealed(sealed)
    settings["env"] = env | _environment(args)
    settings["sysctl"] = sysctl | dict(_pair("--sysctl", text) for text in args.sysctl or ())
    settings["net"] = _net(net)
    wanted = ("image",) if sealed else ("image", "program")
    missing = [name.upper() for name in wanted if settings.get(name) is None]
    if missing:
        parser().error(f"{' and '.join(missing)} missing")
    return RunOptions(**settings)


def _sealed_flags(args: Namespace) -> dict[str, Any]:
    found = {name: getattr(args, flag) for flag, name in SEALED}
    return {name: value for name, value in found.items() if value is not None}


def _sealed(settings: dict[str, Any]) -> SealedOptions:
    from rktio.host.config import sealed_options

    return sealed_options(settings)


def _plain_flags(args: Namespace) -> dict[str, Any]:
    found = {name: getattr(args, name) for name in PLAIN if getattr(args, name) is not None}
    if args.memory is not None:
        found["memory_bytes"] = parse_size(args.memory)
    if args.disk is not None:
        nvme = [text for text in args.disk if text.startswith(NVME_PREFIX)]
        found["nvme"] = tuple(map(NvmeDisk.parse, nvme))
        found["disks"] = tuple(Disk.parse(text) for text in args.disk if text not in nvme)
    if args.data is not None:
        from rktio.host.data import DataDisk

        found["data"] = tuple(map(DataDisk.parse, args.data))
    if args.tmpfs is not None:
        found["tmpfs"] = tuple(args.tmpfs)
    return found


def _words(words: list[str], *, sealed: bool) -> dict[str, Any]:
    """Read IMAGE PROGRAM [ARGS...]; what is given here replaces the file's.

    A sealed image's program is not the host's to name: ARGS follow at once.
    """
    if words[:1] == ["--"]:
        words = words[1:]
    found: dict[str, Any] = {}
    if words:
        found["image"] = Path(words[0])
    if sealed:
        return found | ({"args": tuple(words[1:])} if len(words) > 1 else {})
    if len(words) > 1:
        found["program"] = words[1]
        found["args"] = tuple(words[2:])
    return found


def _net(settings: dict[str, Any]) -> NetOptions:
    if not settings:
        return NetOptions()
    from rktio.host.config import net_options

    return net_options(settings)


def _net_flags(args: Namespace) -> dict[str, Any]:
    found = {name: getattr(args, name) for name in NET_PLAIN if getattr(args, name) is not None}
    if args.net is not None:
        found["mode"] = args.net
    for flag, name in NET_LISTS:
        values = getattr(args, flag)
        if values is not None:
            found[name] = tuple(values)
    if args.gateway is not None:
        found["gateways"] = tuple(args.gateway)
    return found


def _environment(args: Namespace) -> dict[str, str]:
    found: dict[str, str] = {}
    if args.env_file is not None:
        found |= _environment_file(args.env_file)
    for text in args.env or ():
        name, equals, value = text.partition("=")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _environment_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise RktioError(f"cannot read {path}: {error.strerror}") from error
    wanted = (line.strip() for line in lines)
    return dict(_pair(str(path), line) for line in wanted if line and not line.startswith("#"))


def _pair(where: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise RktioError(f"{where}: {text!r} is not NAME=VALUE")
    return name, value


def _fill_standard_descriptors() -> None:
    """Keep the enclave's descriptors out of 0, 1 and 2 where the caller closed one of these."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
