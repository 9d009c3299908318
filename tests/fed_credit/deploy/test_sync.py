"""Registrations at a real SuperLink, made equal to ``banks.json``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fed_credit.config.operator import BankStatus
from fed_credit.deploy.control import Control, key_bytes
from fed_credit.deploy.records import NodeStatus
from fed_credit.deploy.sync import sync
from fed_credit.errors import DeploymentError

pytestmark = pytest.mark.usefixtures("forget_nodes")


def registered(control: Control) -> dict[str, bytes]:
    return {
        node.name: node.public_key
        for node in control.nodes()
        if node.status is not NodeStatus.UNREGISTERED
    }


def lines_of(control: Control, operator: Any, *, prune: bool = False) -> list[str]:
    said: list[str] = []
    sync(control, operator, said.append, prune=prune)
    return said


def test_banks_come_rotate_and_go(
    superlink: Any,
    make_node_key: Callable[..., tuple[Path, str]],
    make_entry: Callable[..., Any],
    tmp_path: Path,
) -> None:
    keys = {name: make_node_key(tmp_path, name)[1] for name in ("north", "south", "new")}
    north, south = make_entry("North Bank", keys["north"]), make_entry("South 银行", keys["south"])
    base = superlink.operator
    with Control(base) as control:
        said = lines_of(control, replace(base, banks=(north, south)))
        assert [line.partition(" (node")[0] for line in said] == [
            "Registered: North Bank",
            "Registered: South 银行",
        ]
        assert registered(control) == {
            "North Bank": key_bytes(keys["north"]),
            "South 银行": key_bytes(keys["south"]),
        }
        said = lines_of(control, replace(base, banks=(north, south)))
        assert said == ["Nothing to change: 2 banks are registered"]

        former = replace(north, status=BankStatus.RETIRED)
        gone = replace(south, status=BankStatus.REMOVED)
        newer = make_entry("North Bank", keys["new"])
        changed = replace(base, banks=(newer, former, gone))
        said = lines_of(control, changed)
        assert [line.partition(" (node")[0] for line in said] == [
            "Unregistered: North Bank, which has a newer key",
            "Unregistered: South 银行, which was removed",
            "Registered: North Bank",
        ]
        assert registered(control) == {"North Bank": key_bytes(keys["new"])}
        assert lines_of(control, changed) == ["Nothing to change: 1 banks are registered"]

        # Flower takes no key back; the others are synchronised all the same.
        back = replace(base, banks=(replace(newer, status=BankStatus.REMOVED), south))
        with pytest.raises(DeploymentError, match="the key of South 银行 was unregistered once"):
            lines_of(control, back)
        assert registered(control) == {}


def test_a_key_that_the_list_does_not_know_is_named_and_stays_unless_pruned(
    superlink: Any, make_node_key: Callable[..., tuple[Path, str]], tmp_path: Path
) -> None:
    key = key_bytes(make_node_key(tmp_path)[1])
    with Control(superlink.operator) as control:
        node_id = control.register("Stranger", key)
        said = lines_of(control, superlink.operator)
        assert said[0].startswith(f"Left alone: 'Stranger' (node {node_id}) is registered but not")
        assert registered(control) == {"Stranger": key}
        said = lines_of(control, superlink.operator, prune=True)
        assert said == [f"Unregistered: 'Stranger' (node {node_id}), which is not in banks.json"]
        assert registered(control) == {}


def test_a_key_under_another_name_is_not_taken_for_the_bank(
    superlink: Any,
    make_node_key: Callable[..., tuple[Path, str]],
    make_entry: Callable[..., Any],
    tmp_path: Path,
) -> None:
    public = make_node_key(tmp_path)[1]
    operator = replace(superlink.operator, banks=(make_entry("North Bank", public),))
    with Control(operator) as control:
        control.register("Nrth Bank", key_bytes(public))
        with pytest.raises(DeploymentError, match="key of North Bank is registered as 'Nrth Bank'"):
            lines_of(control, operator)
