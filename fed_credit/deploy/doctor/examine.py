"""Which side a folder is of, and what is found there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from fed_credit.config.bank import BANK_FILE
from fed_credit.config.operator import BANKS_FILE, OPERATOR_FILE
from fed_credit.deploy.doctor.finding import Finding, State
from fed_credit.errors import ConfigurationError


class Side(Enum):
    """Whose kit it is."""

    BANK = "bank"
    OPERATOR = "operator"


# Any one of them will do: the doctor is called when files are missing.
_MARKS = {
    Side.OPERATOR: (OPERATOR_FILE, BANKS_FILE, "server.crt", "operator.crt", "nginx.conf"),
    Side.BANK: (BANK_FILE, "node.key", "node.pub"),
}


@dataclass(frozen=True)
class Examination:
    """What was found.

    Parameters
    ----------
    home : Path
        The kit, absolute.
    side : Side
        Whose it is.
    findings : iterator of Finding
        As they are made.
    """

    home: Path
    side: Side
    findings: Iterator[Finding]


def examine(home: Path) -> Examination:
    """Look over a kit.

    Only the addresses that the kit itself names are connected to. Nothing is changed.

    Parameters
    ----------
    home : Path
        A bank's home, or the operator's.

    Returns
    -------
    Examination

    Raises
    ------
    ConfigurationError
        If the folder is neither.
    """
    home = home.resolve()
    side = next(
        (side for side, marks in _MARKS.items() if any((home / mark).exists() for mark in marks)),
        None,
    )
    if side is None:
        raise ConfigurationError(
            f"{home} is neither a bank's home ({BANK_FILE}) nor an operator's ({OPERATOR_FILE});"
            f" name one with --home.{_nearby(home)}"
        )
    if side is Side.BANK:
        from fed_credit.deploy.doctor.bank import examine_bank

        return Examination(home, side, examine_bank(home))
    from fed_credit.deploy.doctor.operator import examine_operator

    return Examination(home, side, examine_operator(home))


def _nearby(home: Path) -> str:
    """Name kits below a folder, as of one that fed-credit provision wrote."""
    kits = [*home.glob(f"*/{OPERATOR_FILE}"), *sorted(home.glob(f"banks/*/{BANK_FILE}"))]
    if not kits:
        return ""
    return f" In it are {', '.join(str(kit.parent.relative_to(home)) for kit in kits[:6])}."


def worst(findings: list[Finding]) -> State:
    """Return the gravest state among findings."""
    states = {finding.state for finding in findings}
    return next((each for each in (State.PROBLEM, State.WARNING) if each in states), State.OK)
