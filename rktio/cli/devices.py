# SPDX-License-Identifier: Apache-2.0
"""rkt-io devices: which devices enclaves can have, and lending them by hand."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence

from rktio.cli.report import Parser, reported
from rktio.host.devices import Device

USAGE = """rkt-io devices [--json]
       rkt-io devices bind ADDRESS...
       rkt-io devices restore [ADDRESS...]
       rkt-io devices hugepages SIZE"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the actions; without one, list."""
    parser = Parser("rkt-io devices", "List NVMe controllers and NICs, or lend them.", usage=USAGE)
    parser.add_argument("action", nargs="?", choices=("bind", "restore", "hugepages"))
    parser.add_argument("words", nargs="*", metavar="ADDRESS")
    parser.add_argument("--json", action="store_true", help="print {devices: [...]} for scripts")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    args = parser.parse_args(argv)
    if args.action in ("bind", "hugepages") and not args.words:
        parser.error(f"{args.action} what?")
    if args.action == "hugepages" and len(args.words) > 1:
        parser.error("hugepages takes one size")
    return reported(lambda: _act(args), debug=args.debug)


def _act(args: Namespace) -> int:
    actions = {None: _list, "bind": _bind, "restore": _restore, "hugepages": _huge_pages}
    return actions[args.action](args)


def _list(args: Namespace) -> int:
    from rktio.host.devices import devices

    found = list(devices())
    if args.json:
        import json
        from dataclasses import asdict

        text = json.dumps({"devices": [asdict(device) for device in found]}, indent=2) + "\n"
    else:
        text = table(found)
    sys.stdout.write(text)
    return 0


def _bind(args: Namespace) -> int:
    from rktio.host.devices import bind
    from rktio.host.pci import VFIO_DRIVER

    for address in args.words:
        sys.stdout.write(f"{address}: {bind(address) or 'no driver'} -> {VFIO_DRIVER}\n")
    return 0


def _restore(args: Namespace) -> int:
    from rktio.host.devices import restore
    from rktio.host.pci import check_address

    lines = restore(list(map(check_address, args.words)) or None)
    sys.stdout.write("".join(f"{line}\n" for line in lines) or "nothing to restore\n")
    return 0


def _huge_pages(args: Namespace) -> int:
    from rktio.host.hugepages import reserve
    from rktio.host.options import parse_size

    count = reserve(parse_size(args.words[0]))
    sys.stdout.write(f"{count} huge pages more; `rkt-io devices restore` releases them\n")
    return 0


def table(found: Sequence[Device]) -> str:
    """Return two lines for each device: what it is, and how it is used or why not."""
    if not found:
        return "no NVMe controller and no NIC on PCI\n"
    lines = []
    for each in found:
        names = " ".join(each.names) or "-"
        group = "no IOMMU group" if each.iommu_group is None else f"group {each.iommu_group}"
        lines.append(
            f"{each.address}  {each.kind:4}  {each.ids}  {names}  {each.driver or 'no driver'}"
            f"  {group}"
        )
        lines.append(f"    usable: {each.use}" if each.use else f"    not usable: {each.obstacle}")
    return "\n".join([*lines, ""])
