# SPDX-License-Identifier: Apache-2.0
"""Everything that takes in what the host says, fed by libFuzzer under ASan and UBSan.

A few seconds each here; `make fuzz SECONDS=600` takes its time, keeps what it found in
build/fuzz/, and goes on from there.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.fuzz.seeds import SEEDS

CHECKOUT = Path(__file__).resolve().parents[2]
RUNTIME = CHECKOUT / "enclave" / "runtime"
TARGETS = Path(__file__).parent / "targets"
CORPORA = CHECKOUT / "build" / "fuzz"

SANITIZE = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
FLAGS = (
    *("-g", "-O1", "-std=gnu11", "-Wall", "-Werror"),
    *("-Wno-unused-function", "-Wno-macro-redefined"),
)
DPDK_FLAGS = (
    *("-march=corei7", "-I/usr/include/dpdk", "-I/usr/include/x86_64-linux-gnu/dpdk"),
    *("-include", "rte_config.h", "-DALLOW_INTERNAL_API", "-DALLOW_EXPERIMENTAL_API"),
    "-Wno-address-of-packed-member",
)
DPDK = tuple(f"-lrte_{name}" for name in ("mbuf", "mempool", "mempool_ring", "eal", "net"))

BLK = (
    *("blk_calls", "blk_ring", "blk_layout", "blk_log", "blk_sync", "blk_vhost"),
    *("blk_vhost_chain", "blk_vhost_config", "blk_vhost_control"),
)
LINK = ("virtio_link", "vhost_msg", "vnet_hdr", "dma")

# What of the runtime each target takes in.
RUNTIME_PARTS: dict[str, tuple[str, ...]] = {
    "blk_config": ("blk_vhost_config",),
    "blk_front": BLK,
    "blk_ring": BLK,
    "launch": tuple(sorted(path.stem for path in RUNTIME.glob("launch*.c"))),
    "init": (),  # init_parsers.c includes them
    "sealed": (),  # sealed_parsers.c too
    "init_formats": (),  # so does this
    "vnet_hdr": ("vnet_hdr",),
    "net_front": ("virtio_front", "virtio_front_queue", *LINK),
    "net_back": ("virtio_back", "virtio_back_queue", *LINK),
    "vhost_msg": ("vhost_msg",),
}
OF_THE_NETWORK = {"vnet_hdr", "net_front", "net_back", "vhost_msg"}

SHORT_SECONDS = 10  # longer runs go on from where the last one ended

COVERED = re.compile(r"cov: (\d+)")
LOADED = re.compile(r"\((\d+) inline 8-bit counters\)")
RUNS = re.compile(r"^#(\d+)\s+DONE", re.MULTILINE)

pytestmark = pytest.mark.needs("clang", "x86_64")


def built(target: str, folder: Path) -> Path:
    """Compile one target with the sanitizers."""
    parts = [RUNTIME / f"{name}.c" for name in RUNTIME_PARTS[target]]
    own = [TARGETS / f"{target}.c"]
    flags: tuple[str, ...] = (*FLAGS, *SANITIZE)
    libraries: tuple[str, ...] = ()
    if target in OF_THE_NETWORK:
        own.append(TARGETS / "net_host.c")
        flags += DPDK_FLAGS
        libraries = DPDK
    if target in ("init", "sealed"):
        own += [TARGETS / f"{target}_parsers.c", TARGETS / "init_kernel.c"]
    unhosted = target.startswith("init") or target == "sealed"
    flags += ("-fno-builtin",) if unhosted else ("-D_GNU_SOURCE",)
    output = folder / target
    subprocess.run(["clang", *flags, *own, *parts, *libraries, "-o", output], check=True)
    return output


@pytest.mark.parametrize("target", SEEDS)
def test_whatever_the_host_says(
    target: str, tmp_path: Path, request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> None:
    seconds: int = request.config.getoption("--fuzz-seconds")
    program = built(target, tmp_path)
    seeds = tmp_path / "seeds"
    corpus = CORPORA / target if seconds > SHORT_SECONDS else tmp_path / "corpus"
    for folder in (seeds, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[target]):
        (seeds / str(number)).write_bytes(seed)
    limits = (f"-max_total_time={seconds}", "-max_len=4096", "-timeout=20", "-verbosity=1")
    done = subprocess.run(
        [program, *limits, f"-artifact_prefix={corpus.parent}/{target}-", corpus, seeds],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    ran, loaded = RUNS.search(done.stderr), LOADED.search(done.stderr)
    assert ran and loaded, done.stderr[-2000:]
    covered = int(COVERED.findall(done.stderr)[-1])
    with capfd.disabled():
        print(f"\nfuzz {target}: {ran[1]} inputs, {covered} of {loaded[1]} edges ", end="")
    assert covered >= LEAST_COVERED[target]


# A target that no longer reaches what it is for must not stay green. The edges that are never
# reached are mostly the sanitizers' own, behind each check.
LEAST_COVERED = {
    "blk_config": 60,
    "blk_front": 220,
    "blk_ring": 130,
    "launch": 150,
    "init": 110,
    "sealed": 250,
    "init_formats": 80,
    "vnet_hdr": 55,
    "net_front": 150,
    "net_back": 280,
    "vhost_msg": 35,
}
