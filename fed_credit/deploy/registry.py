"""Whose key may connect: what ``banks.json`` is to say after a change of the consortium.

Keys are never forgotten. Those that must not connect any more stay in the list, so that they can be
unregistered, and so that none of them comes back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from fed_credit.config.consortium import ConsortiumBankSpec
from fed_credit.config.convert import plain
from fed_credit.config.operator import BankEntry, BankStatus
from fed_credit.errors import ConfigurationError, suggestion


def active(entries: Sequence[BankEntry], name: str) -> BankEntry | None:
    """Return the entry by which a bank takes part, if it does."""
    return next(
        (entry for entry in entries if entry.name == name and entry.status is BankStatus.ACTIVE),
        None,
    )


def check_changes(
    entries: Sequence[BankEntry],
    banks: Sequence[ConsortiumBankSpec],
    rotate: Sequence[str],
    remove: Sequence[str],
) -> None:
    """Refuse changes that contradict the consortium's file or the list.

    Parameters
    ----------
    entries : sequence of BankEntry
        The list as it is.
    banks : sequence of ConsortiumBankSpec
        Those who are to take part.
    rotate, remove : sequence of str
        Names of banks that get another key, and that leave.

    Raises
    ------
    ConfigurationError
        If a bank is not known, is to leave and stay, or is gone from the file without a word.
    """
    named = [bank.name for bank in banks]
    known = [entry.name for entry in entries if entry.status is BankStatus.ACTIVE]
    for name in rotate:
        if name not in named or name not in known:
            raise ConfigurationError(
                f"--rotate '{name}': no such bank takes part; choose of"
                f" {_listed(word for word in known if word in named)}.{suggestion(name, known)}"
            )
    for name in remove:
        if name in named:
            raise ConfigurationError(
                f"--remove '{name}': the consortium's file still lists it; delete its entry there"
                " first."
            )
        if name not in known:
            raise ConfigurationError(
                f"--remove '{name}': no such bank takes part; choose of {_listed(known)}."
                f"{suggestion(name, known)}"
            )
    for name in known:
        if name not in named and name not in remove:
            raise ConfigurationError(
                f"'{name}' takes part but is not among the banks of the consortium's file; put it"
                f" back, or add --remove '{name}'."
            )


def with_key(entries: Sequence[BankEntry], bank: ConsortiumBankSpec, key: str) -> list[BankEntry]:
    """Return the list in which a bank takes part with a key, and with no other.

    Parameters
    ----------
    entries : sequence of BankEntry
        The list as it is.
    bank : ConsortiumBankSpec
        The bank.
    key : str
        Its public key.

    Returns
    -------
    list of BankEntry
        A former key of the bank is ``retired``.

    Raises
    ------
    ConfigurationError
        If the key is that of another bank, or one that must not come back.
    """
    for entry in entries:
        if entry.public_key != key:
            continue
        if entry.name == bank.name and entry.status is BankStatus.ACTIVE:
            return list(entries)
        if entry.status is BankStatus.ACTIVE:
            raise ConfigurationError(
                f"'{bank.name}' has the public key of '{entry.name}'; ask each for its own"
                " node.pub."
            )
        raise ConfigurationError(
            f"'{bank.name}' has a public key that was {entry.status.value} before; let the bank"
            " make a new one."
        )
    return [
        *(
            replace(entry, status=BankStatus.RETIRED)
            if entry.name == bank.name and entry.status is BankStatus.ACTIVE
            else entry
            for entry in entries
        ),
        BankEntry(bank.name, bank.slug, key, BankStatus.ACTIVE),
    ]


def without(entries: Sequence[BankEntry], names: Sequence[str]) -> list[BankEntry]:
    """Return the list in which some banks do not take part any more."""
    return [
        replace(entry, status=BankStatus.REMOVED)
        if entry.name in names and entry.status is BankStatus.ACTIVE
        else entry
        for entry in entries
    ]


def as_json(entries: Sequence[BankEntry]) -> bytes:
    """Return the list as ``banks.json`` holds it."""
    return (json.dumps(plain(list(entries)), indent=2, ensure_ascii=False) + "\n").encode()


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names) or "none"
