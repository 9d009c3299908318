"""Making the SuperLink's registrations equal ``banks.json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard

from fed_credit.config.operator import BankStatus, OperatorSpec
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import Node, NodeStatus
from fed_credit.errors import DeploymentError

_WHY = {BankStatus.RETIRED: "has a newer key", BankStatus.REMOVED: "was removed"}


def sync(
    control: Control, operator: OperatorSpec, say: Callable[[str], None], *, prune: bool
) -> None:
    """Register the keys of active banks under their names, unregister retired and removed keys.

    Done again, it changes nothing.

    Parameters
    ----------
    control : Control
        The SuperLink.
    operator : OperatorSpec
        With the banks.
    say : callable
        Takes a line for each change, and for each key that ``banks.json`` does not know.
    prune : bool
        Whether keys that ``banks.json`` does not know are unregistered; otherwise they stay.

    Raises
    ------
    DeploymentError
        If the SuperLink refuses, or, once all else is done, a key cannot be registered.
    """
    # Flower keeps unregistered keys, to refuse them.
    known = {node.public_key: node for node in control.nodes()}
    entries = [(bank, key_bytes(bank.public_key)) for bank in operator.banks]
    listed = {key for _, key in entries}
    changes = 0
    # First those who leave: at no time has a name two keys.
    for bank, key in entries:
        node = known.get(key)
        if bank.status is not BankStatus.ACTIVE and _registered(node):
            control.unregister(node.node_id)
            changes += 1
            say(f"Unregistered: {bank.name}, which {_WHY[bank.status]} (node {node.node_id})")
    for key, node in known.items():
        if key in listed or not _registered(node):
            continue
        who = f"'{node.name}' (node {node.node_id})"
        if prune:
            control.unregister(node.node_id)
            changes += 1
            say(f"Unregistered: {who}, which is not in banks.json")
        else:
            say(
                f"Left alone: {who} is registered but not in banks.json, so it can take part;"
                " --prune unregisters it"
            )
    troubles = []
    for bank, key in entries:
        if bank.status is not BankStatus.ACTIVE:
            continue
        node = known.get(key)
        if node is None:
            made = control.register(bank.name, key)
            changes += 1
            say(f"Registered: {bank.name} (node {made})")
        elif node.status is NodeStatus.UNREGISTERED:
            troubles.append(f"the key of {bank.name} was unregistered once")
        elif node.name != bank.name:
            troubles.append(f"the key of {bank.name} is registered as '{node.name}'")
    if troubles:
        raise DeploymentError(
            f"Not every bank is registered: {'; '.join(troubles)}. Flower registers a key once,"
            " under one name; give each of them a new key (fed-credit provision --rotate BANK) and"
            " sync again."
        )
    if not changes:
        say(f"Nothing to change: {len(operator.active)} banks are registered")


def _registered(node: Node | None) -> TypeGuard[Node]:
    return node is not None and node.status is not NodeStatus.UNREGISTERED
