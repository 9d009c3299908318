"""Who takes part in a deployed run: nodes by the names and keys that the operator registered.

A run's settings travel to every bank, so they hold names and digests of public keys, and never the
number that Flower gave a node. Who knows another bank's number can send it a request in the
SuperLink's name: Flower 1.41 asks who sends a request, not who is named in the message in it.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from flwr.serverapp import Grid

from fed_credit.config.spec import FederationSpec
from fed_credit.errors import ConfigurationError, QuorumError

_TICK_SECONDS = 0.5


def key_digest(public_key: bytes) -> str:
    """Return what a run's settings say of a registered key.

    Parameters
    ----------
    public_key : bytes
        As Flower keeps it.

    Returns
    -------
    str
        SHA-256 in hexadecimal digits.
    """
    return hashlib.sha256(public_key).hexdigest()


@dataclass(frozen=True)
class _Node:
    name: str
    key: str


class Registered:
    """The banks of a run.

    Parameters
    ----------
    grid : Grid
        Of the SuperLink, which knows the names under which keys are registered.
    expected : mapping of str to str or None
        Digest of the public key by registered name; ``None`` takes those that are connected.

    Attributes
    ----------
    names : dict of int to str
        Name by node, of all who take part. A bank that never was connected stands under a number
        that is no node's, so that it is asked, and missed, like the others.
    """

    def __init__(self, grid: Grid, expected: Mapping[str, str] | None) -> None:
        self._grid = grid
        self._expected = expected
        self._away: dict[str, int] = {}
        self.names: dict[int, str] = {}

    def gather(self, federation: FederationSpec) -> None:
        """Wait until all banks are connected, or enough of them when the time is up.

        Parameters
        ----------
        federation : FederationSpec
            How many are enough, and how long to wait.

        Raises
        ------
        QuorumError
            If too few are; names those that are not.
        ConfigurationError
            If keys are registered without a name, or two under one.
        """
        expected = self._expected
        wanted = (len(expected) if expected is not None else federation.num_institutions) or 1
        needed = max(1, math.ceil(federation.quorum * wanted - 1e-9))
        end = time.monotonic() + federation.join_timeout_s
        while len(found := self._connected()) < wanted:
            if time.monotonic() < end:
                time.sleep(_TICK_SECONDS)
            elif len(found) >= needed:
                break
            else:
                raise QuorumError(
                    f"Only {len(found)} of {wanted} banks are connected after"
                    f" {federation.join_timeout_s:g} s (federation.join_timeout_s), {needed} are"
                    f" needed (federation.quorum){_named(expected, found)}."
                )
        self._away = {
            # Flower's numbers are random ones of as many bits.
            name: secrets.randbits(63) + 2
            for name in expected or ()
            if name not in found.values()
        }
        self.names = {**found, **{number: name for name, number in self._away.items()}}

    def look_again(self) -> None:
        """Take in banks that have connected since; to be called between two exchanges."""
        if not self._away:
            return
        for node, name in self._connected().items():
            if name in self._away:
                del self.names[self._away.pop(name)]
                self.names[node] = name

    def _connected(self) -> dict[int, str]:
        """Return the names of the connected nodes, of those that are expected.

        Flower's interface of a grid gives node ids alone; the SuperLink's own grid also gives the
        name and the key that the operator has registered.
        """
        nodes = {
            int(node.node_id): _Node(str(node.name), key_digest(node.public_key))
            for node in self._grid.get_nodes()
        }
        expected = self._expected
        if expected is not None:
            nodes = {
                number: node
                for number, node in nodes.items()
                if expected.get(node.name) == node.key
            }
        found = {number: node.name for number, node in nodes.items()}
        nameless = sorted(number for number, name in found.items() if not name)
        if nameless:
            raise ConfigurationError(
                f"Node {nameless[0]} is registered without a name; register each bank's key under"
                " its name: fed-credit deploy sync."
            )
        if len(set(found.values())) < len(found):
            raise ConfigurationError(
                "Two nodes are registered under one name; unregister the one that is no longer"
                " used: fed-credit deploy sync."
            )
        return found


def _named(expected: Mapping[str, str] | None, found: Mapping[int, str]) -> str:
    if expected is None:
        return ""
    return f"; not connected: {', '.join(sorted(set(expected) - set(found.values())))}"
