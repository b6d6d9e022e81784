# SPDX-License-Identifier: Apache-2.0
"""A vhost-user-blk back end that lies gets no further than I/O errors and one clear line."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.functional.conftest import Enclaves
from tests.functional.vhost_back_end import USED
from tests.functional.vhost_disk_back_end import (
    DISK_BYTES,
    DiskBackEnd,
    DiskServer,
    Request,
    config,
)

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "mmdebstrap")

# What the kernel reads of a disk at boot lies before; lies begin here.
TRUE_SECTORS = 2048
READ_THERE = "dd if=/dev/{0} of=/dev/null bs=4096 skip=256 count=1 iflag=direct status=none"
RACE_SECONDS = 1.5


def id_beyond_the_ring(back_end: DiskBackEnd, _: Request) -> None:
    back_end.put_used(back_end.rings[0], 256, 4097)
    back_end.tell(back_end.rings[0])


def id_of_all_ones(back_end: DiskBackEnd, _: Request) -> None:
    back_end.put_used(back_end.rings[0], 0xFFFFFFFF, 0xFFFFFFFF)
    back_end.tell(back_end.rings[0])


def id_never_posted(back_end: DiskBackEnd, request: Request) -> None:
    back_end.put_used(back_end.rings[0], (request.head + 1) % 256, 4097)
    back_end.tell(back_end.rings[0])


def same_id_twice(back_end: DiskBackEnd, request: Request) -> None:
    ring = back_end.rings[0]
    back_end.put_used(ring, request.head, 4097)
    back_end.put_used(ring, request.head, 4097)
    back_end.memory[request.status] = 0
    back_end.tell(ring)


def longer_than_its_buffers(back_end: DiskBackEnd, request: Request) -> None:
    back_end.answer(request, length=request.bytes + 2)


def length_of_all_ones(back_end: DiskBackEnd, request: Request) -> None:
    back_end.answer(request, length=0xFFFFFFFF)


def status_that_there_is_not(back_end: DiskBackEnd, request: Request) -> None:
    back_end.answer(request, status=0x55)


def status_never_written(back_end: DiskBackEnd, request: Request) -> None:
    back_end.put_used(back_end.rings[0], request.head, request.bytes + 1)
    back_end.tell(back_end.rings[0])


def index_runs_ahead(back_end: DiskBackEnd, _: Request) -> None:
    back_end.tell(back_end.rings[0], ahead=300)


def index_runs_backwards(back_end: DiskBackEnd, _: Request) -> None:
    back_end.tell(back_end.rings[0], ahead=-1)


def index_flips_its_wrap(back_end: DiskBackEnd, _: Request) -> None:
    back_end.tell(back_end.rings[0], ahead=0x8000)


def everything_is_ones(back_end: DiskBackEnd, _: Request) -> None:
    back_end.memory[:] = b"\xff" * len(back_end.memory)
    os.write(back_end.rings[0].call, (1).to_bytes(8, "little"))


Lie = Callable[[DiskBackEnd, Request], None]
LIES: dict[Lie, str] = {
    id_beyond_the_ring: "an entry used that was not available",
    id_of_all_ones: "an entry used that was not available",
    id_never_posted: "an entry used that was not available",
    same_id_twice: "more entries used than were available",
    longer_than_its_buffers: "more written than there is room for",
    length_of_all_ones: "more written than there is room for",
    status_that_there_is_not: "a request completed without a status that there is",
    status_never_written: "a request completed without a status that there is",
    index_runs_ahead: "more entries used than were available",
    index_runs_backwards: "more entries used than were available",
    index_flips_its_wrap: "more entries used than were available",
    everything_is_ones: "more entries used than were available",
}


def liar(lie: Lie) -> Lie:
    def serve(back_end: DiskBackEnd, request: Request) -> None:
        back_end.is_done = request.sector >= TRUE_SECTORS
        (lie if back_end.is_done else DiskBackEnd.honest)(back_end, request)

    return serve


def disk_options(*paths: Path) -> tuple[str, ...]:
    disks = (word for path in paths for word in ("--disk", f"vhost-user:{path}"))
    return ("--read-only", "--memory", "256M", *disks)


def test_every_lie_costs_the_liar_its_disk(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        servers = [
            stack.enter_context(DiskServer(tmp_path / f"s{number}", liar(lie)))
            for number, lie in enumerate(LIES)
        ]
        names = [f"vd{chr(ord('b') + number)}" for number in range(len(LIES))]
        script = "\n".join(
            f"{READ_THERE.format(name)} && echo {name} was believed || echo {name} failed"
            for name in (*names, *names)  # and what failed stays so
        )
        running = enclaves.start(
            *(debian_image, "/bin/bash", "-c", f"{script}\necho alive"),
            options=disk_options(*(tmp_path / f"s{n}" for n in range(len(LIES)))),
        )
        assert running.wait(60) == 0, running.last_words()
        for lie, server in zip(LIES, servers, strict=True):
            assert server.cut_off.wait(15), lie.__name__
    told = running.output()
    assert "was believed" not in told
    assert "alive" in told
    for name, lie in zip(names, LIES, strict=True):
        assert told.count(f"{name} failed") == 2, lie.__name__
        lines = [line for line in told.splitlines() if f"rktio_blk: {name}: " in line]
        assert len(lines) == 1, (lie.__name__, lines)
        assert lines[0].endswith(LIES[lie]), lie.__name__


def too_short(back_end: DiskBackEnd, request: Request) -> None:
    if request.sector >= TRUE_SECTORS:
        back_end.answer(request, length=1)
    else:
        back_end.honest(request)


def failing(back_end: DiskBackEnd, request: Request) -> None:
    if request.sector >= TRUE_SECTORS:
        back_end.answer(request, status=1)
    else:
        back_end.honest(request)


@pytest.mark.parametrize("serve", [too_short, failing])
def test_what_is_missing_is_an_error_and_the_rest_goes_on(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path, serve: Lie
) -> None:
    script = f"! {READ_THERE.format('vdb')} && dd if=/dev/vdb bs=4096 count=1 iflag=direct | wc -c"
    with DiskServer(tmp_path / "s", serve):
        told = enclaves.shell(debian_image, script, *disk_options(tmp_path / "s"))
    assert "4096" in told
    assert "rktio_blk: vdb:" not in told


def scribble(back_end: DiskBackEnd, until: float, seed: int) -> None:
    """Rewrite used ring, descriptors and statuses while the enclave reads them."""
    dice = random.Random(seed)
    ring = back_end.rings[0]
    while time.monotonic() < until:
        USED.pack_into(
            back_end.memory,
            ring.used + 4 + 8 * dice.randrange(ring.entries),
            *(dice.getrandbits(8), dice.getrandbits(13)),
        )
        back_end.put_u16(ring.desc + 16 * dice.randrange(ring.entries) + 14, dice.getrandbits(16))
        offset = 0x4000 + dice.randrange(0x4000)
        back_end.memory[offset] = dice.getrandbits(1)


def test_a_racing_back_end_does_no_harm(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    def serve(back_end: DiskBackEnd, request: Request) -> None:
        if request.sector >= TRUE_SECTORS and not started.is_set():
            started.set()
            until = time.monotonic() + RACE_SECONDS
            thread.append(threading.Thread(target=scribble, args=(back_end, until, 1)))
            thread[0].start()
        if thread or request.sector < TRUE_SECTORS:
            back_end.honest(request)

    started = threading.Event()
    thread: list[threading.Thread] = []
    script = (
        "dd if=/dev/vdb of=/dev/null bs=4096 skip=256 iflag=direct status=none; "
        "dd if=/dev/vdb of=/dev/null bs=64k skip=16 iflag=direct status=none; echo alive"
    )
    with DiskServer(tmp_path / "s", serve):
        running = enclaves.start(
            *(debian_image, "/bin/bash", "-c", script), options=disk_options(tmp_path / "s")
        )
        assert running.wait(60) == 0, running.last_words()
        assert started.is_set()
        thread[0].join()
    assert "alive" in running.output()


def test_resets_under_load_lose_nothing(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    """Each connection ends with requests in flight, some carried out and not answered."""

    def serve(back_end: DiskBackEnd, request: Request) -> None:
        if back_end.served == 40:
            back_end.move(request)
            raise ConnectionResetError("on purpose")
        back_end.honest(request)

    script = """
        head -c 4M /dev/urandom > /tmp/data
        dd if=/tmp/data of=/dev/vdb bs=16k seek=64 oflag=direct conv=fsync status=none
        dd if=/dev/vdb bs=16k skip=64 count=256 iflag=direct status=none | cmp - /tmp/data
        sha256sum < /tmp/data
    """
    with DiskServer(tmp_path / "s", serve) as server:
        options = (*disk_options(tmp_path / "s"), "--tmpfs", "/tmp")
        told = enclaves.shell(debian_image, script, *options)
    assert hashlib.sha256(server.content[1 << 20 : 5 << 20]).hexdigest() in told
    assert server.connections > 5
    assert "its back end is back" in told


def test_a_disk_that_shrinks_between_two_lives_is_stopped(
    enclaves: Enclaves, debian_image: Path, tmp_path: Path
) -> None:
    def serve(back_end: DiskBackEnd, request: Request) -> None:
        if request.sector >= TRUE_SECTORS:
            server.config = config(DISK_BYTES // 1024)
            raise ConnectionResetError("on purpose")
        back_end.honest(request)

    with DiskServer(tmp_path / "s", serve) as server:
        script = f"! {READ_THERE.format('vdb')}; echo alive"
        told = enclaves.shell(debian_image, script, *disk_options(tmp_path / "s"))
    assert "vdb: its back end came back with a smaller disk" in told
    assert "alive" in told
