# SPDX-License-Identifier: Apache-2.0
"""rkt-io keys: the owner's key broker, its secrets, rules and audit log."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rktio.cli.report import Parser
from rktio.cli.subcommands import Command, add_commands, run_command
from rktio.common.errors import RktioError

if TYPE_CHECKING:
    from rktio.owner.keyfolder import KeyFolder
    from rktio.owner.store import Entry

LISTEN = "127.0.0.1:8999"
SECRET_BYTES_MAX = 1 << 18

EXAMPLES = """\
examples:
  rkt-io keys init
  rkt-io keys add default/disk-key/redis --random 64
  $EDITOR ~/.local/share/rkt-io/keys/references.toml
  rkt-io keys policy sign
  rkt-io keys serve --listen 192.0.2.1:8999
  rkt-io keys audit
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run rkt-io keys and return its status."""
    parser = Parser("rkt-io keys", "Keep secrets, and give them to enclaves that prove themselves.")
    parser.epilog = EXAMPLES
    add_commands(parser, [_in_folder(command) for command in COMMANDS])
    return run_command(parser, argv)


def _in_folder(command: Command) -> Command:
    """Return the command with --directory, and with advice where the extra is not installed."""

    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--directory", type=Path, default=_default(), help="the broker's folder (%(default)s)"
        )
        command.arguments(parser)

    def function(options: argparse.Namespace) -> int:
        try:
            return command.function(options)
        except ModuleNotFoundError as error:
            hint = "pip install 'rkt-io[keys]' (and [postgresql] for that database)"
            raise RktioError(f"the Python module {error.name} is missing", hint=hint) from error

    return replace(command, arguments=arguments, function=function)


def _default() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "rkt-io" / "keys"


def _folder(options: argparse.Namespace) -> KeyFolder:
    from rktio.owner.keyfolder import KeyFolder

    return KeyFolder(options.directory)


def _database_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database", metavar="URL", help="postgresql+psycopg://... or sqlite:///")


def _init_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--owner", type=Path, metavar="PEM", help="the owner's existing public key")


def _init(options: argparse.Namespace) -> int:
    from rktio.owner.server import identity

    folder = _folder(options)
    made = folder.create(options.owner)
    folder.store(None).close()
    print(folder.path)
    who = identity(folder, None, None, "localhost")
    _say(f"its certificate, for [keys] of a configuration: sha256:{who.fingerprint}")
    if made:
        _say(f"made {folder.owner_private}, which signs policy and reference values;")
        _say("keep it on another machine than the broker's where you can")
    _say(f"everything is denied until {folder.path}/policy.toml says otherwise")
    return 0


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("resource", help="REPOSITORY/TYPE/TAG")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", type=Path, help="take the secret from a file (default: stdin)")
    source.add_argument("--random", type=int, metavar="BYTES", help="make a random secret")
    parser.add_argument("--replace", action="store_true", help="replace an existing secret")
    _database_argument(parser)


def _add(options: argparse.Namespace) -> int:
    from rktio.owner.policy import is_resource

    if not is_resource(options.resource):
        raise RktioError(f"{options.resource!r} is not REPOSITORY/TYPE/TAG")
    store = _folder(options).store(options.database)
    known = options.resource in [path for path, _ in store.resources()]
    if known and not options.replace:
        raise RktioError(f"{options.resource} is there already", hint="--replace")
    store.put_resource(options.resource, _secret(options), time.time())
    _record(store, "replace" if known else "add", options.resource)
    return 0


def _secret(options: argparse.Namespace) -> bytes:
    if options.random is not None:
        if not 16 <= options.random <= 4096:
            raise RktioError("--random takes 16 to 4096 bytes")
        return os.urandom(options.random)
    if options.file is not None:
        try:
            secret: bytes = options.file.read_bytes()
        except OSError as error:
            raise RktioError(f"cannot read {options.file}: {error.strerror}") from error
    else:
        secret = sys.stdin.buffer.read(SECRET_BYTES_MAX + 1)
    if not 1 <= len(secret) <= SECRET_BYTES_MAX:
        raise RktioError(f"a secret has 1 to {SECRET_BYTES_MAX} bytes, not {len(secret)}")
    return secret


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts")
    _database_argument(parser)


def _list(options: argparse.Namespace) -> int:
    found = _folder(options).store(options.database).resources()
    if options.json:
        print(json.dumps([{"resource": path, "changed": changed} for path, changed in found]))
        return 0
    for path, changed in found:
        print(f"{_moment(changed)}  {path}")
    return 0


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("resource", help="REPOSITORY/TYPE/TAG")
    _database_argument(parser)


def _remove(options: argparse.Namespace) -> int:
    store = _folder(options).store(options.database)
    if not store.remove_resource(options.resource):
        raise RktioError(f"there is no {options.resource}", hint="rkt-io keys list")
    _record(store, "remove", options.resource)
    return 0


def _policy_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("sign", "check", "show"))
    parser.add_argument("--key", type=Path, metavar="PEM", help="the owner's private key")


def _policy(options: argparse.Namespace) -> int:
    from rktio.owner.policy import load_rules
    from rktio.owner.signed import read_private_key

    folder = _folder(options)
    if options.action == "sign":
        for path in folder.sign(read_private_key(options.key or folder.owner_private)):
            print(path)
    rules = load_rules(folder.path, folder.owner())  # signed or not, it must be right
    for name in sorted({n for names in rules.grants.values() for n in names}):
        if name not in rules.references:
            _say(f"warning: policy names the reference value {name!r}, which doesn't exist: denied")
    if any(reference.tee == "process" for reference in rules.references.values()):
        _say("warning: insecure_process: evidence that is signed by nobody is accepted")
    if options.action == "show":
        shown = {
            "grants": rules.grants,
            "references": {name: asdict(r) for name, r in rules.references.items()},
            "revoked_certificates": sorted(rules.revoked_certificates),
        }
        print(json.dumps(shown, indent=2))
    return 0


def _serve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help="(%(default)s)")
    parser.add_argument("--cert", type=Path, metavar="PEM", help="TLS certificate chain")
    parser.add_argument("--key", type=Path, metavar="PEM", help="its private key")
    _database_argument(parser)


def _serve(options: argparse.Namespace) -> int:
    import logging

    from rktio.owner.server import identity, listen, server

    host, port = _address(options.listen)
    if (options.cert is None) != (options.key is None):
        raise RktioError("--cert and --key go together")
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    folder = _folder(options)
    folder.owner()
    who = identity(folder, options.cert, options.key, host)
    running = server(folder, options.database, who, host, port)
    with listen(host, port) as listener:
        _say(f"https://{options.listen}, certificate sha256:{who.fingerprint}")
        running.run(sockets=[listener])
    return 0 if running.started else 1


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise RktioError(f"{listen!r} is not HOST:PORT")
    return host, int(port)


def _audit_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, default=0, metavar="N", help="entries after number N")
    parser.add_argument("--denied", action="store_true", help="only what was not granted")
    parser.add_argument("--json", action="store_true", help="one JSON object on each line")
    _database_argument(parser)


def _audit(options: argparse.Namespace) -> int:
    from rktio.owner.store import check_audit

    entries = _folder(options).store(options.database).audit()
    for entry in entries:
        if entry.serial > options.after and not (options.denied and entry.verdict == "granted"):
            print(json.dumps(_fields(entry)) if options.json else _line(entry))
    check_audit(entries)
    return 0


def _fields(entry: Entry) -> dict[str, object]:
    return {**vars(entry), "detail": json.loads(entry.detail)}


def _line(entry: Entry) -> str:
    detail = json.loads(entry.detail)
    words = [f"{entry.serial} {_moment(entry.time)} {entry.client} {entry.event} {entry.verdict}"]
    words += [
        f"{name}={detail[name]}" for name in ("tee", "resource", "reference") if detail.get(name)
    ]
    for refusal in detail.get("refusals", []):
        words.append(
            f"\n    {refusal['claim']}: measured {refusal['measured']},"
            f" expected {refusal['expected']}"
        )
    if "error" in detail:
        words.append(f"\n    {detail['error']}")
    return " ".join(words)


def _record(store: object, event: str, resource: str) -> None:
    from rktio.owner.store import Store

    assert isinstance(store, Store)
    detail = json.dumps({"resource": resource})
    store.append(time.time(), "owner", event, "granted", detail)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _say(text: str) -> None:
    sys.stderr.write(f"rkt-io keys: {text}\n")


COMMANDS = (
    Command("init", _init_arguments, _init, "make a broker's folder"),
    Command("add", _add_arguments, _add, "add a secret"),
    Command("list", _list_arguments, _list, "list the secrets, without their values"),
    Command("remove", _remove_arguments, _remove, "delete a secret"),
    Command("policy", _policy_arguments, _policy, "sign, check or show the rules"),
    Command("serve", _serve_arguments, _serve, "give secrets to attested enclaves, over HTTPS"),
    Command("audit", _audit_arguments, _audit, "show and check the log of all decisions"),
)
