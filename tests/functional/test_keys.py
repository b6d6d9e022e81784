# SPDX-License-Identifier: Apache-2.0
"""Keys come to an enclave that proves what it is: from the owner's broker, over a tap."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rktio.common.signing import PublicKey, SigningKey
from rktio.image.create import Recipe, create_image
from rktio.image.seal import Seal
from rktio.owner.measure import measure
from rktio.owner.sealed_config import SealedConfiguration
from tests.functional import sealing
from tests.functional.brokered import POLICY, PORT, REFERENCES, KeyOwner, command, environment, tap
from tests.functional.redis_client import Redis
from tests.functional.running import CHECKOUT, Network, Running, host
from tests.functional.sealing import KEY, Host, Owned
from tests.native.keys.channel import VCEK, certificate_table
from tests.native.keys.relay import Relay
from tests.tsm import Tsm
from tests.unit.owner import minting
from tests.unit.owner.brokering import Bench, make_bench

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "debugfs", "busybox", "tun", "ip")

START_MESSAGE = re.compile(r"rkt-io: not a TEE: an ordinary process, .*\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("owner")


@pytest.fixture(scope="module")
def owner(folder: Path) -> SigningKey:
    return sealing.make_owner(folder)


@pytest.fixture(scope="module")
def broker(folder: Path) -> KeyOwner:
    made = KeyOwner.make(folder / "keys")
    made.keys("add", "default/app/root", "--file", sealing.key_file(folder))
    return made


@pytest.fixture(scope="module")
def url(broker: KeyOwner, network: Network) -> Iterator[str]:
    with broker.serving(network.host) as served:
        yield served


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    from tests.functional.conftest import SESSION, _numbers

    number = next(_numbers)
    with tap(Network(f"rktt{SESSION}x{number}", number, SESSION)) as made:
        yield made


def sections(broker: KeyOwner, network: Network) -> str:
    return (
        f'[network]\naddresses = ["{network.address}/24"]\n'
        f'[keys]\nfingerprint = "{broker.fingerprint}"\nresources = "default/app"\n'
    )


@pytest.fixture(scope="module")
def owned(folder: Path, owner: SigningKey, broker: KeyOwner, network: Network) -> Owned:
    """Give an encrypted image whose configuration names the broker."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    image = folder / "app.img"
    layout = sealing.make_image(image, sealing.make_root(folder, busybox), KEY, owner)
    config = sealing.configure(image, owner, "app", rest=sections(broker, network))
    return Owned(image, config, Path(owner.public.source), None, owner, layout)


class Start:
    """Starts the image as a host does, and says what came of it."""

    def __init__(self, host: Host, broker: KeyOwner, network: Network) -> None:
        self.host = host
        self.broker = broker
        self.network = network

    def measurement(self, owned: Owned) -> str:
        public = PublicKey.load(owned.certificate)
        sealed = SealedConfiguration.load(owned.config, public)
        return measure(self.host.program, public, sealed).value.hex()

    def trust(self, owned: Owned) -> None:
        """Make this image's measurement the one that gets the key."""
        self.broker.rules(REFERENCES.format(measurement=self.measurement(owned)))

    def run(self, owned: Owned, url: str, *words: str) -> subprocess.CompletedProcess[str]:
        options = ("--keys", url, "--tee", "process", "--tap-name", self.network.tap, *words)
        return self.host.run(owned, *options, script="echo started")

    def refusal(self, owned: Owned, url: str) -> str:
        """Return the line of a refused start, which is all that the host is told."""
        done = self.run(owned, url)
        assert (done.returncode, done.stdout) == (125, ""), done.stderr
        said = START_MESSAGE.sub("", done.stderr)
        assert said.count("\n") == 1 and said.startswith("rkt-io: keys: "), said
        assert self.measurement(owned) not in done.stderr
        assert "expected" not in done.stderr and "measurement" not in done.stderr
        return said


@pytest.fixture
def start(enclave_program: Path, tmp_path: Path, broker: KeyOwner, network: Network) -> Start:
    return Start(Host(enclave_program, tmp_path), broker, network)


def test_the_key_comes_once_the_measurement_is_right_and_to_no_other(
    start: Start, owned: Owned, url: str
) -> None:
    start.broker.rules(REFERENCES.format(measurement="00" * 48))
    line = start.refusal(owned, url)
    assert "refuses the evidence (status 401)" in line
    entry = start.broker.audit()[-1]
    assert f"entry {entry.serial}" in line
    (refusal,) = json.loads(entry.detail)["refusals"]
    assert "measurement" in refusal["claim"]
    assert start.measurement(owned) in refusal["measured"]
    assert "00" * 48 in refusal["expected"]

    start.trust(owned)
    done = start.run(owned, url)
    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
    assert START_MESSAGE.search(done.stderr), done.stderr
    assert [entry.verdict for entry in start.broker.audit()[-3:]] == ["granted"] * 3
    assert json.loads(start.broker.audit()[-1].detail)["resource"] == "default/app/root"

    start.broker.rules("version = 1\n")
    assert "refuses the evidence (status 401)" in start.refusal(owned, url)


def test_another_configuration_of_the_same_owner_gets_nothing(
    start: Start, owned: Owned, url: str
) -> None:
    rest = "terminal = true\n" + sections(start.broker, start.network)
    other = sealing.configure(owned.image, owned.owner, "other", rest=rest)
    start.trust(owned)
    assert "refuses the evidence" in start.refusal(replace(owned, config=other), url)


def test_without_a_grant_there_is_no_key(start: Start, owned: Owned, url: str) -> None:
    references = REFERENCES.format(measurement=start.measurement(owned))
    start.broker.rules(references, POLICY.replace("app/root", "app/other"))
    assert "refuses default/app/root (status 403)" in start.refusal(owned, url)


def test_another_broker_is_not_believed(start: Start, owned: Owned, tmp_path: Path) -> None:
    """The host's own broker would give keys that the host knows."""
    impostor = KeyOwner.make(tmp_path / "impostor")
    impostor.keys("add", "default/app/root", "--random", "64")
    impostor.rules(REFERENCES.format(measurement=start.measurement(owned)))
    with impostor.serving(start.network.host, PORT + 1) as url:
        assert "not the pinned one" in start.refusal(owned, url)
    assert not any(entry.event == "auth" for entry in impostor.audit())


def test_a_broker_that_is_not_there_is_named(start: Start, owned: Owned) -> None:
    line = start.refusal(owned, f"https://{start.network.host}:1")
    assert f"cannot reach the key broker {start.network.host}:1: Connection refused" in line


def test_a_configuration_without_a_broker_gets_no_keys(start: Start, owned: Owned) -> None:
    rest = sections(start.broker, start.network).partition("[keys]")[0]
    without = sealing.configure(owned.image, owned.owner, "without", rest=rest)
    line = start.refusal(replace(owned, config=without), f"https://{start.network.host}:1")
    assert "the sealed configuration has no [keys]" in line


def test_the_device_gives_a_process_no_evidence(start: Start, owned: Owned, url: str) -> None:
    start.trust(owned)
    device = "of=/dev/rktio-tee count=1"
    script = (
        f"dd if=/payload {device} bs=64; dd if=/payload {device} bs=63;"
        "dd if=/dev/rktio-tee of=/dev/null count=1 bs=15;"
        "dd if=/dev/rktio-tee count=1 bs=64 | tr '\\0' 0"
    )
    options = ("--keys", url, "--tee", "process", "--tap-name", start.network.tap)
    done = start.host.run(owned, *options, script=script)
    errors = re.findall(r"^dd: .*: (.*)$", done.stderr, re.MULTILINE)
    assert len(errors) == 3 and "supported" in errors[0], done.stderr
    assert errors[1] == "Invalid argument" and errors[2].startswith("Message too l")
    assert done.stdout == 16 * "0"  # a process, and no blobs


def redis_root(folder: Path) -> Path:
    """Give a tree with Debian's redis-server and what it links."""
    root = folder / "redis"
    for name in ("dev", "proc", "sys", "run", "tmp", "etc"):
        (root / name).mkdir(parents=True)
    program = shutil.which("redis-server")
    assert program is not None
    libraries = re.findall(r"(/lib\S+) \(0x", host("ldd", program))
    for path in (program, *libraries):
        target = root / path[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return root


@pytest.mark.needs("redis-server")
def test_redis_serves_from_an_encrypted_image_with_its_owners_key(
    start: Start, folder: Path, owner: SigningKey, tmp_path: Path, url: str
) -> None:
    """All of it as the README has it, by the commands that it names."""
    source, sealed, image = (folder / f"redis.{kind}" for kind in ("toml", "sealed", "img"))
    recipe = Recipe(directories=(redis_root(folder),), size_bytes=64 << 20)
    create_image(image, recipe, seal=Seal(key=KEY, signer=owner))
    source.write_text(
        'version = 1\nprogram = "/usr/bin/redis-server"\n'
        f'args = ["--bind", "{start.network.address}", "--protected-mode", "no", "--save", ""]\n'
        f'[root]\nimage = "{image.name}"\n' + sections(start.broker, start.network)
    )
    command("config", "sign", source, "--key", folder / "owner.key", "-o", sealed)
    certificate = folder / "owner.crt"
    words = ("--config", sealed, "--key", certificate, "--enclave", start.host.program)
    measurement = command("measure", *words).stdout.strip()
    start.broker.rules(REFERENCES.format(measurement=measurement))
    options = ("--tap-name", start.network.tap, "--sealed-config", sealed)
    keys = ("--keys", url, "--owner-key", certificate, image)
    words_run = [str(word) for word in (CHECKOUT / "bin/rkt-io-run", *options, *keys)]
    running = Running(words_run, tmp_path / "log", start.network, start.host.program)
    try:
        running.until_port(6379)
        with Redis(start.network.address) as client:
            client.send("SET", "a", "b")
            assert client.receive() == b"OK"
        assert running.stop() == 0
    finally:
        running.kill()
        print(running.last_words())


# ---- A confidential VM, as far as one can be played ----


SNP_POLICY = """\
version = 1
[[grant]]
resource = "default/app/root"
references = ["redis"]
"""
# The launch record has no flag for what only tests do.
LAUNCHER = """\
import sys
from rktio.cli import run
from rktio.host import record
pairs = record.LaunchRecord.pairs
more = ("insecure_tsm", sys.argv.pop(1))
record.LaunchRecord.pairs = lambda self: [*pairs(self), more]
sys.exit(run.main(sys.argv[1:]))
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a broker that trusts a chip of the test's."""
    made = make_bench(tmp_path / "keys")
    made.store.put_resource("default/app/root", KEY.secret, made.clock.now)
    made.rules(policy=SNP_POLICY)
    yield made
    made.http.close()
    made.store.close()


@pytest.mark.parametrize(
    ("fields", "claim"),
    [({}, None), ({"policy": 0xB0000}, "debug"), ({"report_data": bytes(64)}, "report_data")],
)
def test_snp_evidence_comes_from_the_vms_kernel_after_the_lock_down(
    start: Start,
    owned: Owned,
    bench: Bench,
    tmp_path: Path,
    fields: dict[str, object],
    claim: str | None,
) -> None:
    def vouch(report_data: bytes) -> tuple[bytes, bytes]:
        report = minting.report(**({"report_data": report_data} | fields))
        return report, certificate_table((VCEK, minting.vcek()))

    tsm = Tsm(tmp_path / "tsm", "sev_guest", vouch)
    with Relay(bench, tmp_path, start.network.host) as relay, tsm:
        broker = replace(start.broker, fingerprint=relay.fingerprint)
        rest = sections(broker, start.network)
        config = sealing.configure(owned.image, owned.owner, "snp", rest=rest)
        options = ("--keys", relay.url, "--tee", "snp", "--tap-name", start.network.tap)
        words = start.host.command(replace(owned, config=config), *options, script="echo started")
        done = subprocess.run(
            tsm.command([sys.executable, "-c", LAUNCHER, tsm.folder, *words[1:]]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment() | {"RKT_IO_ENCLAVE": str(start.host.program)},
            timeout=60,
        )
    assert len(tsm.asked) == 1
    if claim is None:
        assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
        return
    assert (done.returncode, done.stdout) == (125, "")
    assert re.fullmatch(r"rkt-io: keys: .* refuses the evidence \(status 401\).*\n", done.stderr)
    assert bench.claim() == claim


def test_a_machine_that_is_no_confidential_vm_is_named(start: Start, owned: Owned) -> None:
    done = start.run(owned, "https://192.0.2.1", "--tee", "snp")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("rkt-io: tee: no /sys/kernel/config/tsm/report; ")
    assert done.stderr.count("\n") == 1
