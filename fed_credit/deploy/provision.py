"""Making the kits of a deployment, and changing them without touching what need not change.

Everything is written file by file, each in one step, and ``banks.json`` last: a call that was
interrupted leaves whole files, and the next one goes on from them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fed_credit.config.bank import BANK_FILE
from fed_credit.config.consortium import ConsortiumBankSpec, ConsortiumSpec
from fed_credit.config.operator import BANKS_FILE, BankEntry, load_banks
from fed_credit.config.yaml_file import read_mapping
from fed_credit.deploy import kits, pki, registry
from fed_credit.deploy.keys import (
    KEY_FILE,
    make_node_key,
    public_half,
    read_public_key,
    write_public,
)
from fed_credit.deploy.kit_files import PUBLIC, SECRET, locked, put, unwritable
from fed_credit.errors import ConfigurationError

OPERATOR_FOLDER = "operator"
BANKS_FOLDER = "banks"
CA_FILE = "ca.crt"


@dataclass(frozen=True)
class Kit:
    """What happened to a kit.

    Parameters
    ----------
    name : str
        Of the bank; that of the consortium for the operator's.
    home : Path
        Its folder.
    changed : tuple of str
        Names of the files that were written.
    key : str or None
        Public key of the bank's node.
    key_made_here : bool
        Whether this call made the private key.
    """

    name: str
    home: Path
    changed: tuple[str, ...]
    key: str | None = None
    key_made_here: bool = False


@dataclass
class Report:
    """What a call did.

    Parameters
    ----------
    operator : Kit
        The operator's.
    banks : list of Kit
        In the order of the consortium's file.
    notes : list of str
        What a person has to know or do, a sentence each.
    """

    operator: Kit
    banks: list[Kit]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _NodeKey:
    public: str
    made_here: bool
    changed: tuple[str, ...]


def provision(
    spec: ConsortiumSpec,
    out: Path,
    *,
    rotate: Sequence[str] = (),
    remove: Sequence[str] = (),
    renew: bool = False,
    now: datetime.datetime | None = None,
) -> Report:
    """Make one kit for the operator and one for each bank, or bring them up to date.

    A second call changes nothing. Private keys, ``bank.yaml`` and certificates that still hold are
    never written over; adding a bank writes its own kit and the operator's ``banks.json`` alone.

    Parameters
    ----------
    spec : ConsortiumSpec
        The deployment.
    out : Path
        Folder of the kits: ``operator`` and ``banks/SLUG`` in it.
    rotate : sequence of str
        Names of banks that get a new key, or hand over a new public key.
    remove : sequence of str
        Names of banks that leave; they must be gone from ``spec``.
    renew : bool
        Renew certificates that are near their end.
    now : datetime or None
        With time zone; None for the present.

    Returns
    -------
    Report

    Raises
    ------
    FedCreditError
        If a change contradicts what is there, or a file cannot be used or written. Nothing is
        written before the changes are checked.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    operator = out / OPERATOR_FOLDER
    with locked(out):
        entries = load_banks(operator / BANKS_FILE) if (operator / BANKS_FILE).exists() else []
        registry.check_changes(entries, spec.banks, rotate, remove)
        wished = registry.without(entries, remove)
        for bank in spec.banks:
            if (given := _given(bank, entries, bank.name in rotate)) is not None:
                wished = registry.with_key(wished, bank, given)
        _check_complete(operator, out / BANKS_FOLDER, entries)
        issued, notes = _certificates(spec, operator, now, renew)
        changed = [*issued, *kits.write_operator(operator, kits.operator_files(spec))]
        made = []
        for bank in spec.banks:
            home = out / BANKS_FOLDER / bank.slug
            key = _node_key(bank, home, entries, bank.name in rotate)
            wished = registry.with_key(wished, bank, key.public)
            made.append(_bank_kit(spec, bank, home, operator, key))
            notes += _bank_notes(spec, made[-1])
        if put(operator / BANKS_FILE, registry.as_json(wished), PUBLIC):
            changed.append(BANKS_FILE)
        if kits.write_connection(operator):
            changed.append(f"{kits.FLOWER_HOME}/{kits.CONNECTION_FILE}")
    return Report(Kit(spec.name, operator, tuple(changed)), made, notes)


def _given(bank: ConsortiumBankSpec, entries: Sequence[BankEntry], rotating: bool) -> str | None:
    """Return the public key that a bank handed over, if it did, unless it comes unannounced."""
    if bank.public_key is None:
        return None
    key = read_public_key(Path(bank.public_key))
    current = registry.active(entries, bank.name)
    if current is not None and current.public_key != key and not rotating:
        raise ConfigurationError(
            f"'{bank.name}' has another public key than before; if it is to change, add --rotate"
            f" '{bank.name}'."
        )
    if current is not None and current.public_key == key and rotating:
        raise ConfigurationError(
            f"--rotate '{bank.name}': {bank.public_key} holds the key that the bank has already;"
            " put the new one there first."
        )
    return key


def _check_complete(operator: Path, banks: Path, entries: Sequence[BankEntry]) -> None:
    """Refuse to found a second authority beside kits that trust another one."""
    if (operator / CA_FILE).is_file() and (operator / "operator-ca.crt").is_file():
        return
    if entries or any(banks.glob(f"*/{CA_FILE}")):
        raise ConfigurationError(
            f"{operator} lacks the certificate of an authority although there are kits that trust"
            " it; put the operator's kit back, or make all kits anew in another folder."
        )


def _certificates(
    spec: ConsortiumSpec, home: Path, now: datetime.datetime, renew: bool
) -> tuple[list[str], list[str]]:
    """Make what is needed; return the names of changed files, and notes."""
    days = spec.validity_days
    hosts = (*spec.operator.hosts, *pki.LOOPBACK)

    def wanted(stem: str, role: pki.Role, title: str, valid: int) -> pki.Wanted:
        return pki.Wanted(
            certificate=home / f"{stem}.crt",
            key=home / f"{stem}.key",
            role=role,
            organisation=spec.name,
            common_name=title,
            hosts=hosts if role is pki.Role.SERVER else (),
            days=valid,
        )

    ca = wanted("ca", pki.Role.AUTHORITY, "Consortium authority", days.ca)
    operator_ca = wanted("operator-ca", pki.Role.AUTHORITY, "Operator authority", days.ca)
    changed, notes = [], []
    for item, authority in (
        (ca, None),
        (operator_ca, None),
        (wanted("server", pki.Role.SERVER, "Server", days.server), ca),
        (wanted("operator", pki.Role.CLIENT, "Operator", days.operator), operator_ca),
    ):
        known = item.certificate.is_file()
        within = days.renew_before if renew else None
        why = pki.ensure(item, authority, now, renew_within=within)
        name = item.certificate.name
        if why is not None:
            changed.append(name)
        if why is not None and known:
            notes.append(f"{name} was {why}. {_consequence(name)}")
        left = pki.read_certificate(item.certificate).days_left(now)
        if left < 0:
            notes.append(f"{name} has ended; run this again with --renew.")
        elif left < days.renew_before:
            notes.append(f"{name} ends in {left:.0f} days; run this again with --renew.")
    return changed, notes


def _consequence(certificate: str) -> str:
    return {
        CA_FILE: "Hand every bank its new ca.crt.",
        "operator-ca.crt": "Start the proxy again.",
        "server.crt": "Start the SuperLink and the proxy again.",
        "operator.crt": "Hand it to who operates from elsewhere.",
    }[certificate]


def _node_key(
    bank: ConsortiumBankSpec, home: Path, entries: Sequence[BankEntry], rotating: bool
) -> _NodeKey:
    """Settle which key a bank has, and make one if nobody did."""
    private = home / KEY_FILE
    if bank.public_key is not None:
        public = read_public_key(Path(bank.public_key))
        changed = ["node.pub"] if write_public(home, public) else []
        if private.is_file() and public_half(private) != public:
            # Of the time before the bank had a key of its own; it opens nothing any more.
            try:
                private.unlink()
            except OSError as error:
                raise unwritable(private, error) from None
            changed.append(KEY_FILE)
        return _NodeKey(public, False, tuple(changed))

    current = registry.active(entries, bank.name)
    if private.is_file():
        put(private, private.read_bytes(), SECRET)
        public = public_half(private)
        if all(entry.public_key != public for entry in entries):
            if current is not None and not rotating:
                raise ConfigurationError(
                    f"{private} is another key than '{bank.name}' has; if it is to be the new one,"
                    f" add --rotate '{bank.name}', else move it away."
                )
            # Made by the bank in place, or by a call that was interrupted.
            return _NodeKey(public, False, ("node.pub",) if write_public(home, public) else ())
    if current is not None and not rotating:
        written = write_public(home, current.public_key)
        return _NodeKey(current.public_key, False, ("node.pub",) if written else ())
    return _NodeKey(make_node_key(home), True, (KEY_FILE, "node.pub"))


def _bank_kit(
    spec: ConsortiumSpec, bank: ConsortiumBankSpec, home: Path, operator: Path, key: _NodeKey
) -> Kit:
    changed = list(key.changed)
    if put(home / CA_FILE, (operator / CA_FILE).read_bytes(), PUBLIC):
        changed.append(CA_FILE)
    changed += kits.write_bank(home, kits.bank_files(spec, bank))
    return Kit(bank.name, home, tuple(changed), key.public, key.made_here)


def _bank_notes(spec: ConsortiumSpec, kit: Kit) -> list[str]:
    notes = []
    if kit.key_made_here:
        notes.append(
            f"The private key of {kit.name} was made here: hand over {kit.home} by a safe way, then"
            f" delete {KEY_FILE} from it."
        )
    address = kits.proxy(spec).address
    try:
        node = read_mapping(kit.home / BANK_FILE).get("node")
    except ConfigurationError:
        return notes  # the bank's own, and for its doctor
    named = node.get("superlink") if isinstance(node, dict) else None
    if named is not None and named != address:
        notes.append(
            f"{kit.home / BANK_FILE} connects to {named}, and the operator is at {address}; tell"
            f" {kit.name}."
        )
    return notes
