# SPDX-License-Identifier: Apache-2.0
"""The configuration: strict in TOML, one spelling in JSON, signed by its owner."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rktio.cli import owner as command
from rktio.common.errors import RktioError
from rktio.common.signing import SigningKey, load_signing_key, make_key
from rktio.owner.config import Configuration
from rktio.owner.config_keys import Keys
from rktio.owner.sealed_config import SealedConfiguration
from tests.unit.image.sealing import make_sealed

HASH = "ab" * 32
FINGERPRINT = "cd" * 32
PEER_KEY = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
FULL = f"""
version = 1
program = "/usr/bin/redis-server"
args = ["--bind", "10.9.0.1", ""]
cwd = "/srv"
hostname = "redis-1"
env = {{ PATH = "/usr/bin", LANG = "C.UTF-8", N = 5 }}
sysctl = {{ "net.core.somaxconn" = 1024 }}

[root]
hash = "{HASH}"
encrypted = true
writes = "memory"
writes-size = "256M"

[[data]]
name = "db"
mount = "/data"
freshness = true

[network]
addresses = ["10.0.1.1/24", "fd00::1/64"]
gateways = ["10.0.1.254"]
dns = ["9.9.9.9"]
mtu = 9000

[wireguard]
addresses = ["10.9.0.1/24"]
listen-port = 51821
only = true

[[wireguard.peer]]
public-key = "{PEER_KEY}"
endpoint = "[2001:db8::1]:51820"
allowed-ips = ["10.9.0.2/32", "fd01::/64"]
keep-alive = 25

[keys]
fingerprint = "sha256:{FINGERPRINT}"
resources = "default/redis"

[limits]
memory-min = "1G"
memory-max = "4G"
cpus-max = 4

[policy]
host-args = ["--loglevel", "--loglevel"]
host-env = ["TZ"]
terminal = true
"""
LEAST = f'version = 1\nprogram = "/bin/true"\n[root]\nhash = "{HASH}"\n'
HERE = Path("app.sealed")


def read(tmp_path: Path, text: str) -> Configuration:
    path = tmp_path / "app.toml"
    path.write_text(text)
    return Configuration.read(path)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    folder = tmp_path_factory.mktemp("keys")
    make_key(folder / "owner")
    return load_signing_key(str(folder / "owner.key"))


@pytest.mark.parametrize("text", [FULL, LEAST])
def test_toml_and_json_say_the_same(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    again = Configuration.of_json(json.loads(found.canonical()), HERE)
    assert again == found
    assert again.canonical() == found.canonical()


def test_order_and_spelling_of_the_toml_do_not_matter(tmp_path: Path) -> None:
    other = LEAST.replace("[root]\n", "[root] # comment\nwrites-size = '65536K'\n")
    assert read(tmp_path, other).canonical() == read(tmp_path, LEAST).canonical()


def test_the_full_configuration_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, FULL)
    assert found.env["N"] == "5"
    assert found.root.writes_bytes == 256 << 20
    assert found.wireguard is not None and found.wireguard.peers[0].keep_alive == 25
    assert found.policy.host_args == ("--loglevel",)
    assert found.keys == Keys(FINGERPRINT, "default/redis")


def test_the_policy_allows_by_name_only(tmp_path: Path) -> None:
    policy = read(tmp_path, FULL).policy
    assert policy.allows_argument("--loglevel") and policy.allows_argument("--loglevel=debug")
    assert not policy.allows_argument("--loglevels") and not policy.allows_argument("")
    assert policy.allows_environment("TZ") and not policy.allows_environment("LD_PRELOAD")


def test_by_default_the_host_may_decide_nothing(tmp_path: Path) -> None:
    policy = read(tmp_path, LEAST).policy
    assert not policy.host_args and not policy.host_env and not policy.terminal


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1", "version = 2", "version must be 1"),
        ("version = 1", "", "version must be 1"),
        ('program = "/usr/bin/redis-server"', "", "program is missing"),
        ("/usr/bin/redis-server", "redis-server", "program must be an absolute path"),
        ("/usr/bin/redis-server", "/usr/../bin/x", "program must be an absolute path"),
        ("hostname", "hostnam", "unknown key 'hostnam'"),
        ("redis-1", "-redis", "hostname must be a host name"),
        ("LANG", '"LA NG"', "env"),
        ("net.core.somaxconn", "../x", "sysctl"),
        (HASH, "AB" * 32, "root.hash must be"),
        (f'hash = "{HASH}"', "", "either image or hash"),
        (f'hash = "{HASH}"', f'hash = "{HASH}"\nimage = "a"', "either image or hash"),
        ('writes = "memory"', 'writes = "disk"', "root.writes must be"),
        ('"256M"', '"many"', "not a size"),
        ('"256M"', "256", "must be a string"),
        ('"db"', '"d b"', "data.name must be"),
        ("freshness = true", 'freshness = "yes"', "must be true or false"),
        ("10.0.1.1/24", "10.0.1.1", "network.addresses must be"),
        ("10.0.1.254", "gateway", "network.gateways must be"),
        ("mtu = 9000", "mtu = 9", "network.mtu must be"),
        (PEER_KEY, "AAAA", "public-key must be"),
        ("10.9.0.2/32", "10.9.0.2/24", "allowed-ips must be"),
        ("[2001:db8::1]:51820", "host", "endpoint must be"),
        ("[2001:db8::1]:51820", "[x]:1", "endpoint must be"),
        ("[2001:db8::1]:51820", "host:99999", "endpoint must be"),
        ("keep-alive = 25", "keep-alive = -1", "keep-alive must be"),
        ("keep-alive = 25", "private-key = 'x'", "unknown key"),
        ("51821", "0", "listen-port must be"),
        (FINGERPRINT, "cd" * 31, "keys.fingerprint must be"),
        ('"default/redis"', '"default"', "keys.resources must be"),
        ('"default/redis"', '"default/../x"', "keys.resources must be"),
        ('resources = "default/redis"', "", "keys.resources must be"),
        ('memory-max = "4G"', 'memory-max = "1M"', "memory-max must be"),
        ("cpus-max = 4", "cpus-max = 0", "cpus-max must be"),
        ("cpus-max = 4", "cpus-max = true", "must be an integer"),
        ('"--loglevel", "--loglevel"', '"--loglevel=x"', "host-args must be"),
        ('["TZ"]', '["TZ=UTC"]', "host-env must be"),
        ('["TZ"]', '"TZ"', "must be a list"),
        ("[policy]", "[polcy]", "unknown key 'polcy'"),
    ],
)
def test_a_mistake_names_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FULL
    with pytest.raises(RktioError) as caught:
        read(tmp_path, FULL.replace(old, new))
    assert message in caught.value.message
    assert "\n" not in caught.value.message


def test_two_disks_of_one_name_are_refused(tmp_path: Path) -> None:
    more = '\n[[data]]\nname = "db"\nmount = "/more"\n'
    with pytest.raises(RktioError, match="same name"):
        read(tmp_path, FULL + more)


def test_what_is_sealed_is_read_back(tmp_path: Path, key: SigningKey) -> None:
    sealed = SealedConfiguration.seal(read(tmp_path, FULL), key)
    again = SealedConfiguration.parse(sealed.encode(), HERE, key.public)
    assert again == sealed


def test_every_changed_byte_is_refused(tmp_path: Path, key: SigningKey) -> None:
    raw = SealedConfiguration.seal(read(tmp_path, LEAST), key).encode()
    messages = set()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(RktioError) as caught:
            SealedConfiguration.parse(bytes(changed), HERE, key.public)
        messages.add(caught.value.message.split(":")[1])
    assert messages == {" title", " form", " signature"}


@pytest.mark.parametrize("cut", [0, 1, 29, 30, 31, 200, -1, -2, -40])
def test_a_truncated_configuration_is_refused(tmp_path: Path, key: SigningKey, cut: int) -> None:
    raw = SealedConfiguration.seal(read(tmp_path, LEAST), key).encode()
    with pytest.raises(RktioError):
        SealedConfiguration.parse(raw[:cut], HERE, key.public)
    with pytest.raises(RktioError, match="form"):
        SealedConfiguration.parse(raw + b"\n", HERE, key.public)


def test_a_configuration_of_another_owner_is_refused(tmp_path: Path, key: SigningKey) -> None:
    make_key(tmp_path / "mallory")
    mallory = load_signing_key(str(tmp_path / "mallory.key"))
    raw = SealedConfiguration.seal(read(tmp_path, LEAST), mallory).encode()
    with pytest.raises(RktioError, match="another certificate"):
        SealedConfiguration.parse(raw, HERE, key.public)


def test_a_signature_over_something_else_is_refused(tmp_path: Path, key: SigningKey) -> None:
    first = SealedConfiguration.seal(read(tmp_path, LEAST), key)
    other = SealedConfiguration.seal(read(tmp_path, FULL), key)
    mixed = SealedConfiguration(first.canonical, other.signature, first.configuration)
    with pytest.raises(RktioError, match="not one of"):
        SealedConfiguration.parse(mixed.encode(), HERE, key.public)


def test_what_the_owner_signed_still_has_to_be_a_configuration(key: SigningKey) -> None:
    from rktio.common.signing import sign_detached

    for text in (b"{}", b"[]", b'{"version":1}', b'{"version": 1}', b"x" * 70):
        signature = sign_detached(key, text)
        raw = SealedConfiguration(text, signature, None).encode()  # type: ignore[arg-type]
        with pytest.raises(RktioError):
            SealedConfiguration.parse(raw, HERE, key.public)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=9,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["program", "args", "env", "sysctl", "root", "data", "network", "wireguard"]),
    st.sampled_from([None, "hash", "mount", "addresses", "peer", "writes-size", "mtu"]),
    json_values,
)
def test_any_json_fails_in_one_way(section: str, key: str | None, value: Any) -> None:
    document: dict[str, Any] = {"version": 1, "program": "/x", "root": {"hash": HASH}}
    document[section] = {key: value} if key else value
    if section == "data":
        document[section] = [document[section]]
    with contextlib.suppress(RktioError):
        Configuration.of_json(document, HERE)


def test_measure_is_the_documented_digest(
    tmp_path: Path, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    from hashlib import sha384

    make_key(tmp_path / "owner")
    (tmp_path / "app.toml").write_text(FULL)
    (tmp_path / "enclave").write_bytes(b"an executable")
    paths = {name: str(tmp_path / name) for name in ("app.toml", "owner.key", "owner.crt")}
    sealed = str(tmp_path / "app.sealed")
    assert (
        command.config(["sign", paths["app.toml"], "--key", paths["owner.key"], "-o", sealed]) == 0
    )
    words = [
        "--config",
        sealed,
        "--key",
        paths["owner.crt"],
        "--enclave",
        str(tmp_path / "enclave"),
    ]
    assert command.measure(words) == 0
    plain = capsys.readouterr().out.strip()
    spki = load_signing_key(paths["owner.key"]).public.spki
    text = read(tmp_path, FULL).canonical()
    parts = b"".join(sha384(part).digest() for part in (b"an executable", spki, text))
    assert plain == sha384(b"rkt-io measurement 1\n" + parts).hexdigest()
    assert (
        command.config(["sign", paths["app.toml"], "--key", paths["owner.key"], "-o", sealed]) == 0
    )
    assert command.measure([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measurement"] == plain


def test_a_changed_configuration_is_not_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_key(tmp_path / "owner")
    owner = load_signing_key(str(tmp_path / "owner.key"))
    raw = SealedConfiguration.seal(read(tmp_path, LEAST), owner).encode()
    (tmp_path / "app.sealed").write_bytes(raw.replace(b"/bin/true", b"/bin/evil"))
    words = ["--config", str(tmp_path / "app.sealed"), "--key", str(tmp_path / "owner.crt")]
    assert command.measure(words) == 1
    assert "signature" in capsys.readouterr().err


@pytest.mark.needs("e2fsck")
def test_the_root_hash_comes_from_the_owners_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = make_sealed(tmp_path)
    text = LEAST.replace(f'hash = "{HASH}"', 'image = "sealed.img"')
    (tmp_path / "app.toml").write_text(text)
    make_key(tmp_path / "mallory")
    words = ["sign", str(tmp_path / "app.toml"), "-o", str(tmp_path / "out"), "--key"]
    assert command.config([*words, str(tmp_path / "owner.key")]) == 0
    raw = (tmp_path / "out").read_bytes()
    found = SealedConfiguration.parse(raw, HERE, sealed.owner.public).configuration
    assert found.root.hash == sealed.root_hash.hex()
    assert found.root.encrypted
    capsys.readouterr()
    assert command.config([*words, str(tmp_path / "mallory.key")]) == 1
    assert "signed by the certificate" in capsys.readouterr().err
