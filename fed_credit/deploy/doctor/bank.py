"""What is looked at in a bank's home."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from fed_credit.config.bank import BankSpec, load_bank
from fed_credit.config.operator import EndpointSpec
from fed_credit.deploy.doctor import certificates, keeping, network, versions
from fed_credit.deploy.doctor.clock import clock
from fed_credit.deploy.doctor.finding import Check, Finding, carried_out, ok, problem
from fed_credit.deploy.doctor.loans import loans
from fed_credit.deploy.doctor.ports import own_port
from fed_credit.deploy.doctor.registration import registered
from fed_credit.deploy.keys import FORMER_KEY_FILE, KEY_FILE, PUBLIC_FILE
from fed_credit.deploy.pki import Role, read_certificate
from fed_credit.node.call import CLIENT_COMMAND
from fed_credit.node.home import Home

_SECRETS = (KEY_FILE, FORMER_KEY_FILE)
_NEW_CA = "Ask the operator for the consortium's ca.crt, and compare its fingerprint by telephone."


def examine_bank(home: Path) -> Iterator[Finding]:
    """Carry out all checks of a bank's home.

    Parameters
    ----------
    home : Path
        The bank's home folder, absolute.

    Yields
    ------
    Finding
        In the order in which they are worth mending.
    """
    place = Home(home)
    try:
        bank: BankSpec | None = load_bank(place.bank_file)
    except Exception:
        bank = None
    steps: list[tuple[str, Check]] = [
        ("versions", versions.installed),
        ("versions", lambda: versions.pinned(home)),
        ("bank.yaml", lambda: _bank_file(place)),
        ("ca.crt", lambda: _authority(place)),
        (KEY_FILE, lambda: certificates.node_pair(place.key, home / PUBLIC_FILE)),
        (KEY_FILE, lambda: keeping.secrets({name: home / name for name in _SECRETS})),
        ("folders", lambda: _folders(place)),
        ("bank's commands", lambda: _commands(place)),
        ("disk", lambda: keeping.space(place.state)),
        ("ledger", lambda: _ledger(place)),
    ]
    if bank is not None:
        known = bank
        steps += [
            ("port", lambda: _port(known, home)),
            ("operator", lambda: _operator(place, known)),
            ("data", lambda: loans(known)),
        ]
    for name, step in steps:
        yield from carried_out(name, step)


def _bank_file(place: Home) -> Iterator[Finding]:
    bank = load_bank(place.bank_file)
    yield ok("bank.yaml", f"{bank.name}; answers {', '.join(bank.policy.tasks) or 'nothing'}")


def _authority(place: Home) -> Iterator[Finding]:
    info = read_certificate(place.ca)
    if Role.AUTHORITY not in info.roles:
        yield problem("ca.crt", f"is not an authority's, but {info.common_name}'s", _NEW_CA)
    yield from certificates.dates("ca.crt", info, _NEW_CA)


def _folders(place: Home) -> Iterator[Finding]:
    yield from keeping.folder("home: permissions", place.root)
    yield from keeping.folder("bin: permissions", place.bin)
    yield from keeping.private("state: permissions", place.state)


def _commands(place: Home) -> Iterator[Finding]:
    """Check that Flower finds the bank's own commands; its own would run what a bundle brings."""
    from flwr.supercore.constant import TASK_TYPE_TO_COMMAND

    check, again = "bank's commands", "Start ./start.sh again, which makes them anew."
    if not (place.bin / CLIENT_COMMAND).exists():
        yield ok(check, "not there yet; ./start.sh makes them")
        return
    search = f"{place.bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    for name in sorted(set(TASK_TYPE_TO_COMMAND.values())):
        path = place.bin / name
        found = shutil.which(name, path=search)
        if found is None or Path(found) != path:
            what = f"bin/{name} cannot be started; {found or 'no other'} would be found instead"
            yield problem(check, what, again)
            return
        if stat.S_IMODE(path.stat().st_mode) & 0o022:
            yield problem(check, f"bin/{name} can be written by others", f"chmod 755 {path}")
            return
    written = re.search(r"^PYTHON = '(.*)'$", path.read_text(encoding="utf-8"), re.MULTILINE)
    if written is None or not os.access(written[1], os.X_OK):
        missing = written[1] if written else "no Python"
        yield problem(check, f"they start {missing}, which cannot be started", again)
    else:
        yield ok(check, "found before Flower's own")


def _ledger(place: Home) -> Iterator[Finding]:
    from clients.ledger import LEDGER
    from clients.ledger_check import verify

    path = place.root / LEDGER
    if not path.exists():
        yield ok("ledger", "nothing has left yet")
        return
    verdict = verify(path)
    if verdict.problems:
        first = verdict.problems[0]
        more = f" and {len(verdict.problems) - 1} more" if len(verdict.problems) > 1 else ""
        yield problem(
            "ledger",
            f"{f'line {first.line}: ' if first.line else ''}{first.what}{more}",
            "Keep the file as it is; see fed-credit ledger verify, and ask who could write it.",
        )
    else:
        yield ok("ledger", f"{verdict.entries:,} entries, whole; last hash {verdict.hash[:16]}")


def _port(bank: BankSpec, home: Path) -> Iterator[Finding]:
    port = bank.node.runtime_port
    yield from own_port("runtime port", port, home, "SuperNode", "fed_credit.node.supernode")


def _operator(place: Home, bank: BankSpec) -> Iterator[Finding]:
    if bank.node.superlink is None:
        yield problem(
            "operator",
            "node.superlink of bank.yaml names nobody",
            "Write the operator's HOST:PORT there.",
        )
        return
    host, _, port = bank.node.superlink.rpartition(":")
    endpoint = EndpointSpec(host.strip("[]"), int(port))
    yield from network.detours(endpoint)
    try:
        context = network.trusting(place.ca)
        answer = network.ask(endpoint, context)
    except network.Refused as refused:
        yield problem("operator", refused.found, refused.advice)
        return
    yield ok("operator", f"{endpoint.address} answers, with a certificate that ca.crt signed")
    from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE

    allowed = (SYSTEM_TIME_TOLERANCE, SYSTEM_TIME_TOLERANCE + TIMESTAMP_TOLERANCE)
    yield from clock(answer, allowed)
    yield from registered(endpoint, context, place.key)
