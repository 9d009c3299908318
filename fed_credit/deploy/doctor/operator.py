"""What is looked at in an operator's kit."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fed_credit.config.operator import (
    BANKS_FILE,
    CONNECTION,
    OPERATOR_FILE,
    BankEntry,
    BankStatus,
    OperatorSpec,
    load_operator,
)
from fed_credit.deploy.doctor import certificates, keeping, network, versions
from fed_credit.deploy.doctor.finding import Check, Finding, carried_out, ok, problem, warning
from fed_credit.deploy.doctor.ports import holder, taken
from fed_credit.deploy.doctor.registration import closed_to_strangers
from fed_credit.deploy.pki import LOOPBACK, Role, read_certificate

if TYPE_CHECKING:
    from fed_credit.deploy.records import Node

_RENEW = "fed-credit provision consortium.yaml --renew, then start the SuperLink and nginx again."
_REMAKE = "fed-credit provision consortium.yaml, then start the SuperLink and nginx again."
_NEW_AUTHORITY = f"{_RENEW} Every bank then needs the new ca.crt."
_SECRETS = ("ca.key", "server.key", "operator-ca.key", "operator.key")
_CONNECTION = "flwr/config.toml"
_CONTROL = "/v1/control/list-nodes"


def examine_operator(home: Path) -> Iterator[Finding]:
    """Carry out all checks of an operator's kit.

    Parameters
    ----------
    home : Path
        The operator's folder, absolute.

    Yields
    ------
    Finding
        In the order in which they are worth mending.
    """
    try:
        spec: OperatorSpec | None = load_operator(home)
    except Exception:
        spec = None
    steps: list[tuple[str, Check]] = [
        ("versions", versions.installed),
        ("versions", lambda: versions.pinned(home)),
        ("nginx", _nginx),
        (OPERATOR_FILE, lambda: _operator_file(home)),
        ("ca.crt", lambda: _authority(home / "ca.crt", _NEW_AUTHORITY)),
        ("server.crt", lambda: _leaf(home, "server", "ca", Role.SERVER)),
        ("operator-ca.crt", lambda: _authority(home / "operator-ca.crt", _RENEW)),
        ("operator.crt", lambda: _leaf(home, "operator", "operator-ca", Role.CLIENT)),
        ("keys", lambda: keeping.secrets({name: home / name for name in _SECRETS})),
        ("folders", lambda: _folders(home)),
        ("disk", lambda: keeping.space(home / "state")),
    ]
    if spec is not None:
        known = spec
        steps += [
            (_CONNECTION, lambda: _connection(known)),
            ("server.crt", lambda: _names(known)),
            ("superlink", lambda: _superlink(known)),
            ("proxy", lambda: _proxy(known)),
        ]
    for name, step in steps:
        yield from carried_out(name, step)


def _nginx() -> Iterator[Finding]:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    if found is None:
        yield problem("nginx", "is not installed", "On Debian: apt-get install nginx-light")
    else:
        yield ok("nginx", found)


def _operator_file(home: Path) -> Iterator[Finding]:
    spec = load_operator(home)
    yield ok(OPERATOR_FILE, f"{spec.name}, for banks at {spec.proxy.address}")
    if spec.active:
        yield ok(BANKS_FILE, f"{len(spec.active)} banks take part")
    else:
        yield problem(BANKS_FILE, "no bank takes part", _REMAKE)


def _connection(spec: OperatorSpec) -> Iterator[Finding]:
    """Check that Flower's own commands find the SuperLink from where the kit lies now."""
    check, path = _CONNECTION, spec.home / _CONNECTION
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
        made = body["superlink"][CONNECTION]
        address, authority = made["address"], Path(made["root-certificates"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError):
        yield warning(check, "names no SuperLink, so flwr finds none", _REMAKE)
        return
    if address != spec.superlink.address or authority != spec.ca:
        yield warning(check, f"is for {address} and {authority}", f"The kit was moved? {_REMAKE}")
    else:
        yield ok(check, f"flwr finds {address}")


def _authority(path: Path, renewal: str) -> Iterator[Finding]:
    info = read_certificate(path)
    if Role.AUTHORITY not in info.roles:
        yield problem(path.name, f"is not an authority's, but {info.common_name}'s", renewal)
    yield from certificates.dates(path.name, info, renewal)


def _leaf(home: Path, name: str, authority: str, role: Role) -> Iterator[Finding]:
    path = home / f"{name}.crt"
    info = read_certificate(path)
    yield from certificates.dates(path.name, info, _RENEW)
    yield from certificates.chain(path.name, path, home / f"{authority}.crt", _REMAKE)
    if role not in info.roles:
        yield problem(f"{path.name}: use", f"is not for a {role.value}", _REMAKE)
    key = home / f"{name}.key"
    yield from certificates.key_of(key.name, path, key, _REMAKE)


def _names(spec: OperatorSpec) -> Iterator[Finding]:
    info = read_certificate(spec.home / "server.crt")
    wanted = dict.fromkeys([spec.proxy.host, *LOOPBACK[:2]])
    yield from certificates.hosts("server.crt", info, list(wanted), _REMAKE)


def _folders(home: Path) -> Iterator[Finding]:
    yield from keeping.folder("home: permissions", home)
    yield from keeping.private("state: permissions", home / "state")


def _superlink(spec: OperatorSpec) -> Iterator[Finding]:
    at, check = spec.superlink, "superlink"
    try:
        if not taken(at.host, at.port):
            yield warning(check, f"not started; port {at.port} is free", "./start-superlink.sh")
            return
        context = network.trusting(spec.ca)
        network.ask(at, context)
    except network.Refused as refused:
        who = f"; there is {holder(at.port)}"
        yield problem(check, refused.found + who, refused.advice)
        return
    yield ok(check, f"{at.address} answers, with a certificate that ca.crt signed")
    yield from closed_to_strangers(at, context)


def _proxy(spec: OperatorSpec) -> Iterator[Finding]:
    at, check = spec.proxy, "proxy"
    try:
        if not taken("0.0.0.0", at.port):
            yield warning(check, f"not started; port {at.port} is free", "./start-proxy.sh")
            return
        yield from network.detours(at)
        stranger = network.ask(at, network.trusting(spec.ca), method="POST", path=_CONTROL)
    except network.Refused as refused:
        yield problem(check, refused.found, refused.advice)
        return
    yield ok(check, f"{at.address} answers, with a certificate that ca.crt signed")
    if stranger.status == _FORBIDDEN:
        yield ok("control paths", "closed to who shows no operator's certificate")
    else:
        yield problem(
            "control paths",
            f"who shows no certificate is answered with {stranger.status}, not {_FORBIDDEN}",
            "Stop what listens there: ./start-proxy.sh must be the only way in.",
        )
    yield from carried_out(BANKS_FILE, lambda: _banks(spec))


def _banks(spec: OperatorSpec) -> Iterator[Finding]:
    """Compare the list of banks with the keys that the SuperLink has registered."""
    from fed_credit.deploy.control import Control, key_bytes
    from fed_credit.deploy.records import NodeStatus

    with Control(spec) as control:
        nodes = {
            node.public_key: node
            for node in control.nodes()
            if node.status is not NodeStatus.UNREGISTERED
        }
    yield ok("operator.crt: accepted", "the proxy lets this operator in")
    check, sync = f"{BANKS_FILE}: registered", "fed-credit deploy sync"
    entries = {key_bytes(bank.public_key): bank for bank in spec.banks}
    missing = [bank.name for key, bank in entries.items() if _lacks(bank, nodes.get(key))]
    former = [
        bank.name
        for key, bank in entries.items()
        if bank.status is not BankStatus.ACTIVE and key in nodes
    ]
    strangers = [
        node.name or str(node.node_id) for key, node in nodes.items() if key not in entries
    ]
    if missing:
        yield problem(check, f"not under their names: {', '.join(missing)}", f"{sync}.")
    if former:
        yield problem(
            check, f"keys that were withdrawn still may connect: {', '.join(former)}", f"{sync}."
        )
    if strangers:
        yield problem(
            check,
            f"registered, and not in {BANKS_FILE}: {', '.join(strangers)}",
            f"{sync} --prune, once you know who registered them.",
        )
    if not (missing or former or strangers):
        online = sum(node.status is NodeStatus.ONLINE for node in nodes.values())
        yield ok(check, f"{len(nodes)} keys, {online} online")


def _lacks(bank: BankEntry, node: Node | None) -> bool:
    return bank.status is BankStatus.ACTIVE and (node is None or node.name != bank.name)


_FORBIDDEN = 403
