# SPDX-License-Identifier: Apache-2.0
"""Sealed images: what is intact starts, and whatever was changed is refused by its own check."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import rktio
from rktio.common.signing import PublicKey, SigningKey
from rktio.image.gpt import SECTOR_BYTES
from rktio.image.volume import OFFSET, VolumeKey
from rktio.owner.measure import measure
from rktio.owner.sealed_config import SealedConfiguration
from tests.functional.sealing import (
    KEY,
    PAYLOAD_BYTES,
    Host,
    Owned,
    configure,
    key_file,
    make_image,
    make_owner,
    make_root,
)

pytestmark = pytest.mark.needs("enclave", "fsgsbase", "dispatch", "debugfs", "busybox")

BLOCK = 4096
WRITES = r"rkt-io: / is sealed; writes to it go to private memory, at most 67108864 bytes, .*\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sealed")


@pytest.fixture(scope="module")
def owner(folder: Path) -> SigningKey:
    return make_owner(folder)


@pytest.fixture(scope="module")
def root(folder: Path) -> Path:
    busybox = shutil.which("busybox")
    assert busybox is not None
    return make_root(folder, busybox)


def own(folder: Path, root: Path, owner: SigningKey, name: str, key: VolumeKey | None) -> Owned:
    image = folder / f"{name}.img"
    layout = make_image(image, root, key, owner)
    keys = None if key is None else key_file(folder, key, f"{name}.volume")
    certificate = Path(owner.public.source)
    return Owned(image, configure(image, owner, name), certificate, keys, owner, layout)


@pytest.fixture(scope="module")
def owned(folder: Path, root: Path, owner: SigningKey) -> Owned:
    """Give an encrypted, signed image."""
    return own(folder, root, owner, "app", KEY)


@pytest.fixture(scope="module")
def signed(folder: Path, root: Path, owner: SigningKey) -> Owned:
    """Give a signed image that is not encrypted."""
    return own(folder, root, owner, "signed", None)


@pytest.fixture
def host(enclave_program: Path, tmp_path: Path) -> Host:
    return Host(enclave_program, tmp_path)


# ---- What is intact ----


def test_the_owners_program_runs_with_the_owners_environment(host: Host, owned: Owned) -> None:
    done = host.run(owned, "--", "--level=3", script='echo "$0|$1|$OWNERS"; env | tr "\\n" " "')
    assert done.returncode == 0, done.stderr
    first, _, environment = done.stdout.partition("\n")
    assert first == "shell|--level=3|b c"
    names = set(re.findall(r"(\w+)=", environment.partition("SCRIPT=")[0]))
    assert names - {"SHLVL", "PWD"} <= {"PATH", "OWNERS", "SCRIPT"}
    assert re.fullmatch(WRITES, done.stderr), done.stderr


def test_every_byte_of_the_image_is_read_right(host: Host, owned: Owned, root: Path) -> None:
    wanted = hashlib.sha256((root / "payload").read_bytes()).hexdigest()
    assert wanted in host.output(owned, script="sha256sum /payload")


def test_without_encryption_it_needs_no_key(host: Host, signed: Owned, root: Path) -> None:
    wanted = hashlib.sha256((root / "payload").read_bytes()).hexdigest()
    assert wanted in host.output(signed, script="sha256sum /payload")


def test_writes_go_to_bounded_memory(host: Host, owned: Owned) -> None:
    before = owned.image.read_bytes()
    script = (
        "echo changed > /payload; cat /payload;"
        "dd if=/dev/zero of=/more bs=1M count=80 2>&1 | tr '\\n' ' '"
    )
    output = host.output(owned, script=script)
    assert output.startswith("changed\n")
    assert "No space left on device" in output
    assert owned.image.read_bytes() == before
    assert "changed" not in host.output(owned, script="dd if=/payload bs=8 count=1 2>/dev/null")


def test_writes_can_be_refused(host: Host, owned: Owned) -> None:
    config = configure(owned.image, owned.owner, "refused", root='writes = "refused"')
    done = host.run(replace(owned, config=config), script="echo x > /x")
    assert done.returncode != 0
    assert done.stderr.startswith("rkt-io: / is sealed, and writes to it are refused\n")
    assert "Read-only file system" in done.stderr


def test_the_measurement_is_the_one_that_the_owner_computes(host: Host, owned: Owned) -> None:
    public = PublicKey.load(owned.certificate)
    sealed = SealedConfiguration.load(owned.config, public)
    wanted = measure(host.program, public, sealed)
    done = host.run(owned, "--stats", script="cat /proc/sealed")
    assert f"rkt-io: measurement {wanted.value.hex()}\n" in done.stderr
    assert done.stdout.splitlines() == [
        f"measurement: {wanted.value.hex()}",
        f"executable: {wanted.executable.hex()}",
        f"owner: {wanted.public_key.hex()}",
        f"configuration: {wanted.configuration.hex()}",
        f"certificate: {public.fingerprint}",
    ]


def test_the_python_api_starts_it_too(
    host: Host, owned: Owned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RKT_IO_ENCLAVE", str(host.program))
    sealed = rktio.SealedOptions(owned.config, owned.certificate, insecure_key_file=owned.key_file)
    script = {"SCRIPT": 'echo "$OWNERS $1"'}
    with rktio.Enclave(
        owned.image,
        "",
        "--level=3",
        sealed=sealed,
        env=script,
        memory="256M",
        stdout=subprocess.PIPE,
    ) as enclave:
        assert enclave.address is None
        assert enclave.stdout.read() == b"b c --level=3\n"
        assert enclave.wait(60) == 0


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("kind", ["RSA", "P-384"])
def test_other_kinds_of_keys_are_understood(
    host: Host, folder: Path, root: Path, kind: str
) -> None:
    """Those that rkt-io-disk sign takes: P-256 is in every other test."""
    from rktio.common.signing import load_signing_key

    how = {"RSA": ["rsa:2048"], "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}[kind]
    stem = folder / kind
    words = ["openssl", "req", "-x509", "-newkey", *how, "-nodes", "-subj", f"/CN={kind}"]
    files = ["-keyout", f"{stem}.key", "-out", f"{stem}.crt"]
    subprocess.run([*words, *files], check=True, capture_output=True)
    found = own(folder, root, load_signing_key(f"{stem}.key"), kind, None)
    assert host.output(found, script="echo started") == "started\n"


# ---- What was changed ----


def tree(owned: Owned) -> int:
    return owned.layout.verity_offset + BLOCK


Place = Callable[[Owned], int]


@pytest.mark.parametrize(
    ("place", "check"),
    [
        pytest.param(lambda _: SECTOR_BYTES + 16, "partition table", id="header of the table"),
        pytest.param(lambda _: 2 * SECTOR_BYTES + 20, "partition table", id="table"),
        pytest.param(lambda o: o.layout.verity_offset, "verity superblock", id="superblock"),
        pytest.param(lambda o: o.layout.verity_offset + 72, "verity superblock", id="size"),
        pytest.param(lambda o: o.layout.verity_offset + 88, "verity", id="salt"),
        pytest.param(lambda o: tree(o), "verity", id="root of the tree"),
        pytest.param(lambda o: tree(o) + BLOCK, "verity", id="leaves of the tree"),
        pytest.param(lambda o: o.layout.root_offset, "verity", id="LUKS2 magic"),
        pytest.param(lambda o: o.layout.root_offset + 5000, "verity", id="LUKS2 metadata"),
        pytest.param(lambda o: o.layout.root_offset + OFFSET - 1, "verity", id="key slots"),
        pytest.param(lambda o: o.layout.root_offset + OFFSET + 1100, "", id="ext4 superblock"),
        pytest.param(lambda o: o.layout.signature_offset, "signature", id="signature document"),
        pytest.param(lambda o: o.layout.signature_offset + 30, "signature", id="fingerprint"),
        pytest.param(lambda o: o.layout.signature_offset + 200, "signature", id="root hash"),
        pytest.param(lambda o: o.layout.signature_offset + 8000, "signature", id="padding"),
    ],
)
def test_a_flipped_bit_stops_the_start(host: Host, owned: Owned, place: Place, check: str) -> None:
    with host.changed(owned, place(owned)) as changed:
        line = host.refusal(changed)
    assert line.startswith(f"{check}: " if check else "volume key: "), line


def test_each_flipped_bit_of_the_signature_is_refused(host: Host, owned: Owned) -> None:
    document = owned.image.read_bytes()[owned.layout.signature_offset :][:2000]
    start = document.index(b'"signature":"') + len(b'"signature":"')
    end = document.index(b'"', start)
    for place in range(start, end, (end - start) // 3):
        with host.changed(owned, owned.layout.signature_offset + place) as changed:
            assert host.refusal(changed).startswith("signature: ")


def test_a_bad_block_that_is_met_later_is_an_io_error(host: Host, owned: Owned) -> None:
    """The last quarter of the file lies behind all that the start reads."""
    script = "sha256sum /payload; echo status=$?; dd if=/payload of=/dev/null bs=4096 count=1"
    place = owned.layout.root_offset + OFFSET + payload_offset(owned) + PAYLOAD_BYTES * 3 // 4
    with host.changed(owned, place) as changed:
        done = host.run(changed, script=script)
    assert "status=1\n" in done.stdout
    assert "Input/output error" in done.stderr
    kernel = [line for line in done.stderr.splitlines() if "verity" in line and "corrupted" in line]
    assert len(kernel) >= 1, done.stderr
    assert done.returncode == 0


def payload_offset(owned: Owned) -> int:
    """Where the payload's first block lies in the file system, found by its fourth block."""
    from rktio.image.volume import Xts

    first = owned.layout.root_offset + OFFSET
    cipher = Xts(KEY.secret, BLOCK)
    raw = owned.image.read_bytes()[first : owned.layout.root_offset + owned.layout.root_bytes]
    wanted = (3).to_bytes(4, "little") * 1024
    for offset in range(0, len(raw), BLOCK):
        if cipher.decrypt(raw[offset : offset + BLOCK], offset) == wanted:
            return offset - 3 * BLOCK
    raise AssertionError("no payload in the image")


def test_a_swapped_block_is_an_io_error(host: Host, owned: Owned) -> None:
    place = owned.layout.root_offset + OFFSET + payload_offset(owned) + PAYLOAD_BYTES // 2
    with host.changed(owned, place) as changed:
        with changed.image.open("r+b") as file:
            file.seek(place)
            two = file.read(2 * BLOCK)
            file.seek(place)
            file.write(two[BLOCK:] + two[:BLOCK])
        assert "status=1" in host.output(changed, script="sha256sum /payload; echo status=$?")


@pytest.mark.parametrize("missing", [SECTOR_BYTES, 1 << 20, 8 << 20])
def test_a_truncated_image_is_refused(host: Host, owned: Owned, missing: int) -> None:
    with host.changed(owned, size=owned.layout.total_bytes - missing) as changed:
        line = host.refusal(changed)
    assert line.startswith("partition table: ")
    assert "cut off" in line


def test_an_image_without_a_signature_is_refused(host: Host, owned: Owned, root: Path) -> None:
    image = host.folder / "unsigned.img"
    make_image(image, root, KEY, None)
    assert host.refusal(replace(owned, image=image)).startswith("signature: the image is not sign")


def test_a_plain_image_is_refused(host: Host, owned: Owned) -> None:
    plain = host.folder / "plain.img"
    plain.write_bytes(bytes(8 << 20))
    assert host.refusal(replace(owned, image=plain)).startswith("partition table: ")


# ---- Keys and owners ----


def test_the_wrong_key_is_refused(host: Host, owned: Owned) -> None:
    wrong = key_file(host.folder, VolumeKey(bytes(range(100, 164))))
    line = host.refusal(replace(owned, key_file=wrong))
    assert line.startswith("volume key: it is not the key of this image")


def test_without_a_key_it_is_refused(host: Host, owned: Owned) -> None:
    line = host.refusal(replace(owned, key_file=None))
    assert line.startswith("volume key: the image is encrypted")
    assert "--keys" in line


def test_lines_of_keys_are_taken_too(host: Host, owned: Owned) -> None:
    keys = key_file(host.folder)
    keys.write_text(f"data-db=00\nroot={KEY.secret.hex()}\n")
    assert host.output(replace(owned, key_file=keys), script="echo started") == "started\n"
    keys.write_text(f"root={KEY.secret[:32].hex()}\n")
    assert "64 bytes" in host.refusal(replace(owned, key_file=keys))


def test_another_owners_certificate_is_refused(host: Host, owned: Owned) -> None:
    make_owner(host.folder, "other")
    line = host.refusal(replace(owned, certificate=host.folder / "other.crt"))
    assert line.startswith("configuration: signature: ")


def test_another_owners_image_is_refused(host: Host, owned: Owned) -> None:
    """With the same contents, so the same root hash, as the configuration asks for."""
    from rktio.image.sealed import SealedImage

    image = host.folder / "other.img"
    shutil.copy(owned.image, image)
    with SealedImage.open(image, writable=True) as found:
        found.sign(make_owner(host.folder, "other"))
    line = host.refusal(replace(owned, image=image))
    assert line.startswith("signature: the image is signed by another certificate")


# ---- Configurations ----


def test_another_image_of_the_same_owner_is_refused(
    host: Host, owned: Owned, signed: Owned
) -> None:
    line = host.refusal(replace(owned, image=signed.image))
    assert line.startswith("root hash: ")
    assert "older" in line


def test_a_changed_configuration_is_refused(host: Host, owned: Owned) -> None:
    changed = host.folder / "changed.sealed"
    text = owned.config.read_bytes()
    for before, after in (
        (b'"--level"', b'"--LEVEL"'),
        (b"rkt-io sealed configuration 1", b"rkt-io sealed configuration 2"),
        (text.split(b"\n")[2], b"MIHN"),
        (text.split(b"\n")[2], text.split(b"\n")[2][:-8]),
        (text[-6:], text[-6:-1]),
        (text[-6:], text[-6:] + b"\n"),
    ):
        assert before in text
        changed.write_bytes(text.replace(before, after))
        line = host.refusal(replace(owned, config=changed))
        assert line.startswith("configuration: "), line


def test_a_signature_of_an_image_does_not_pass_for_a_configurations(
    host: Host, owned: Owned, root: Path
) -> None:
    swapped = configure(owned.image, owned.owner, "swapped", rest="terminal = true")
    lines, other = owned.config.read_bytes().split(b"\n"), swapped.read_bytes().split(b"\n")
    swapped.write_bytes(b"\n".join((lines[0], lines[1], other[2], b"")))
    line = host.refusal(replace(owned, config=swapped))
    assert line.startswith("configuration: signature: ")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--", "--other"), "--other"),
        (("--env", "LD_PRELOAD=/x"), "LD_PRELOAD"),
        (("--cwd", "/tmp"), "cwd"),
        (("--hostname", "evil"), "hostname"),
        (("--sysctl", "kernel.panic=1"), "sysctl"),
        (("--tmpfs", "/bin"), "mount"),
        (("--memory", "128M"), "memory"),
    ],
)
def test_the_host_decides_nothing_else(
    host: Host, owned: Owned, words: tuple[str, ...], named: str
) -> None:
    line = host.refusal(owned, *words)
    assert line.startswith("configuration: ")
    assert named in line


# ---- Disks and tunnels that the owner asks for ----


def test_a_data_disk_is_formatted_by_the_owners_word_only(host: Host, owned: Owned) -> None:
    """The host gives the file; whether it is new, the name of its key says."""
    rest = '[[data]]\nname = "db"\nmount = "/data/db"\n'
    keys = key_file(host.folder, name="app.keys")
    config = configure(owned.image, owned.owner, "data", rest=rest)
    changed = replace(owned, config=config, key_file=keys)
    words = (f"--data=db={host.folder / 'db.img'},size=160M",)
    lines = f"root={KEY.secret.hex()}\ndata-db{{}}={bytes(range(64)).hex()}\n"

    keys.write_text(lines.format(""))
    assert host.refusal(changed, *words).startswith("data disk db: it is blank, where data should")
    keys.write_text(lines.format("-new"))
    assert host.output(changed, *words, script="echo kept > /data/db/x; echo done") == "done\n"
    keys.write_text(lines.format(""))
    assert host.output(changed, *words, script="cat /data/db/x") == "kept\n"
    assert "the host gives no file for it; add --data db=FILE" in host.refusal(changed)


def test_writes_to_the_root_can_be_kept(host: Host, owned: Owned) -> None:
    rest = '[[data]]\nname = "db"\nmount = "/"\nformat = true\n'
    keys = key_file(host.folder, name="app.keys")
    words = (f"--data=db={host.folder / 'db.img'},size=160M",)
    config = configure(owned.image, owned.owner, "kept", rest=rest)
    changed = replace(owned, config=config, key_file=keys)
    keys.write_text(f"root={KEY.secret.hex()}\ndata-db={bytes(range(64)).hex()}\n")
    assert host.output(changed, *words, script="echo kept > /etc/x; echo done") == "done\n"
    assert host.output(changed, *words, script="cat /etc/x") == "kept\n"
    refused = configure(owned.image, owned.owner, "not", root='writes = "refused"', rest=rest)
    assert "a data disk is for /" in host.refusal(replace(changed, config=refused), *words)


def test_freshness_is_refused_before_it_is_promised(host: Host, owned: Owned) -> None:
    rest = '[[data]]\nname = "db"\nmount = "/data/db"\nfreshness = true\n'
    config = configure(owned.image, owned.owner, "fresh", rest=rest)
    assert "data.freshness" in host.refusal(replace(owned, config=config))


@pytest.mark.needs("root", "tun", "ip")
def test_a_tunnel_is_what_the_owner_says(host: Host, owned: Owned) -> None:
    rest = (
        '[network]\naddresses = ["10.251.9.1/24"]\n'
        '[wireguard]\naddresses = ["10.9.0.1/24"]\nlisten-port = 999\n'
        '[[wireguard.peer]]\npublic-key = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="\n'
        'allowed-ips = ["10.9.0.2/32", "10.77.0.0/16"]\nendpoint = "10.251.9.7:1"\n'
    )
    keys = key_file(host.folder, name="app.keys")
    config = configure(owned.image, owned.owner, "tunnel", rest=rest)
    changed = replace(owned, config=config, key_file=keys)
    keys.write_text(f"root={KEY.secret.hex()}\nwireguard={bytes(32).hex()}\n")
    told = host.output(changed, script="cat /proc/net/dev /proc/net/route")
    assert "wg0" in told
    assert re.search(r"^wg0\t00004D0A\t", told, re.MULTILINE)
    keys.write_text(f"root={KEY.secret.hex()}\n")
    refused = host.run(changed)
    assert refused.returncode == 125
    assert "rkt-io: no private key for WireGuard (32 bytes, named wireguard);" in refused.stderr
