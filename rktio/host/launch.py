# SPDX-License-Identifier: Apache-2.0
"""From options to an enclave: everything checked and opened, then one exec.

Every resource is a descriptor, so the kernel takes all of it back when the enclave ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

from rktio.common.errors import RktioError
from rktio.common.paths import enclave_binary
from rktio.host import disks, machine
from rktio.host.baseline import Io, check_tree, notice
from rktio.host.net_features import QUEUES_MAX
from rktio.host.options import Disk, NetMode, NetOptions, RunOptions, SealedOptions
from rktio.host.record import LaunchRecord, OpenDisk, OpenNet, OpenNvme

CheckImage = Callable[[RunOptions], None]


@dataclass(frozen=True)
class Launch:
    """An enclave that is ready to start. `notes` are for the user's eyes."""

    binary: Path
    fds: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The enclave's command: its only argument is the descriptor of the launch record."""
        return str(self.binary), str(self.fds[-1])

    def exec(self) -> NoReturn:
        """Become the enclave: signals, terminal and exit status need no relay."""
        import signal

        for fd in self.fds:
            os.set_inheritable(fd, True)
        # Python ignores these; an ignored signal would stay ignored across the exec.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        try:
            os.execve(self.binary, self.argv, {})  # noqa: S606 - no shell is meant
        except OSError as error:
            raise RktioError(f"cannot start {self.binary}: {error.strerror}") from error


@contextmanager
def prepared(
    options: RunOptions, *, tty: bool = False, check_image: CheckImage | None = None
) -> Iterator[Launch]:
    """Check and open all that `options` name; close it again when the block ends.

    `check_image` looks into the root image once it is locked. Raises RktioError.
    """
    binary = enclave_binary()
    owner = None
    if options.io.on_host_kernel:
        machine.check_processor()
        check_tree(options.io, options.tree)
        # The image is only looked at; its files are the tree's.
        options = replace(options, read_only=True, buffered=True)
    else:
        machine.check(options)
    if options.sealed is not None:
        from rktio.host.sealed import OwnersWord

        owner = OwnersWord.read(options.sealed)
        sealed = _attestable(options.sealed)
        options = replace(options, read_only=True, net=owner.net(options.net), sealed=sealed)
        tty = tty and owner.terminal
    with ExitStack() as stack:
        opened = tuple(_opened_disks(options, stack))
        # Of a sealed image, the enclave checks all and the host can check nothing that counts.
        if check_image is not None and owner is None:
            check_image(options)
        nvme = _opened_nvme(options, stack)
        net, notes = (None, ()) if options.io.on_host_kernel else _opened_net(options, stack)
        key_file = _opened_key_file(options, stack)
        record = LaunchRecord(options, opened, net, tty, owner, key_file, nvme).memfd()
        stack.callback(os.close, record)
        fds = [disk.fd for disk in opened]
        for each in nvme:
            fds += [each.device, each.container]
            fds += [] if each.held is None else [each.held]
        if net is not None:
            fds += [net.fd, *net.more_fds]
        fds += [] if key_file is None else [key_file]
        if options.io is not Io.DIRECT:
            notes = (notice(options.io, options.io_settings[0]), *notes)
        yield Launch(binary, (*fds, record), notes)


def _attestable(sealed: SealedOptions) -> SealedOptions:
    if sealed.keys is None:
        return sealed
    from rktio.host.attestation import resolved

    return resolved(sealed)


def _opened_key_file(options: RunOptions, stack: ExitStack) -> int | None:
    path = options.insecure_key_file if options.sealed is None else options.sealed.insecure_key_file
    if path is None:
        return None
    from rktio.host.sealed import open_key_file

    fd = open_key_file(path)
    stack.callback(os.close, fd)
    return fd


def _opened_disks(options: RunOptions, stack: ExitStack) -> Iterator[OpenDisk]:
    root = Disk(options.image, options.read_only, None, options.buffered)
    for disk in (root, *options.disks):
        opened = _opened_disk(disk, options.cpus)
        stack.callback(os.close, opened.fd)
        yield opened
    for each in options.data:
        # Here and not above: most runs have no data disk.
        from rktio.host import data

        blank = data.make_room(each)
        opened = disks.open_disk(each.path, read_only=False, buffered=False)
        stack.callback(os.close, opened.fd)
        yield replace(opened, blank=blank)


def _opened_disk(disk: Disk, cpus: int) -> OpenDisk:
    if not disk.vhost_user:
        return disks.open_disk(disk.path, read_only=disk.read_only, buffered=disk.buffered)
    from rktio.host.attendant import attend  # not for an enclave whose disks are files

    return OpenDisk(attend(disk.path, cpus), disk.read_only, direct=False, vhost_user=True)


def _opened_nvme(options: RunOptions, stack: ExitStack) -> tuple[OpenNvme, ...]:
    if not options.nvme:
        return ()
    from rktio.host.lending import open_controllers

    return tuple(open_controllers(options.nvme, stack))


def _opened_net(options: RunOptions, stack: ExitStack) -> tuple[OpenNet | None, tuple[str, ...]]:
    net = options.net
    if net.mode is NetMode.NONE:
        return None, ()
    if net.mode.shares_memory:
        return _shared_net(net, stack), ()
    # Here and not above: an enclave without a network starts without these.
    from rktio.host import addresses, tap

    plan = addresses.plan(net)
    try:
        fds = tap.open_tap(net.tap_name, plan, net.queues or min(options.cpus, QUEUES_MAX))
    except tap.TapNotPermittedError as error:
        if net != NetOptions() or options.wireguard is not None:
            raise
        return None, (f"no network: {error.message}; {error.hint}",)
    for fd in fds:
        stack.callback(os.close, fd)
    opened = OpenNet(
        fds[0],
        plan.mac,
        plan.mtu,
        tuple(map(str, plan.enclave)),
        tuple(map(str, plan.gateways)),
        tuple(map(str, plan.dns)),
        more_fds=fds[1:],
        without=net.without,
    )
    return opened, ()


def _shared_net(net: NetOptions, stack: ExitStack) -> OpenNet:
    from rktio.host import addresses, vhost

    plan = addresses.plan(net if net.gateways is not None else replace(net, gateways=()))
    assert net.socket is not None  # NetOptions sees to that
    fd = vhost.open_socket(net.socket, listen=net.server)
    stack.callback(os.close, fd)
    return OpenNet(
        fd,
        plan.mac,
        plan.mtu,
        tuple(map(str, plan.enclave)),
        tuple(map(str, plan.gateways)),
        tuple(map(str, plan.dns)),
        str(net.mode),
        net.server,
        without=net.without,
    )
